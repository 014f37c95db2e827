import { describe, expect, it } from 'vitest'
import { type Http3StreamParts, RequestStream } from '../../../../src/http/http3/request-stream.ts'
import { Http3SendSide } from '../../../../src/http/http3/send-side.ts'
import { FRAME } from '../../../support/http3-wire.ts'
import { fc } from '../../../support/property.ts'
import { FakeQuic } from './fake-quic.ts'
import { describeFrame } from './http3-session/session-rig.ts'

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
const SECTION = Buffer.from('a section')

/** A send side over a QUIC that takes what the test says. */
class Bench {
  readonly quic = new FakeQuic('client')
  readonly ended: number[] = []
  readonly writable: number[] = []
  onWritable: ((stream: RequestStream) => void) | undefined
  readonly side: Http3SendSide

  constructor(writeAheadBytes = 20_000) {
    this.side = new Http3SendSide(this.quic, writeAheadBytes, ({ id }) => void this.ended.push(id))
  }

  stream(id: number, room = Number.POSITIVE_INFINITY): RequestStream {
    const events = {
      onResponse() {},
      onData() {},
      onEnd() {},
      onReset() {},
      onWritable: () => {
        this.writable.push(id)
        this.onWritable?.(stream)
      },
    }
    const stream = new RequestStream(id, {} as Http3StreamParts, events, 0) // it asks nothing of its session here
    this.quic.stream(id).room = room
    return stream
  }

  /** QUIC has so much room for the streams, and says so. */
  room(bytes: number, ...streams: readonly RequestStream[]): void {
    for (const stream of streams) {
      this.quic.allow(stream.id, bytes)
      this.side.onRoom(stream)
    }
    while (this.quic.nextEvent() !== undefined);
    this.side.pump()
  }

  frames(id: number): string[] {
    return this.quic.frames(id).map(describeFrame)
  }
}

describe('the buffer of small writes', () => {
  it('lets head, body and end of a small message leave together', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    bench.side.putSection(stream, SECTION, SECTION.length, false)
    bench.side.putData(stream, Buffer.from('hello'), keep)
    expect([bench.side.isCorked, bench.quic.writes]).toEqual([true, []])
    bench.side.putEnd(stream)
    expect(bench.quic.writes).toEqual(['0 18 end'])
    expect([bench.ended, bench.side.isCorked, stream.hasSentEnd]).toEqual([[0], false, true])
    expect(bench.frames(0)).toEqual(['HEADERS 9', 'DATA 5'])
  })

  it('is emptied by flush(), and by another stream, whose bytes come after', () => {
    const bench = new Bench()
    const [one, other] = [bench.stream(0), bench.stream(4)]
    bench.side.putSection(one, SECTION, SECTION.length, false)
    bench.side.putSection(other, SECTION, SECTION.length, false)
    expect(bench.quic.writes).toEqual(['0 11'])
    bench.side.flush()
    bench.side.flush()
    expect(bench.quic.writes).toEqual(['0 11', '4 11'])
  })

  it('is passed by large pieces, behind what is in it', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    bench.side.putSection(stream, SECTION, SECTION.length, false)
    bench.side.putData(stream, Buffer.alloc(50_000), keep)
    expect(bench.quic.writes).toEqual(['0 16', '0 50000'])
    expect(bench.frames(0)).toEqual(['HEADERS 9', 'DATA 50000'])
  })

  it('is emptied when it is full', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    for (let i = 0; i < 10; i++) bench.side.putData(stream, Buffer.alloc(4000, i), keep)
    bench.side.putEnd(stream)
    expect(bench.frames(0)).toEqual(Array.from({ length: 10 }, () => 'DATA 4000'))
    expect(bench.quic.writes.length).toBeLessThan(5)
  })

  it('is passed by a section that is larger than it', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    const large = Buffer.alloc(40_000, 7)
    bench.side.putSection(stream, large, 39_000, true)
    expect(bench.quic.frames(0)[0]).toMatchObject({ type: FRAME.HEADERS, payload: large.subarray(0, 39_000) })
    expect(bench.ended).toEqual([0])
  })

  it('has room for a section right below its size behind another one', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    for (const length of [4095, 4096, 4097, 12_200, 16_380, 16_384]) {
      bench.side.putSection(stream, Buffer.alloc(20_000, 1), length, false)
    }
    bench.side.flush()
    expect(bench.frames(0)).toEqual([4095, 4096, 4097, 12_200, 16_380, 16_384].map(n => `HEADERS ${n}`))
  })

  it('keeps nothing of a stream that was forgotten', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    bench.side.putData(stream, Buffer.from('gone'), keep)
    bench.side.forget(stream)
    expect(bench.side.isCorked).toBe(false)
    bench.side.putData(stream, Buffer.from('gone too'), keep)
    bench.side.putEnd(stream)
    bench.side.flush()
    expect([bench.quic.writes, bench.ended]).toEqual([[], []])
  })
})

describe('the end of a stream', () => {
  it('leaves with a byte, an empty frame where nothing else is left', () => {
    const bench = new Bench()
    const stream = bench.stream(0)
    bench.side.putData(stream, Buffer.from('all'), keep)
    bench.side.flush()
    bench.side.putEnd(stream)
    expect(bench.quic.writes).toEqual(['0 5', '0 2 end'])
    expect(bench.frames(0)).toEqual(['DATA 3', 'DATA 0'])
  })

  it('waits behind bytes that wait', () => {
    const bench = new Bench()
    const stream = bench.stream(0, 4)
    bench.side.putData(stream, Buffer.from('hello world'), keep)
    bench.side.flush()
    bench.side.putEnd(stream)
    expect([bench.ended, stream.queuedBytes]).toEqual([[], 9])
    bench.room(8, stream)
    expect([bench.ended, stream.hasSentEnd]).toEqual([[], false])
    bench.room(1, stream)
    expect([bench.ended, bench.quic.writes]).toEqual([[0], ['0 4', '0 8', '0 1 end']])
  })

  it('is reported once, also when there is room again', () => {
    const bench = new Bench()
    const stream = bench.stream(0, 0)
    bench.side.putSection(stream, SECTION, SECTION.length, true)
    bench.room(100, stream)
    bench.room(100, stream)
    expect(bench.ended).toEqual([0])
  })
})

describe('output that QUIC does not take', () => {
  it('is kept as the caller says, and goes on where it stopped, in order', () => {
    const bench = new Bench()
    const stream = bench.stream(0, 10_000)
    const chunk = Buffer.alloc(15_000, 1)
    const kept: number[] = []
    bench.side.putData(stream, chunk, rest => {
      kept.push(rest.length)
      return Buffer.from(rest)
    })
    chunk.fill(9)
    bench.side.putData(stream, Buffer.alloc(5000, 2), keep)
    bench.side.putEnd(stream)
    expect(kept).toEqual([5003])
    bench.room(100_000, stream)
    const frames = bench.quic.frames(0)
    expect(Buffer.concat(frames.map(({ payload }) => payload))).toEqual(
      Buffer.concat([Buffer.alloc(15_000, 1), Buffer.alloc(5000, 2)]),
    )
  })

  it('notifies its producer when half of it is gone, who may write from within', () => {
    const bench = new Bench(10_000)
    const stream = bench.stream(0, 0)
    expect(bench.side.putData(stream, Buffer.alloc(9990), keep)).toBe(true)
    expect(bench.side.putData(stream, Buffer.alloc(5000), keep)).toBe(false)
    bench.room(9000, stream)
    expect(bench.writable).toEqual([])
    bench.onWritable = woken => {
      if (bench.writable.length === 1) bench.side.putData(woken, Buffer.alloc(20_000), keep)
      else bench.side.putEnd(woken)
    }
    bench.room(2000, stream)
    expect(bench.writable).toEqual([0])
    for (let i = 0; i < 10; i++) bench.room(5000, stream)
    expect(bench.writable).toEqual([0, 0])
    expect(bench.ended).toEqual([0])
    expect(bench.frames(0)).toEqual(['DATA 9990', 'DATA 5000', 'DATA 20000', ...bench.frames(0)])
  })
})

describe('the order of output (RFC 9218 10)', () => {
  it('puts the most urgent stream first, each to its end', () => {
    const bench = new Bench()
    const streams = [5, 3, 0].map((urgency, i) => {
      const stream = bench.stream(4 * i, 0)
      stream.priority = { urgency, incremental: false }
      bench.side.putData(stream, Buffer.alloc(40_000), keep)
      return stream
    })
    bench.room(1_000_000, ...streams)
    // Frame header and payload each.
    expect(bench.quic.writes.map(line => line.split(' ')[0])).toEqual(['8', '8', '4', '4', '0', '0'])
  })

  it('gives incremental streams a slice each', () => {
    const bench = new Bench()
    const streams = [0, 4, 8].map(id => {
      const stream = bench.stream(id, 0)
      stream.priority = { urgency: 3, incremental: true }
      bench.side.putData(stream, Buffer.alloc(30_000), keep)
      return stream
    })
    bench.room(1_000_000, ...streams)
    const slice = (id: number): string[] => [`${id} 5`, `${id} 16379`]
    expect(bench.quic.writes).toEqual([...[0, 4, 8].flatMap(slice), '0 13621', '4 13621', '8 13621'])
  })

  it('moves a stream whose priority changes while it waits', () => {
    const bench = new Bench()
    const streams = [0, 4].map(id => {
      const stream = bench.stream(id, 0)
      bench.side.putData(stream, Buffer.alloc(9000), keep)
      bench.quic.allow(id, 1_000_000)
      bench.side.onRoom(stream)
      return stream
    })
    bench.side.reprioritize(streams[1]!, { urgency: 0, incremental: false })
    bench.side.pump()
    expect(bench.quic.writes).toEqual(['4 3', '4 9000', '0 3', '0 9000'])
    bench.side.pump()
    expect(streams.map(({ isQueued }) => isQueued)).toEqual([false, false])
  })
})

describe('whatever QUIC takes,', () => {
  const script = fc.array(
    fc.record({
      stream: fc.nat(2),
      bytes: fc.oneof(fc.nat(50), fc.nat(5000), fc.nat(40_000)),
      room: fc.oneof(fc.nat(10), fc.nat(20_000)),
      what: fc.constantFrom('data', 'data', 'section', 'flush', 'room', 'priority'),
    }),
    { maxLength: 40 },
  )

  it('each stream gets its bytes in order, whole frames and one end', () => {
    fc.assert(
      fc.property(script, steps => {
        const bench = new Bench(1_000_000)
        const streams = [0, 4, 8].map(id => bench.stream(id, 100))
        const expected: string[][] = [[], [], []]
        for (const [i, { stream: index, bytes, room, what }] of steps.entries()) {
          const stream = streams[index]!
          if (what === 'flush') bench.side.flush()
          else if (what === 'room') bench.room(room, stream)
          else if (what === 'priority') {
            bench.side.reprioritize(stream, { urgency: i % 8, incremental: room % 2 === 0 })
          } else if (what === 'section') {
            bench.side.putSection(stream, Buffer.alloc(bytes + 1, i), bytes + 1, false)
            expected[index]!.push(`HEADERS ${bytes + 1} ${i % 256}`)
          } else if (bytes > 0) {
            const chunk = Buffer.alloc(bytes, i)
            bench.side.putData(stream, chunk, keep)
            chunk.fill(0xee)
            expected[index]!.push(`DATA ${bytes} ${i % 256}`)
          }
        }
        for (const stream of streams) bench.side.putEnd(stream)
        bench.room(10_000_000, ...streams)
        for (const [index, stream] of streams.entries()) {
          const frames = bench.quic.frames(stream.id)
          // An empty frame may carry the end.
          const sent = frames.filter(({ length }) => length > 0)
          const words = sent.map(wire => `${describeFrame(wire)} ${wire.payload[0]}`)
          expect(words).toEqual(expected[index])
          expect(sent.every(({ payload }) => payload.every(byte => byte === payload[0]))).toBe(true)
          expect(bench.quic.stream(stream.id).isFinished).toBe(true)
        }
        expect(bench.ended.toSorted((a, b) => a - b)).toEqual([0, 4, 8])
      }),
    )
  })
})
