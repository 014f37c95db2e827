import { describe, expect, it } from 'vitest'
import {
  ARRIVAL_BYTES,
  type Arrival,
  DEPARTURE_BYTES,
  type Departure,
  type EcnMark,
  readArrival,
  writeDeparture,
} from '../../../../src/quic/udp/control-messages.ts'
import { fc } from '../../../support/property.ts'

const NOTHING: Departure = { segmentBytes: 0, ecn: 0, local: undefined, isIpv4: true }

function written(departure: Partial<Departure>): Buffer {
  const memory = Buffer.alloc(DEPARTURE_BYTES + 8, 0xee)
  const bytes = writeDeparture(memory, 0, { ...NOTHING, ...departure })
  expect(memory.subarray(bytes).every(byte => byte === 0xee)).toBe(true)
  return memory.subarray(0, bytes)
}

/** cmsg_len, level, type, data, padding to 8 bytes: as the kernel lays it out. */
function message(level: number, type: number, data: Buffer): Buffer {
  const bytes = Buffer.alloc(16 + Math.ceil(data.length / 8) * 8)
  bytes.writeUInt32LE(16 + data.length, 0)
  bytes.writeInt32LE(level, 8)
  bytes.writeInt32LE(type, 12)
  data.copy(bytes, 16)
  return bytes
}

function read(...messages: readonly Buffer[]): Arrival {
  const bytes = Buffer.concat(messages)
  const arrival: Arrival = { segmentBytes: 9, ecn: 3, localAt: 9, localBytes: 4 }
  readArrival(bytes, 0, bytes.length, arrival)
  return arrival
}

const int = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return bytes
}

describe('the control messages of an outgoing datagram', () => {
  it('are empty where it needs none', () => {
    expect(written({})).toHaveLength(0)
  })

  it('contain the size of the segments (UDP_SEGMENT)', () => {
    expect(written({ segmentBytes: 1350 })).toEqual(message(17, 103, Buffer.of(0x46, 0x05)))
  })

  it('contain the mark, by the name that the family has for it', () => {
    expect(written({ ecn: 2 })).toEqual(message(0, 1, int(2)))
    expect(written({ ecn: 1, isIpv4: false })).toEqual(message(41, 67, int(1)))
  })

  it('contain the local address, and of a mapped one its last four bytes', () => {
    const four = Buffer.of(192, 0, 2, 1)
    const info4 = Buffer.concat([Buffer.alloc(4), four, Buffer.alloc(4)])
    expect(written({ local: four })).toEqual(message(0, 8, info4))
    expect(written({ local: Buffer.concat([Buffer.alloc(10), Buffer.of(255, 255), four]) })).toEqual(
      message(0, 8, info4),
    )
    const six = Buffer.alloc(16, 7)
    expect(written({ local: six, isIpv4: false })).toEqual(
      message(41, 50, Buffer.concat([six, Buffer.alloc(4)])),
    )
  })

  it('have room for all of it at once', () => {
    expect(written({ segmentBytes: 1200, ecn: 3, local: Buffer.alloc(16), isIpv4: false })).toHaveLength(
      DEPARTURE_BYTES,
    )
  })
})

describe('the control messages of an incoming datagram', () => {
  it('are empty where the kernel has none', () => {
    expect(read()).toEqual({ segmentBytes: 0, ecn: 0, localAt: 0, localBytes: 0 })
  })

  it('contain segments, mark and local address, in whatever order', () => {
    const parts = [
      message(17, 104, int(1350)),
      message(0, 1, Buffer.of(0b1011)),
      message(0, 8, Buffer.alloc(12)),
    ]
    expect(read(...parts)).toMatchObject({ segmentBytes: 1350, ecn: 3, localBytes: 4 })
    expect(read(...parts.toReversed())).toMatchObject({ segmentBytes: 1350, ecn: 3, localBytes: 4 })
    expect(read(message(41, 67, int(2)), message(41, 50, Buffer.alloc(20)))).toEqual({
      segmentBytes: 0,
      ecn: 2,
      localAt: 24 + 16,
      localBytes: 16,
    })
  })

  it('are ignored where nobody asked for them', () => {
    expect(read(message(1, 29, Buffer.alloc(16)), message(17, 104, int(1200)))).toMatchObject({
      segmentBytes: 1200,
    })
  })

  it('are never read beyond their end, whatever the bytes are', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: ARRIVAL_BYTES }), fc.nat(ARRIVAL_BYTES), (bytes, cut) => {
        const memory = Buffer.concat([Buffer.from(bytes), Buffer.alloc(64, 0xff)])
        const arrival: Arrival = { segmentBytes: 0, ecn: 0, localAt: 0, localBytes: 0 }
        const length = Math.min(cut, bytes.length)
        readArrival(memory, 0, length, arrival)
        expect(arrival.localAt + arrival.localBytes).toBeLessThanOrEqual(length)
        expect(arrival.segmentBytes).toBeGreaterThanOrEqual(0)
        const marks: readonly EcnMark[] = [0, 1, 2, 3]
        expect(marks).toContain(arrival.ecn)
      }),
    )
  })
})
