import { describe, expect, it } from 'vitest'
import { decodeOperatorKey } from '../../../src/state/store.ts'
import { fc } from '../../support/property.ts'

const key = Buffer.from(Array.from({ length: 32 }, (_, i) => i * 8))

describe('the key of an operator', () => {
  it.each<[string, Buffer | string]>([
    ['plain', key],
    ['in hexadecimal', key.toString('hex')],
    ['in hexadecimal of capitals, with a line break', `${key.toString('hex').toUpperCase()}\n`],
    ['in base64', key.toString('base64')],
    ['in base64 with a line break of Windows', `${key.toString('base64')}\r\n`],
  ])('is read %s', (_form, bytes) => {
    expect(decodeOperatorKey(Buffer.from(bytes))).toEqual(key)
  })

  it.each<[string, Buffer | string]>([
    ['nothing', ''],
    ['one byte less', key.subarray(1)],
    ['one byte more', Buffer.concat([key, Buffer.of(1)])],
    ['plain, with a line break', Buffer.concat([key, Buffer.from('\n')])],
    ['32 characters of text: 128 bits in hexadecimal', key.toString('hex').slice(32)],
    ['32 characters with a line break', `${key.toString('hex').slice(33)}\n`],
    ['62 digits', key.toString('hex').slice(2)],
    ['66 digits', `${key.toString('hex')}00`],
    ['what is no digit', `${key.toString('hex').slice(1)}g`],
    ['base64 of 33 bytes', Buffer.alloc(33, 7).toString('base64')],
    ['base64 of 31 bytes', Buffer.alloc(31, 7).toString('base64')],
    ['two lines', `${key.toString('hex')}\n\n`],
    ['spaces before it', ` ${key.toString('base64')}`],
  ])('is not %s', (_what, bytes) => {
    expect(decodeOperatorKey(Buffer.from(bytes))).toBeUndefined()
  })

  it('has 32 bytes, whatever is read', () => {
    const text = fc.stringMatching(/^[0-9a-f+/=\n]{30,68}$/).map(it => new Uint8Array(Buffer.from(it)))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 70 }), text), bytes => {
        expect(decodeOperatorKey(Buffer.from(bytes))?.length ?? 32).toBe(32)
      }),
    )
  })
})
