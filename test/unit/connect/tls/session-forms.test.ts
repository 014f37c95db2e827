import { describe, expect, it } from 'vitest'
import { bareSession, SessionForms } from '../../../../src/connect/tls/session-facts.ts'
import { fc } from '../../../support/property.ts'

const DER = Buffer.from([0x30, 3, 2, 1, 1])
const named = (name: string, der = DER): Buffer =>
  Buffer.concat([
    Buffer.from('\0nodejs:tls:session:1\0'),
    Buffer.of(name.length >> 8, name.length & 255),
    Buffer.from(name),
    der,
  ])

describe('a bare session', () => {
  it('is what stands behind the name, and what has none is left as it is', () => {
    expect(bareSession(named('origin.test'))).toEqual(DER)
    expect(bareSession(named('n'.repeat(300)))).toEqual(DER)
    expect(bareSession(named(''))).toEqual(DER)
    expect(bareSession(DER)).toBe(DER)
  })

  it('is not made of what has no end', () => {
    const whole = named('origin.test', Buffer.alloc(0))
    expect(bareSession(whole)).toHaveLength(0)
    for (let length = 0; length < whole.length; length++) {
      expect(bareSession(whole.subarray(0, length))).toHaveLength(length)
    }
  })

  it('survives any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), fc.boolean(), (bytes, hasPrefix) => {
        const session = hasPrefix ? Buffer.concat([named('').subarray(0, 22), bytes]) : Buffer.from(bytes)
        expect(session.subarray(session.length - bareSession(session).length)).toEqual(bareSession(session))
      }),
    )
  })
})

describe('the forms of sessions', () => {
  it('are one with a Node that knows one', () => {
    const forms = new SessionForms()
    forms.learn(DER)
    expect(forms.forNode(DER, 'origin.test')).toBe(DER)
  })

  it('have a name in front for a Node that has been seen to put it there', () => {
    const forms = new SessionForms()
    expect(forms.forNode(DER, 'origin.test')).toBe(DER)
    forms.learn(named('other.test'))
    expect(forms.forNode(DER, 'origin.test')).toEqual(named('origin.test'))
    const own = named('origin.test')
    expect(forms.forNode(own, 'origin.test')).toBe(own)
  })

  it('lead there and back', () => {
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
