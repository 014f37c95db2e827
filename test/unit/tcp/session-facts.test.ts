import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { sessionFacts } from '../../../src/tcp/session-facts.ts'

const element = (tag: number, contents: Buffer): Buffer => {
  const length =
    contents.length < 0x80
      ? Buffer.of(contents.length)
      : Buffer.of(0x82, contents.length >> 8, contents.length & 0xff)
  return Buffer.concat([Buffer.of(tag), length, contents])
}
const integer = (...bytes: number[]): Buffer => element(0x02, Buffer.from(bytes))
const octets = (bytes: number): Buffer => element(0x04, Buffer.alloc(bytes, 7))
const session = (...fields: Buffer[]): Buffer => element(0x30, Buffer.concat(fields))
const NOTHING = { lifetimeSeconds: undefined, hasTicket: false, maxEarlyDataBytes: 0 }

describe('the facts of a session', () => {
  it('are its lifetime, its ticket and its early data', () => {
    const bytes = session(
      integer(1),
      element(0xa9, integer(0x1c, 0x20)),
      element(0xaa, octets(200)),
      element(0xae, integer(1, 2, 3, 4)),
      element(0xaf, integer(0x40, 0)),
      element(0xb0, octets(2)),
    )
    expect(sessionFacts(bytes)).toEqual({ lifetimeSeconds: 7200, hasTicket: true, maxEarlyDataBytes: 16_384 })
  })

  it('read 32 bits with the zero that keeps them positive', () => {
    const { maxEarlyDataBytes } = sessionFacts(session(element(0xaf, integer(0, 0xff, 0xff, 0xff, 0xff))))
    expect(maxEarlyDataBytes).toBe(4_294_967_295)
  })

  it('are those before what cannot be read', () => {
    const bytes = session(element(0xa9, integer(60)), Buffer.of(0xaf, 0x50, 1))
    expect(sessionFacts(bytes)).toEqual({ ...NOTHING, lifetimeSeconds: 60 })
  })

  it.each<[string, Buffer]>([
    ['there is nothing', Buffer.alloc(0)],
    ['it is no sequence', integer(1)],
    [
      'the fields are of other kinds',
      session(element(0xa9, octets(1)), element(0xaf, octets(1)), element(0xaa, integer(1))),
    ],
    [
      'the fields are empty',
      session(element(0xa9, integer()), element(0xaf, integer()), element(0xaa, octets(0))),
    ],
    [
      'the numbers are absurdly long',
      session(element(0xa9, integer(1, 2, 3, 4, 5, 6)), element(0xaf, integer(1, 2, 3, 4, 5, 6))),
    ],
  ])('are none when %s', (_why, bytes) => {
    expect(sessionFacts(bytes)).toEqual(NOTHING)
  })

  it('survive any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isSequence) => {
        const { lifetimeSeconds = 0, maxEarlyDataBytes } = sessionFacts(
          isSequence ? session(Buffer.from(bytes)) : bytes,
        )
        for (const value of [lifetimeSeconds, maxEarlyDataBytes]) {
          expect(value >= 0 && value < 2 ** 40).toBe(true)
        }
      }),
    )
  })
})
