import { describe, expect, it } from 'vitest'
import { detectPreface, PREFACE_BYTES } from '../../../src/ingress/session-opening.ts'
import { PREFACE } from '../../support/http2-wire.ts'
import { fc } from '../../support/property.ts'

const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

describe('detectPreface', () => {
  it('knows the preface, whole and with more behind it', () => {
    expect(PREFACE_BYTES).toBe(24)
    expect(detectPreface(PREFACE)).toBe('h2')
    expect(detectPreface(Buffer.concat([PREFACE, latin1('\0\0\0\x04')]))).toBe('h2')
  })

  it('waits while nothing but a part of it came', () => {
    for (let bytes = 0; bytes < PREFACE.length; bytes++)
      expect(detectPreface(PREFACE.subarray(0, bytes))).toBe('undecided')
  })

  it.each([
    'GET / HTTP/1.1\r\n',
    'P',
    'PRI * HTTP/1.1\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t',
    '\x16\x03',
    '\r\n',
  ])('takes %j for HTTP/1.1, as soon as it differs', text => {
    const expected = PREFACE.subarray(0, text.length).equals(latin1(text)) ? 'undecided' : 'http/1.1'
    expect(detectPreface(latin1(text))).toBe(expected)
  })

  it('says the same however the bytes come, and never takes back what it said', () => {
    const almost = fc
      .tuple(fc.nat(PREFACE.length), fc.uint8Array({ maxLength: 30 }))
      .map(([kept, rest]) => Buffer.concat([PREFACE.subarray(0, kept), rest]))
    fc.assert(
      fc.property(almost, bytes => {
        const whole = detectPreface(bytes)
        let decided: string | undefined
        for (let end = 0; end <= bytes.length; end++) {
          const verdict = detectPreface(bytes.subarray(0, end))
          if (decided !== undefined) expect(verdict).toBe(decided)
          else if (verdict !== 'undecided') decided = verdict
        }
        expect(decided ?? 'undecided').toBe(whole)
        expect(whole === 'h2').toBe(bytes.subarray(0, 24).equals(PREFACE))
      }),
    )
  })
})
