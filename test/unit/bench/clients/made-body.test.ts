import { describe, expect, it } from 'vitest'
import { bodyStream, headersOf, MadeBody } from '../../../../src/bench/clients/made-body.ts'
import { REQUEST } from '../load/fake-bench-client.ts'

function sinkOf(takes: number) {
  const written: number[] = []
  let ended = 0
  return {
    written,
    ended: () => ended,
    sink: {
      write(chunk: Uint8Array): boolean {
        written.push(chunk.length)
        return written.length % takes !== 0
      },
      end: () => void ended++,
      fail: () => {
        throw new Error('a made body does not fail')
      },
    },
  }
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

describe('a generated request body', () => {
  it('has its length, stops when its sink is full, and goes on', () => {
    const body = new MadeBody(200_000)
    const { sink, written, ended } = sinkOf(2)
    expect(body.isReplayable()).toBe(true)
    body.attach(sink)
    expect([written.length, ended(), body.isReplayable()]).toEqual([2, 0, false])
    body.resume()
    expect([sum(written), ended()]).toEqual([200_000, 1])
    body.resume()
    expect(ended()).toBe(1)
  })

  it('writes nothing more after it was canceled', () => {
    const body = new MadeBody(200_000)
    const { sink, written, ended } = sinkOf(1)
    body.attach(sink)
    body.cancel()
    body.resume()
    expect([written.length, ended()]).toEqual([1, 0])
  })

  it('is the same for Node: a stream of that length, or the bytes that were given', async () => {
    expect(bodyStream(REQUEST)).toBeUndefined()
    expect(bodyStream({ ...REQUEST, body: new Uint8Array([1, 2]) })).toEqual(Buffer.from([1, 2]))
    const lengths: number[] = []
    for await (const chunk of bodyStream({ ...REQUEST, uploadBytes: 150_000 }) ?? [])
      lengths.push((chunk as Buffer).length) // a stream of buffers
    expect(sum(lengths)).toBe(150_000)
  })

  it('is announced by its content-length', () => {
    expect(headersOf({ ...REQUEST, headers: ['a', 'b'], uploadBytes: 7 })).toEqual([
      'a',
      'b',
      'content-length',
      '7',
    ])
    expect(headersOf({ ...REQUEST, uploadBytes: 0 })).toEqual([])
  })
})
