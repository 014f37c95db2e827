import { describe, expect, it } from 'vitest'
import { openTicket, sealTicket } from '../../../../src/quic/quiche/ticket-envelope.ts'
import { fc } from '../../../support/property.ts'

const binding = { engine: 'quiche', serverName: 'Shop.example', trust: 't' }
const session = Buffer.from('a session of quiche')

describe('sealed tickets of quiche', () => {
  it('are opened as they were sealed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 2000 }), bytes => {
        const ticket = sealTicket(binding, bytes)
        expect(openTicket(binding, ticket!)).toEqual(Buffer.from(bytes))
      }),
    )
  })

  it('are valid for the same name in other letters, and for no other binding', () => {
    const ticket = sealTicket(binding, session)!
    expect(openTicket({ ...binding, serverName: 'shop.EXAMPLE' }, ticket)).toEqual(session)
    for (const other of [{ engine: 'x' }, { serverName: 'other.example' }, { trust: 'u' }]) {
      expect(openTicket({ ...binding, ...other }, ticket)).toBeUndefined()
    }
    // Fields cannot flow into each other.
    const a = sealTicket({ engine: 'a', serverName: 'bc', trust: '' }, session)!
    expect(openTicket({ engine: 'ab', serverName: 'c', trust: '' }, a)).toBeUndefined()
  })

  it('are refused when any bit differs, or bytes are missing or too many', () => {
    const ticket = sealTicket(binding, session)!
    fc.assert(
      fc.property(fc.nat(ticket.length - 1), fc.nat(7), (at, bit) => {
        const broken = Buffer.from(ticket)
        broken[at]! ^= 1 << bit
        expect(openTicket(binding, broken)).toBeUndefined()
      }),
    )
    for (let length = 0; length < ticket.length; length += 1) {
      expect(openTicket(binding, ticket.subarray(0, length))).toBeUndefined()
    }
    expect(openTicket(binding, Buffer.concat([ticket, Buffer.alloc(1)]))).toBeUndefined()
  })

  it('are refused when they are garbage, and never made of nothing or too much', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
        expect(openTicket(binding, Buffer.from(bytes))).toBeUndefined()
      }),
    )
    expect(sealTicket(binding, Buffer.alloc(0))).toBeUndefined()
    expect(sealTicket(binding, Buffer.alloc(65_537))).toBeUndefined()
    expect(openTicket(binding, Buffer.alloc(1_000_000, sealTicket(binding, session)))).toBeUndefined()
  })
})
