import { describe, expect, it } from 'vitest'
import { requestOf } from '../../../../contract/contract-bench.ts'
import {
  data,
  dynamicSection,
  FRAME,
  frame,
  insertLiteral,
  responseHeaders,
  setCapacity,
} from '../../../../support/http3-wire.ts'
import { FakeQuic } from '../fake-quic.ts'
import { SessionRig } from './session-rig.ts'

const ANSWER = Buffer.concat([responseHeaders(), data('x')])
/** A section of `:status: 200` from the dynamic table, and of it alone. */
const DYNAMIC_ANSWER = frame(FRAME.HEADERS, dynamicSection(1, 4096 / 32, 0, 1))

describe('credit for streams, which comes back after their end and not with it (RFC 9000 4.6)', () => {
  const request = requestOf({ scheme: 'https' })

  /** Three streams at a time, all in use; two have ended, and no credit has come for them. */
  function starved(): SessionRig {
    const quic = new FakeQuic('client')
    quic.left.bidirectional = 3
    const rig = new SessionRig('client', { quic })
    for (let i = 0; i < 3; i++) rig.open()
    rig.receive(0, ANSWER, true)
    rig.receive(4, ANSWER, true)
    expect([rig.session.openStreams, rig.session.capacity, rig.capacities]).toEqual([1, 3, []])
    return rig
  }

  it('leaves the capacity unchanged, and a request waits for it', () => {
    const rig = starved()
    expect(rig.session.readiness(request, rig.now)).toBe('later')
    rig.turn()
    expect(rig.capacities).toEqual([])
    rig.quic.left.bidirectional = 1
    rig.turn()
    expect([rig.session.readiness(request, rig.now), rig.capacities]).toEqual(['now', [3]])
    rig.pass(10_000)
    expect(rig.capacities).toEqual([3])
  })

  it('is given up when it does not come, and the capacity falls until it does', () => {
    const rig = starved()
    expect(rig.session.readiness(request, rig.now)).toBe('later')
    rig.pass(1999)
    expect([rig.session.readiness(request, rig.now), rig.session.capacity]).toEqual(['later', 3])
    rig.pass(1)
    expect([rig.session.readiness(request, rig.now), rig.capacities]).toEqual(['refused', [1]])
    rig.quic.left.bidirectional = 2
    rig.turn()
    expect([rig.session.readiness(request, rig.now), rig.capacities]).toEqual(['now', [1, 3]])
  })

  it('raises the capacity when there is more than ever', () => {
    const rig = starved()
    rig.quic.left.bidirectional = 9
    rig.turn()
    expect([rig.session.capacity, rig.capacities]).toEqual([10, [10]])
    rig.turn()
    expect(rig.capacities).toEqual([10])
  })
})

describe('acknowledgements of sections (RFC 9204 4.4.1)', () => {
  it('wait for each other once the peer knows that its insertions have arrived', () => {
    const rig = new SessionRig('client')
    rig.encoder(setCapacity(4096), insertLiteral(':status', '200'))
    const written = (): number => rig.quic.stream(rig.ownDecoder).written.length
    const before = written()
    const lengths = Array.from({ length: 33 }, (_, i) => {
      rig.open()
      rig.receive(i * 4, DYNAMIC_ANSWER, true)
      return written() - before
    })
    // One byte each up to stream 124 (0x80 + 7 bits): the 32nd makes it worth a packet.
    expect(lengths.slice(0, 31)).toEqual(Array.from({ length: 31 }, () => 0))
    expect(lengths.slice(31)).toEqual([32, 32])
  })

  it('leave with output that cannot wait', () => {
    const rig = new SessionRig('client')
    rig.encoder(setCapacity(4096), insertLiteral(':status', '200'))
    const before = rig.quic.stream(rig.ownDecoder).written.length
    rig.open()
    rig.receive(0, DYNAMIC_ANSWER, true)
    rig.encoder(insertLiteral('x-other', '1'))
    // Section Acknowledgment of stream 0, Insert Count Increment by 1.
    expect(rig.quic.stream(rig.ownDecoder).written.subarray(before)).toEqual(Buffer.of(0x80, 0x01))
  })
})
