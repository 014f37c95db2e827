import { describe, expect, it } from 'vitest'
import { bareSession, SessionForms, sessionFacts } from '../../../../src/connect/tls/session-facts.ts'
import { fc } from '../../../support/property.ts'

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
const alpn = (name: string | Buffer): Buffer => element(0xb0, element(0x04, Buffer.from(name)))
const NOTHING = { lifetimeSeconds: undefined, hasTicket: false, maxEarlyDataBytes: 0, alpn: undefined }

describe('the facts of a session', () => {
  it('are its lifetime, its ticket, its early data and its protocol', () => {
    const bytes = session(
      integer(1),
      element(0xa9, integer(0x1c, 0x20)),
      element(0xaa, octets(200)),
      element(0xae, integer(1, 2, 3, 4)),
      element(0xaf, integer(0x40, 0)),
      alpn('h2'),
      element(0xb2, octets(3)),
    )
    expect(sessionFacts(bytes)).toEqual({
      lifetimeSeconds: 7200,
      hasTicket: true,
      maxEarlyDataBytes: 16_384,
      alpn: 'h2',
    })
  })

  it('read 32 bits with the zero that keeps them positive', () => {
    const { maxEarlyDataBytes } = sessionFacts(session(element(0xaf, integer(0, 0xff, 0xff, 0xff, 0xff))))
    expect(maxEarlyDataBytes).toBe(4_294_967_295)
  })

  it('are those before the first field that cannot be read', () => {
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
    ['the protocol is no octet string', session(element(0xb0, integer(0x68, 0x32)))],
    ['the protocol has no name', session(alpn(''))],
    ['the protocol has a name that no ALPN extension can hold', session(alpn('h'.repeat(256)))],
    ['the protocol has control characters', session(alpn('h2\n'))],
    ['the protocol has what is not ASCII', session(alpn(Buffer.of(0x68, 0xfc)))],
    [
      'the name reaches beyond its field',
      session(element(0xb0, Buffer.of(0x04, 3, 0x68, 0x32)), Buffer.of(0x68)),
    ],
  ])('are none when %s', (_why, bytes) => {
    expect(sessionFacts(bytes)).toEqual(NOTHING)
  })

  it('are the same behind the name that newer releases of Node put in front', () => {
    const prefix = Buffer.from('\0nodejs:tls:session:1\0\0\x0borigin.test')
    const bytes = Buffer.concat([prefix, session(element(0xa9, integer(60)), alpn('h2'))])
    expect(sessionFacts(bytes)).toEqual({ ...NOTHING, lifetimeSeconds: 60, alpn: 'h2' })
  })

  it('have a name of up to 255 bytes', () => {
    expect(sessionFacts(session(alpn('h'.repeat(255)))).alpn).toHaveLength(255)
  })

  it('are read from any bytes without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (bytes, isSequence) => {
        const {
          lifetimeSeconds = 0,
          maxEarlyDataBytes,
          alpn: name = 'h2',
        } = sessionFacts(isSequence ? session(Buffer.from(bytes)) : bytes)
        for (const value of [lifetimeSeconds, maxEarlyDataBytes]) {
          expect(value >= 0 && value < 2 ** 40).toBe(true)
        }
        expect(name).toMatch(/^[ -~]{1,255}$/)
      }),
    )
  })
})

const DER = Buffer.from([0x30, 3, 2, 1, 1])
const named = (name: string, der = DER): Buffer =>
  Buffer.concat([
    Buffer.from('\0nodejs:tls:session:1\0'),
    Buffer.of(name.length >> 8, name.length & 255),
    Buffer.from(name),
    der,
  ])

describe('a bare session', () => {
  it('is what stands behind the name of a session, and one without a name is left as it is', () => {
    expect(bareSession(named('origin.test'))).toEqual(DER)
    expect(bareSession(named('n'.repeat(300)))).toEqual(DER)
    expect(bareSession(named(''))).toEqual(DER)
    expect(bareSession(DER)).toBe(DER)
  })

  it('is not made of a session without an end', () => {
    const whole = named('origin.test', Buffer.alloc(0))
    expect(bareSession(whole)).toHaveLength(0)
    for (let length = 0; length < whole.length; length++) {
      expect(bareSession(whole.subarray(0, length))).toHaveLength(length)
    }
  })

  it('is read from any bytes without a throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, hasPrefix) => {
        const session = hasPrefix ? Buffer.concat([named('').subarray(0, 22), bytes]) : Buffer.from(bytes)
        expect(session.subarray(session.length - bareSession(session).length)).toEqual(bareSession(session))
      }),
    )
  })
})

describe('the form of sessions', () => {
  it('is one with a Node that knows one', () => {
    const forms = new SessionForms()
    forms.learn(DER)
    expect(forms.forNode(DER, 'origin.test')).toBe(DER)
  })

  it('has a name in front for a Node that has been seen to put it there', () => {
    const forms = new SessionForms()
    expect(forms.forNode(DER, 'origin.test')).toBe(DER)
    forms.learn(named('other.test'))
    expect(forms.forNode(DER, 'origin.test')).toEqual(named('origin.test'))
    const own = named('origin.test')
    expect(forms.forNode(own, 'origin.test')).toBe(own)
  })

  it('is converted in both directions without loss', () => {
    const forms = new SessionForms()
    forms.learn(named('x'))
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 60 }), fc.string(), (bytes, name) => {
        const der = Buffer.from([0x30, ...bytes])
        expect(bareSession(forms.forNode(der, name))).toEqual(der)
      }),
    )
  })
})
