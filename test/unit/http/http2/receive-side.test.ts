import { describe, expect, it } from 'vitest'
import { DEFAULT_HTTP2_OPTIONS, type Http2Options } from '../../../../src/base/options/protocol-options.ts'
import { ActiveStream, type Http2StreamParts } from '../../../../src/http/http2/active-stream.ts'
import { OutputQueue } from '../../../../src/http/http2/frames/output-queue.ts'
import { ReceiveSide } from '../../../../src/http/http2/receive-side.ts'

const parts = {} as Http2StreamParts // no stream asks for anything here
const events = { onResponse() {}, onData() {}, onEnd() {}, onWritable() {}, onReset() {} }
const KIB = 1024

/** A receive side with one stream, and the credit that it gave since the last look, by stream. */
function make(options: Partial<Http2Options> = {}): {
  side: ReceiveSide
  stream: ActiveStream
  credit(): [streamId: number, bytes: number][]
} {
  const all = { ...DEFAULT_HTTP2_OPTIONS, ...options }
  const output = new OutputQueue()
  const side = new ReceiveSide(output, all, { sendSample() {}, streamCount: () => 1 })
  return {
    side,
    stream: new ActiveStream(1, parts, events, 65_535, all.streamWindowBytes),
    credit() {
      const bytes = Buffer.concat(output.take())
      output.release()
      // Nothing but WINDOW_UPDATE frames comes from here: 13 bytes each.
      return Array.from({ length: bytes.length / 13 }, (_, i) => [
        bytes.readUInt32BE(i * 13 + 5),
        bytes.readUInt32BE(i * 13 + 9),
      ])
    },
  }
}

describe('ReceiveSide', () => {
  it('raises the window of the connection at the start', () => {
    const { side, credit } = make({ connectionWindowBytes: 1_000_000 })
    side.start()
    expect(credit()).toEqual([[0, 1_000_000 - 65_535]])
  })

  it('lets the window of a stream grow to where credit is rare while its reader keeps up', () => {
    const { side, stream, credit } = make()
    const taken: [number, number][] = []
    for (let total = 0; total < 4096 * KIB; total += 8 * KIB) {
      side.receiveOnStream(stream, 8 * KIB)
      side.onTaken(stream, 8 * KIB, 0)
      for (const [id, bytes] of credit()) taken.push([id, bytes / KIB])
    }
    // Half of 256 KiB, and the window doubled; half of 512 KiB, and the window doubled; from then on half of
    // 1 MiB.
    expect(taken.slice(0, 4)).toEqual([
      [1, 128 + 256],
      [1, 256 + 512],
      [1, 512],
      [1, 512],
    ])
    expect(stream.windowTarget).toBe(1024 * KIB)
  })

  it('lets it grow no further than maxStreamWindowBytes', () => {
    const { side, stream } = make({ maxStreamWindowBytes: 300 * KIB })
    for (let total = 0; total < 2048 * KIB; total += 8 * KIB) {
      side.receiveOnStream(stream, 8 * KIB)
      side.onTaken(stream, 8 * KIB, 0)
    }
    expect(stream.windowTarget).toBe(300 * KIB)
  })

  it('gives no credit for what a stalled reader holds, but lets the connection go on', () => {
    const { side, stream, credit } = make({ connectionWindowBytes: 100 * KIB })
    side.start()
    credit()
    for (let i = 0; i < 10; i++) {
      side.receive(8 * KIB)
      side.receiveOnStream(stream, 8 * KIB)
      side.hold(stream, Buffer.alloc(8 * KIB))
    }
    expect(credit().map(([id]) => id)).toEqual([0, 0])
    expect(side.heldBytes).toBe(80 * KIB)
  })

  it('holds back credit for the connection when everything held reaches its bound', () => {
    const { side, stream, credit } = make({ connectionWindowBytes: 100 * KIB, maxBufferedBytes: 150 * KIB })
    side.start()
    credit()
    let given = 100 * KIB
    let received = 0
    while (received + 8 * KIB <= given) {
      side.receive(8 * KIB)
      side.hold(stream, Buffer.alloc(8 * KIB))
      received += 8 * KIB
      for (const [, bytes] of credit()) given += bytes
    }
    expect(side.heldMemoryBytes).toBeLessThanOrEqual(150 * KIB)
    expect(side.heldBytes).toBeGreaterThan(100 * KIB)
    side.forget(stream)
    expect([side.heldBytes, side.heldMemoryBytes]).toEqual([0, 0])
    expect(credit()).toHaveLength(1)
  })

  it('holds single bytes in little more memory than they have, and delivers them in few chunks', () => {
    const { side, stream } = make()
    const bytes = 200_000
    for (let i = 0; i < bytes; i++) side.hold(stream, Buffer.from([i & 0xff]))
    expect([side.heldBytes, stream.heldBytes]).toEqual([bytes, bytes])
    expect(side.heldMemoryBytes).toBeLessThan(1.2 * bytes)
    let taken = 0
    let chunks = 0
    for (let chunk = side.takeHeld(stream); chunk !== undefined; chunk = side.takeHeld(stream)) {
      if (!chunk.every((byte, i) => byte === ((taken + i) & 0xff)))
        throw new Error(`out of order behind ${taken}`)
      taken += chunk.length
      chunks += 1
    }
    expect(taken).toBe(bytes)
    expect(chunks).toBeLessThan(25)
    expect([side.heldBytes, side.heldMemoryBytes, stream.heldBytes]).toEqual([0, 0, 0])
  })

  it('counts what streams with next to nothing make it hold', () => {
    const { side, credit } = make({ connectionWindowBytes: 100 * KIB, maxBufferedBytes: 150 * KIB })
    side.start()
    credit()
    // 400 streams with a byte each hold more than the bound, for 400 bytes.
    for (let id = 1; id < 800; id += 2) {
      side.receive(1)
      side.hold(new ActiveStream(id, parts, events, 65_535, 65_535), Buffer.from('x'))
    }
    expect(side.heldMemoryBytes).toBeGreaterThan(150 * KIB)
    side.receive(99 * KIB)
    expect(credit()).toEqual([])
  })
})
