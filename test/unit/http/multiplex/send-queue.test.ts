import { describe, expect, it } from 'vitest'
import { ActiveStream, type Http2StreamParts } from '../../../../src/http/http2/active-stream.ts'
import { SendQueue } from '../../../../src/http/multiplex/send-queue.ts'

const parts = {} as Http2StreamParts // no stream asks for anything here
const events = { onResponse() {}, onData() {}, onEnd() {}, onWritable() {}, onReset() {} }

function streamOf(id: number, urgency = 3, incremental = false): ActiveStream {
  const stream = new ActiveStream(id, parts, events, 65_535, 65_535)
  stream.priority = { urgency, incremental }
  return stream
}

/** Whose turn it is, for some frames. */
function turns(queue: SendQueue<ActiveStream>, count: number): (number | undefined)[] {
  return Array.from({ length: count }, () => {
    const stream = queue.first()
    if (stream !== undefined) queue.onSent(stream)
    return stream?.id
  })
}

describe('SendQueue', () => {
  it('serves the more urgent stream first', () => {
    const queue = new SendQueue<ActiveStream>()
    for (const [id, urgency] of [
      [1, 7],
      [3, 0],
      [5, 3],
    ] as const)
      queue.add(streamOf(id, urgency))
    expect(queue.first()?.id).toBe(3)
  })

  it('serves streams that are not incremental one after the other', () => {
    const queue = new SendQueue<ActiveStream>()
    const first = streamOf(1)
    queue.add(first)
    queue.add(streamOf(3))
    expect(turns(queue, 3)).toEqual([1, 1, 1])
    queue.remove(first)
    expect(turns(queue, 2)).toEqual([3, 3])
  })

  it('lets incremental streams alternate', () => {
    const queue = new SendQueue<ActiveStream>()
    for (const id of [1, 3, 5]) queue.add(streamOf(id, 3, true))
    expect(turns(queue, 7)).toEqual([1, 3, 5, 1, 3, 5, 1])
  })

  it('holds each stream once, and none after it was removed', () => {
    const queue = new SendQueue<ActiveStream>()
    const stream = streamOf(1)
    queue.add(stream)
    queue.add(stream)
    expect(queue.isEmpty).toBe(false)
    queue.remove(stream)
    queue.remove(stream)
    expect(queue.isEmpty).toBe(true)
    expect(queue.first()).toBeUndefined()
  })
})
