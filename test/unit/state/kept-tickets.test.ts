import { describe, expect, it } from 'vitest'
import { decodeKeptTickets, encodeKeptTickets } from '../../../src/state/kept-tickets.ts'
import { fc } from '../../support/property.ts'

const time = fc.double({ min: -1e15, max: 1e15, noNaN: true })
const ticket = fc.record({
  session: fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
  trustedUntil: time,
  expiresAt: time,
  isUsed: fc.boolean(),
  certificateNames: fc.option(fc.array(fc.domain(), { maxLength: 4 }), { nil: undefined }),
})

describe('kept tickets as bytes', () => {
  it('are read as they were written', () => {
    fc.assert(
      fc.property(fc.array(ticket, { maxLength: 8 }), tickets => {
        expect(decodeKeptTickets(encodeKeptTickets(tickets))).toEqual(tickets)
      }),
    )
  })

  it('are all or nothing, so that every cut and every byte too many is refused', () => {
    const bytes = encodeKeptTickets([
      {
        session: Buffer.from('abc'),
        trustedUntil: 1,
        expiresAt: 2,
        isUsed: false,
        certificateNames: ['a.example', '*.b.example'],
      },
      { session: Buffer.alloc(0), trustedUntil: 3, expiresAt: 4, isUsed: true, certificateNames: undefined },
    ])
    for (let length = 0; length < bytes.length; length++) {
      expect(decodeKeptTickets(bytes.subarray(0, length)), `${length} bytes`).toBeUndefined()
    }
    expect(decodeKeptTickets(Buffer.concat([bytes, Buffer.alloc(1)]))).toBeUndefined()
  })

  it('of another version, or with invalid fields, are refused', () => {
    const one = {
      session: Buffer.from('abc'),
      trustedUntil: 1,
      expiresAt: 2,
      isUsed: false,
      certificateNames: undefined,
    }
    const changed = (change: (bytes: Buffer) => void): Buffer => {
      const bytes = encodeKeptTickets([one])
      change(bytes)
      return bytes
    }
    expect(decodeKeptTickets(changed(() => {}))).toHaveLength(1)
    expect(decodeKeptTickets(changed(bytes => bytes.writeUInt8(1, 0)))).toBeUndefined()
    expect(decodeKeptTickets(changed(bytes => bytes.writeUInt8(2, 19)))).toBeUndefined() // used or not
    expect(decodeKeptTickets(changed(bytes => bytes.writeDoubleBE(Number.NaN, 3)))).toBeUndefined()
    expect(decodeKeptTickets(changed(bytes => bytes.writeUInt32BE(0xffff_ffff, 20)))).toBeUndefined()
    expect(decodeKeptTickets(changed(bytes => bytes.writeUInt32BE(0xffff_ffff, 24)))).toBeUndefined()
    expect(decodeKeptTickets(changed(bytes => bytes.writeUInt16BE(0xffff, 1)))).toBeUndefined()
  })

  it('are read from any bytes without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 500 }), garbage => {
        garbage.set([2], 0) // the version
        expect(() => decodeKeptTickets(Buffer.from(garbage))).not.toThrow()
      }),
    )
  })

  it('leave out a session that no server would make', () => {
    const session = Buffer.alloc(65_537)
    const tickets = [{ session, trustedUntil: 1, expiresAt: 2, isUsed: false, certificateNames: undefined }]
    expect(decodeKeptTickets(encodeKeptTickets(tickets))).toEqual([])
  })

  it('differ between an empty list of names and no list', () => {
    const one = { session: Buffer.from('abc'), trustedUntil: 1, expiresAt: 2, isUsed: false }
    const tickets = [
      { ...one, certificateNames: undefined },
      { ...one, certificateNames: [] },
    ]
    expect(decodeKeptTickets(encodeKeptTickets(tickets))).toEqual(tickets)
  })

  it('whose names are too long to be kept are read without them', () => {
    const names = Array.from({ length: 300 }, (_, index) => `${index}.${'a'.repeat(240)}.example`)
    const one = { session: Buffer.from('abc'), trustedUntil: 1, expiresAt: 2, isUsed: false }
    const kept = decodeKeptTickets(encodeKeptTickets([{ ...one, certificateNames: names }]))
    expect(kept).toEqual([{ ...one, certificateNames: undefined }])
  })
})
