import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { fc } from '../support/property.ts'
import type { Frame } from '../support/simulated-quic/frame.ts'
import { decodePacket, encodePacket, frameBytes, headBytes } from '../support/simulated-quic/packet-codec.ts'
import { RangeSet } from '../support/simulated-quic/range-set.ts'
import { ReceiveStream } from '../support/simulated-quic/receive-stream.ts'
import { SimulatedQuicPair } from '../support/simulated-quic/simulated-quic-pair.ts'
import { StreamCollector } from '../support/simulated-quic/stream-collector.ts'

const number = fc.oneof(fc.nat(100), fc.nat(100_000), fc.maxSafeNat())
const bytes = fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array))

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('ping' as const) }),
  fc.record({
    type: fc.constant('ack' as const),
    ranges: fc.array(
      fc.tuple(fc.nat(10_000), fc.nat(100)).map(([first, more]) => ({ first, last: first + more })),
      { maxLength: 32 },
    ),
  }),
  fc.record({ type: fc.constant('handshake' as const), offset: number, data: bytes }),
  fc.record({
    type: fc.constant('stream' as const),
    stream: number,
    offset: number,
    data: bytes,
    isLast: fc.boolean(),
  }),
  fc.record({ type: fc.constant('reset' as const), stream: number, code: number, finalBytes: number }),
  fc.record({ type: fc.constant('stop' as const), stream: number, code: number }),
  fc.record({ type: fc.constant('max-data' as const), bytes: number }),
  fc.record({ type: fc.constant('max-stream-data' as const), stream: number, bytes: number }),
  fc.record({ type: fc.constant('max-streams' as const), isBidirectional: fc.boolean(), count: number }),
  fc.record({ type: fc.constant('datagram' as const), data: bytes }),
  fc.record({
    type: fc.constant('close' as const),
    isApplication: fc.boolean(),
    code: number,
    reason: fc.string({ maxLength: 50 }),
  }),
)

const head = fc.record({
  kind: fc.constantFrom('initial' as const, 'zero-rtt' as const, 'handshake' as const, 'one-rtt' as const),
  number,
})

describe('packets of the simulated engine', () => {
  it('are read as they were written, with the length that was computed before', () => {
    const property = fc.property(head, fc.array(frame, { maxLength: 5 }), ({ kind, number }, frames) => {
      const ids = { destinationId: Buffer.alloc(8, 1), sourceId: Buffer.alloc(kind === 'one-rtt' ? 0 : 5, 2) }
      const version = 0x5349_4d31
      const full = { kind, version, number, ...ids, token: Buffer.alloc(0) }
      const packet = encodePacket(full, frames, Buffer.alloc(9000))
      expect(decodePacket(packet, 8)).toEqual({ ...full, frames })
      expect(packet.length).toBe(headBytes(full) + frames.reduce((sum, each) => sum + frameBytes(each), 0))
    })
    fc.assert(property, { numRuns: 500 })
  })

  it('that were changed on the way are dropped, and invalid ones are ignored', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 200 }), junk => {
      expect(decodePacket(Buffer.from(junk), 8)).toBeUndefined()
    })
    fc.assert(property, { numRuns: 500 })
    const packet = encodePacket(
      {
        kind: 'one-rtt',
        version: 0,
        destinationId: Buffer.alloc(8),
        sourceId: Buffer.alloc(0),
        token: Buffer.alloc(0),
        number: 5,
      },
      [{ type: 'ping' }],
      Buffer.alloc(100),
    )
    for (let bit = 0; bit < packet.length * 8; bit++) {
      const changed = Buffer.from(packet)
      changed[bit >> 3]! ^= 1 << (bit & 7)
      expect(decodePacket(changed, 8)).toBeUndefined()
    }
  })
})

describe('10,000 random and mutated datagrams into a live connection', () => {
  it('do no harm', () => {
    const random = seededRandom(11)
    const pair = new SimulatedQuicPair()
    const client = new StreamCollector(pair.client)
    const server = new StreamCollector(pair.server)
    const seen: Buffer[] = []
    const receive = pair.server.receive.bind(pair.server)
    pair.server.receive = datagram => {
      if (seen.length < 50) seen.push(Buffer.from(datagram))
      receive(datagram)
    }
    pair.establish()
    const body = Buffer.from(Array.from({ length: 30_000 }, (_, i) => i & 0xff))
    const stream = client.open(body)
    for (let i = 0; i < 10_000; i++) {
      const one = seen[Math.floor(random() * seen.length)]!
      const length = i % 2 === 0 ? one.length : Math.floor(random() * 100)
      const junk = Buffer.from(Array.from({ length }, () => Math.floor(random() * 256)))
      if (i % 2 === 0) {
        one.copy(junk)
        junk[Math.floor(random() * length)]! ^= 1 + Math.floor(random() * 255)
      }
      receive(junk)
      if (i % 100 === 0) pair.clock.advance(1)
    }
    pair.until(() => server.ended.includes(stream))
    expect(server.collected(stream).bytes.equals(body)).toBe(true)
    expect(server.eventTypes).toEqual(['established'])
    expect(seen.length).toBeGreaterThan(10)
  })
})

describe('a set of ranges', () => {
  it('holds what a set of numbers holds', () => {
    const step = fc.record({ isAdd: fc.boolean(), start: fc.nat(60), length: fc.nat(20) })
    const property = fc.property(fc.array(step, { maxLength: 40 }), steps => {
      const ranges = new RangeSet()
      const model = new Set<number>()
      for (const { isAdd, start, length } of steps) {
        if (isAdd) ranges.add(start, start + length)
        else ranges.remove(start, start + length)
        for (let i = start; i < start + length; i++) {
          if (isAdd) model.add(i)
          else model.delete(i)
        }
        for (let i = 0; i < 85; i++) expect(ranges.has(i)).toBe(model.has(i))
        expect(ranges.size).toBe(model.size)
        expect(ranges.first?.[0]).toBe(model.size === 0 ? undefined : Math.min(...model))
        let end = -1
        for (const range of ranges.ranges()) {
          expect(range[0]).toBeGreaterThan(end)
          end = range[1]
          expect(end).toBeGreaterThan(range[0])
        }
      }
    })
    fc.assert(property)
  })
})

describe('the receiving side of a stream', () => {
  it('delivers every byte once and in order, whatever the pieces, and counts the time behind gaps', () => {
    const piece = fc.record({ start: fc.nat(190), length: fc.nat(60), readBytes: fc.nat(80) })
    const property = fc.property(fc.array(piece, { maxLength: 30 }), pieces => {
      const whole = Buffer.from(Array.from({ length: 200 }, (_, i) => i))
      const stream = new ReceiveStream()
      const has = new Set<number>()
      const out: number[] = []
      let stalledMs = 0
      let wasBehindGap = false
      const read = (length: number): void => {
        const into = Buffer.alloc(length)
        const result = length === 0 ? undefined : stream.read(into)
        if (result !== undefined) out.push(...into.subarray(0, result[0]))
      }
      pieces.forEach(({ start, length, readBytes }, now) => {
        if (wasBehindGap) stalledMs += 1
        const end = Math.min(200, start + length)
        stream.receive(start, Buffer.from(whole.subarray(start, end)), end === 200, now)
        for (let i = start; i < end; i++) has.add(i)
        let contiguous = out.length
        while (has.has(contiguous)) contiguous++
        wasBehindGap = [...has].some(i => i > contiguous)
        expect(stream.stalledMs(now)).toBe(stalledMs)
        read(readBytes)
        expect(out.length).toBeLessThanOrEqual(contiguous)
      })
      for (let before = -1; before < out.length; ) {
        before = out.length
        read(50)
      }
      let contiguous = 0
      while (has.has(contiguous)) contiguous++
      expect(out).toEqual([...whole.subarray(0, contiguous)])
      expect(stream.isDone).toBe(contiguous === 200)
    })
    fc.assert(property, { numRuns: 500 })
  })
})
