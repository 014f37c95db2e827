import { describe, expect, it } from 'vitest'
import { HeldInitials } from '../../src/quic/held-initials.ts'
import { fc } from '../support/property.ts'

const HELLO = Buffer.from(Array.from({ length: 3_000 }, (_, at) => at % 251))

describe('HeldInitials', () => {
  it('puts a ClientHello together from pieces in any order, doubled and overlapping as they may be', () => {
    const cuts = fc.uniqueArray(fc.integer({ min: 1, max: HELLO.length - 1 }), { maxLength: 20 })
    fc.assert(
      fc.property(
        cuts,
        fc.nat(200),
        fc.infiniteStream(fc.nat()),
        fc.integer({ min: 1, max: 5 }),
        (at, overlap, order, datagrams) => {
          const ends = [...at.toSorted((a, b) => a - b), HELLO.length]
          const pieces = ends.map((end, index) => {
            const offset = Math.max(0, (ends[index - 1] ?? 0) - overlap)
            return { offset, bytes: HELLO.subarray(offset, end) }
          })
          const shuffled = pieces
            .map(piece => ({ piece, key: order.next().value }))
            .sort((a, b) => a.key - b.key)
            .map(({ piece }) => piece)
          const held = new HeldInitials()
          const size = Math.ceil(shuffled.length / datagrams)
          let last: Buffer = Buffer.alloc(0)
          for (let i = 0; i < shuffled.length; i += size) {
            const some = shuffled.slice(i, i + size)
            const { hello, isFull } = held.receive('a', Buffer.of(i), some)
            expect(isFull).toBe(false)
            expect(HELLO.subarray(0, hello.length).equals(hello)).toBe(true)
            held.keep('a', Buffer.of(i), some, 0)
            last = hello
          }
          expect(last.equals(HELLO)).toBe(true)
        },
      ),
    )
  })

  it('holds no more than its bounds, whatever comes', () => {
    const held = new HeldInitials()
    const piece = { offset: 4, bytes: Buffer.of(1) }
    const datagram = Buffer.from('a')
    for (let i = 0; i < 300; i++) {
      const { isFull } = held.receive(`client ${i}`, datagram, [piece])
      expect(isFull).toBe(i >= 256)
      if (!isFull) held.keep(`client ${i}`, datagram, [piece], i)
    }
    expect(held.size).toBe(256)
    for (let i = 1; i < 5; i++) held.keep('client 0', datagram, [piece], 0)
    expect(held.receive('client 0', datagram, []).isFull).toBe(true)
    expect(
      held.receive(
        'client 1',
        datagram,
        Array.from({ length: 200 }, () => piece),
      ).isFull,
    ).toBe(true)
    const { datagrams } = held.receive('client 2', datagram, [])
    datagram[0] = 0
    expect(datagrams.map(String)).toEqual(['a', '\0'])
    held.keep('new', datagram, [], 3_100)
    expect([held.has('client 0'), held.has('client 100'), held.has('client 101')]).toEqual([
      false,
      false,
      true,
    ])
  })
})
