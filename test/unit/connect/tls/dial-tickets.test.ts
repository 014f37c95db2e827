import { describe, expect, it } from 'vitest'
import { sessionLifetimeMs } from '../../../../src/connect/tls/dial-tickets.ts'
import { fc } from '../../../support/property.ts'

const element = (tag: number, contents: Buffer): Buffer => {
  const length =
    contents.length < 0x80
      ? Buffer.of(contents.length)
      : Buffer.of(0x82, contents.length >> 8, contents.length & 0xff)
  return Buffer.concat([Buffer.of(tag), length, contents])
}
const integer = (...bytes: number[]): Buffer => element(0x02, Buffer.from(bytes))
const session = (...fields: Buffer[]): Buffer => element(0x30, Buffer.concat(fields))
const BEFORE = [integer(1), integer(3, 4), element(0x04, Buffer.alloc(300, 7)), element(0xa1, integer(9))]

describe('the lifetime of a session', () => {
  it('is the hint in field 9, in seconds', () => {
    expect(sessionLifetimeMs(session(...BEFORE, element(0xa9, integer(0x1c, 0x20))))).toBe(7_200_000)
  })

  it('is read before fields that come later', () => {
    expect(sessionLifetimeMs(session(element(0xa9, integer(60)), element(0xaa, Buffer.alloc(9))))).toBe(
      60_000,
    )
  })

  it('reads 32 bits with the zero that keeps them positive', () => {
    expect(sessionLifetimeMs(session(element(0xa9, integer(0, 0xff, 0xff, 0xff, 0xff))))).toBe(
      4_294_967_295_000,
    )
  })

  it.each<[string, Buffer]>([
    ['there is no hint', session(...BEFORE)],
    ['there is nothing', Buffer.alloc(0)],
    ['it is no sequence', integer(1)],
    ['the hint is no integer', session(element(0xa9, element(0x04, Buffer.of(1))))],
    ['the hint is empty', session(element(0xa9, integer()))],
    ['the hint is absurdly long', session(element(0xa9, integer(1, 2, 3, 4, 5, 6)))],
    ['a length reaches beyond the end', Buffer.of(0x30, 0x7f, 0xa9)],
    ['a field reaches beyond the end', session(Buffer.of(0x02, 0x50, 1))],
    ['a length has no end', Buffer.of(0x30, 0x80, 0, 0)],
  ])('is unknown when %s', (_why, bytes) => {
    expect(sessionLifetimeMs(bytes)).toBeUndefined()
  })

  it('is read from any bytes without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), bytes => {
        const lifetimeMs = sessionLifetimeMs(bytes)
        expect(lifetimeMs === undefined || lifetimeMs >= 0).toBe(true)
      }),
    )
  })
})
