import { describe, expect, it } from 'vitest'
import { seal, unseal } from '../../../src/state/sealed-ticket-store.ts'
import { fc } from '../../support/property.ts'

const KEY = Buffer.alloc(32, 1)
const NONCE = Buffer.alloc(12, 2)
const bytes = (max: number) => fc.uint8Array({ maxLength: max }).map(array => Buffer.from(array))

describe('a sealed record', () => {
  it('opens with its key and name, and gives what was sealed', () => {
    fc.assert(
      fc.property(bytes(2_000), fc.string(), (plain, name) => {
        expect(unseal(KEY, name, seal(KEY, name, plain, NONCE))).toEqual(plain)
      }),
    )
  })

  it('does not open with another key or name', () => {
    const record = seal(KEY, 'peer', Buffer.from('x'), NONCE)
    expect(unseal(Buffer.alloc(32, 3), 'peer', record)).toBeUndefined()
    expect(unseal(KEY, 'peer2', record)).toBeUndefined()
  })

  it('does not open when a bit of it was changed, or when it was cut or made longer', () => {
    const record = seal(KEY, 'peer', Buffer.from('some secret'), NONCE)
    fc.assert(
      fc.property(fc.nat(record.length * 8 - 1), bit => {
        const changed = Buffer.from(record)
        changed[bit >> 3]! ^= 1 << (bit & 7)
        expect(unseal(KEY, 'peer', changed)).toBeUndefined()
      }),
    )
    for (let length = 0; length < record.length; length++) {
      expect(unseal(KEY, 'peer', record.subarray(0, length))).toBeUndefined()
    }
    expect(unseal(KEY, 'peer', Buffer.concat([record, Buffer.alloc(1)]))).toBeUndefined()
  })

  it('is never made of garbage', () => {
    fc.assert(fc.property(bytes(200), garbage => unseal(KEY, 'peer', garbage) === undefined))
  })
})
