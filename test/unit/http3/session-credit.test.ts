import { describe, expect, it } from 'vitest'
import {
  data,
  dynamicSection,
  FRAME,
  frame,
  insertLiteral,
  responseHeaders,
  setCapacity,
} from '../../support/http3-wire.ts'
import { FakeQuic } from './fake-quic.ts'
import { SessionRig } from './session-rig.ts'

const ANSWER = Buffer.concat([responseHeaders(), data('x')])
/** A section of `:status: 200` from the dynamic table, and of it alone. */
const DYNAMIC_ANSWER = frame(FRAME.HEADERS, dynamicSection(1, 4096 / 32, 0, 1))

describe('credit for streams, which comes back after their end and not with it (RFC 9000 4.6)', () => {
  it('counts for less before the listener hears that a stream has closed', () => {
    const quic = new FakeQuic('client')
    quic.left.bidirectional = 3
    const rig = new SessionRig('client', { quic })
    for (let i = 0; i < 3; i++) rig.open()
    expect(rig.session.capacity).toBe(3)
    quic.deliver(0, ANSWER, true)
    quic.deliver(4, ANSWER, true)
    rig.turn()
    expect(rig.capacities).toEqual([2, 1])
    expect(rig.session.capacity).toBe(1)
    quic.left.bidirectional = 5
    rig.turn()
    expect(rig.capacities).toEqual([2, 1, 6])
  })

  it('also outside of a turn', () => {
    const quic = new FakeQuic('client')
    quic.left.bidirectional = 2
    const rig = new SessionRig('client', { quic })
    rig.open()
    rig.open()
    rig.stream(0).reset('CANCEL')
    expect(rig.capacities).toEqual([1])
  })

  it('is not told of again and again while there is plenty', () => {
    const rig = new SessionRig('client')
    for (let i = 0; i < 20; i++) rig.open()
    for (let i = 0; i < 20; i++) rig.quic.deliver(i * 4, ANSWER, true)
    rig.turn()
    // Of the 80 that are left a quarter was kept back with the first; the end of the turn tells what there is.
    expect(rig.capacities).toEqual([79, 80])
  })
})

describe('acknowledgements of sections (RFC 9204 4.4.1)', () => {
  it('wait for each other once the peer knows that its insertions have come', () => {
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

  it('go with what cannot wait', () => {
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
