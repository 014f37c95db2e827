import { ReadableStream, type ReadableStreamDefaultController, WritableStream } from 'node:stream/web'
import { describe, expect, it } from 'vitest'
import {
  WebTransportError,
  type WebTransportReceiveStream,
  type WebTransportSendStream,
} from '../../../../src/index.ts'
import { carryStream } from '../../../../src/service/web-transport/carry-stream.ts'

const broken = (streamErrorCode: number) =>
  new WebTransportError('MM_STREAM_RESET', 'broken off', { source: 'stream', streamErrorCode })
const sessionEnd = new WebTransportError('MM_WEBTRANSPORT_CLOSED', 'closed')

/** Two ends of one stream, with what happens to them. */
function ends({ takes = async () => {} }: { takes?: (chunk: Uint8Array) => Promise<void> } = {}) {
  const log: (readonly unknown[])[] = []
  let source!: ReadableStreamDefaultController<Uint8Array>
  let fail!: (error: Error) => void
  let pulls = 0
  const readable = new ReadableStream<Uint8Array>(
    {
      start: controller => void (source = controller),
      pull: () => void (pulls += 1),
      cancel: reason => void log.push(['stop', reason.streamErrorCode]),
    },
    { highWaterMark: 0 },
  )
  const writable = new WritableStream<Uint8Array>({
    start: controller => void (fail = error => controller.error(error)),
    write: async chunk => {
      log.push(['write', chunk.length])
      await takes(chunk)
    },
    close: () => void log.push(['end']),
    abort: reason => void log.push(['reset', reason.streamErrorCode]),
  })
  const carried = carryStream(
    readable as unknown as WebTransportReceiveStream,
    writable as unknown as WebTransportSendStream,
    bytes => log.push(['carried', bytes]),
  )
  return { log, carried, source, fail: (error: Error) => fail(error), pulls: () => pulls }
}

const settle = () => new Promise(resolve => setImmediate(resolve))

describe('a stream that is carried', () => {
  it('goes on with its bytes and its end', async () => {
    const { log, carried, source } = ends()
    await settle()
    source.enqueue(new Uint8Array(3))
    source.close()
    await carried
    expect(log).toEqual([['carried', 3], ['write', 3], ['end']])
  })

  it('is not read while what was read before is not taken', async () => {
    const taken: (() => void)[] = []
    const { source, pulls, log } = ends({ takes: () => new Promise<void>(resolve => taken.push(resolve)) })
    await settle()
    expect(pulls()).toBe(1)
    source.enqueue(new Uint8Array(1))
    await settle()
    expect(pulls()).toBe(1)
    taken[0]?.()
    await settle()
    expect(pulls()).toBe(2)
    expect(log).toEqual([
      ['carried', 1],
      ['write', 1],
    ])
  })

  it('is reset with the code that it was reset with', async () => {
    const { log, carried, source } = ends()
    await settle()
    source.error(broken(4_294_967_295))
    await carried
    await settle()
    expect(log).toEqual([['reset', 4_294_967_295]])
  })

  it('is stopped with the code that it was stopped with, though nothing comes', async () => {
    const { log, carried, fail } = ends()
    await settle()
    fail(broken(7))
    await carried
    expect(log).toEqual([['stop', 7]])
  })

  it('says nothing on the other side when its session ends', async () => {
    for (const end of ['source', 'target'] as const) {
      const { log, carried, source, fail } = ends()
      await settle()
      if (end === 'source') source.error(sessionEnd)
      else fail(sessionEnd)
      if (end === 'source') await carried
      await settle()
      expect(log).toEqual([])
    }
  })

  it('reports what is no failure of a stream', async () => {
    const { carried, source } = ends()
    await settle()
    source.error(new Error('a defect'))
    await expect(carried).rejects.toThrow('a defect')
  })
})
