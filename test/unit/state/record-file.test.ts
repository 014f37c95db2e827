import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { decodeRecordFile, encodeRecordFile } from '../../../src/state/record-file.ts'
import { fc } from '../../support/property.ts'

const ORIGIN = 'https://shop.test'
const FACTS = { tls: { value: 'TLSv1.3', at: 1_700_000_000_000 }, addresses: ['192.0.2.1'] }

/** A file whose checksum fits, whatever is in it. */
function fileOf(version: number, rest: string): Buffer {
  const sum = createHash('sha256').update(`${version}\n${rest}`).digest('base64url')
  return Buffer.from(`{"version":${version},"sha256":"${sum}",\n${rest}`)
}

describe('the file of an origin record', () => {
  it('is JSON that a person can read', () => {
    const text = encodeRecordFile(ORIGIN, FACTS)!.toString()
    expect(JSON.parse(text)).toEqual({
      version: 1,
      sha256: expect.stringMatching(/^[\w-]{43}$/),
      origin: ORIGIN,
      facts: FACTS,
    })
    expect(text.split('\n')).toContain('  "at": 1700000000000')
  })

  it('comes back as it went, whatever the facts are', () => {
    fc.assert(
      fc.property(fc.string(), fc.jsonValue(), (origin, value) => {
        const facts: unknown = JSON.parse(JSON.stringify(value)) // without -0
        expect(decodeRecordFile(encodeRecordFile(origin, facts)!)).toEqual({ kind: 'record', origin, facts })
      }),
    )
  })

  it('is damaged by every cut, every byte too much, and every byte that was changed', () => {
    const bytes = encodeRecordFile(ORIGIN, FACTS)!
    const kindOf = (changed: Buffer): string => decodeRecordFile(changed).kind
    for (let length = 0; length < bytes.length; length++) {
      expect(kindOf(bytes.subarray(0, length)), `${length} bytes`).toBe('damaged')
    }
    expect(kindOf(Buffer.concat([bytes, Buffer.from(' ')]))).toBe('damaged')
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 2, 128]) {
        const changed = Buffer.from(bytes)
        changed[at]! ^= bit
        expect(kindOf(changed), `bit ${bit} of byte ${at}`).toBe('damaged')
      }
    }
  })

  it('never throws and is never a record, whatever the bytes are', () => {
    const garbage = fc.uint8Array({ maxLength: 2_000 }).map(array => Buffer.from(array))
    const head = encodeRecordFile(ORIGIN, FACTS)!.subarray(0, 72)
    const withOurHead = garbage.map(bytes => Buffer.concat([head, bytes]))
    fc.assert(
      fc.property(fc.oneof(garbage, withOurHead), bytes => {
        expect(decodeRecordFile(bytes).kind).toBe('damaged')
      }),
      { numRuns: 2_000 },
    )
  })

  it('with a checksum that fits is a record only if it has the shape of one', () => {
    fc.assert(
      fc.property(fc.string(), rest => {
        expect(decodeRecordFile(fileOf(1, rest)).kind).toBe('damaged')
      }),
    )
    const shapes = ['"facts":1}', '"origin":"o"}', '"origin":7,"facts":1}', '"origin":"o","facts":1} x']
    for (const shape of shapes) expect(decodeRecordFile(fileOf(1, shape)).kind, shape).toBe('damaged')
    expect(decodeRecordFile(fileOf(1, '"origin":"o","facts":1}')).kind).toBe('record')
  })

  it('of another version is foreign when it is whole', () => {
    const whole = fileOf(2, 'whatever comes to be written')
    expect(decodeRecordFile(whole)).toEqual({ kind: 'foreign', version: 2 })
    expect(decodeRecordFile(whole.subarray(0, -1)).kind).toBe('damaged')
  })

  it('says what is wrong with it', () => {
    const because = (bytes: Buffer): unknown => decodeRecordFile(bytes)
    expect(because(Buffer.alloc(0))).toMatchObject({ because: 'empty' })
    expect(because(Buffer.from('garbage'))).toMatchObject({ because: 'not a record of ours' })
    expect(because(Buffer.alloc(65_537))).toMatchObject({ because: '65537 bytes, more than we write' })
    expect(because(encodeRecordFile(ORIGIN, FACTS)!.subarray(0, 100))).toMatchObject({
      because: 'cut or changed: the checksum does not fit',
    })
  })

  it('has 64 KiB at the most', () => {
    const overhead = encodeRecordFile(ORIGIN, '')!.length
    const largest = 'x'.repeat(65_536 - overhead)
    expect(encodeRecordFile(ORIGIN, largest)).toHaveLength(65_536)
    expect(encodeRecordFile(ORIGIN, `${largest}x`)).toBeUndefined()
  })

  it('is not made of what JSON cannot say', () => {
    expect(encodeRecordFile(ORIGIN, undefined)).toBeUndefined()
    expect(() => encodeRecordFile(ORIGIN, 7n)).toThrow()
  })
})
