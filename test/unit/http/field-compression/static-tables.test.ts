import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { TOKEN_LOWER_ONLY } from '../../../../src/base/http/char-tables.ts'
import { fieldName } from '../../../../src/http/field-compression/field-classes.ts'
import {
  QPACK_STATIC_NAMES,
  QPACK_STATIC_VALUES,
  STATIC_BY_NAME,
  STATIC_COUNT,
  STATIC_NAMES,
  STATIC_VALUES,
} from '../../../../src/http/field-compression/static-tables.ts'

function lines(names: readonly string[], values: readonly string[], first: number): string[] {
  return names.slice(first).map((name, i) => `${i + first} ${name} ${values[i + first]}`)
}

function digest(text: readonly string[]): string {
  return createHash('sha256').update(text.join('\n')).digest('hex').slice(0, 16)
}

describe('the static table of HPACK', () => {
  it('is that of RFC 7541 Appendix A', () => {
    const table = lines(STATIC_NAMES, STATIC_VALUES, 1)
    expect(table).toHaveLength(STATIC_COUNT)
    expect([table[0], table[1], table[15], table[60]]).toEqual([
      '1 :authority ',
      '2 :method GET',
      '16 accept-encoding gzip, deflate',
      '61 www-authenticate ',
    ])
    expect(digest(table)).toBe('810223c09d71b429')
  })

  it('is found by name', () => {
    expect(STATIC_BY_NAME.get(':status')?.nameIndex).toBe(8)
    expect(STATIC_BY_NAME.get(':status')?.values.map(({ index }) => index)).toEqual([
      8, 9, 10, 11, 12, 13, 14,
    ])
    expect(STATIC_BY_NAME.get('server')).toEqual({ nameIndex: 54, values: [] })
    expect(STATIC_BY_NAME.get('x-a')).toBeUndefined()
  })
})

describe('the static table of QPACK', () => {
  it('is that of RFC 9204 Appendix A', () => {
    const table = lines(QPACK_STATIC_NAMES, QPACK_STATIC_VALUES, 0)
    expect(table).toHaveLength(99)
    expect([table[0], table[1], table[73], table[85], table[98]]).toEqual([
      '0 :authority ',
      '1 :path /',
      '73 access-control-allow-credentials FALSE',
      "85 content-security-policy script-src 'none'; object-src 'none'; base-uri 'none'",
      '98 x-frame-options sameorigin',
    ])
    expect(digest(table)).toBe('7f31be8556a70b38')
  })
})

describe('the class of a field', () => {
  it.each([
    [':path', 'volatile'],
    [':authority', 'stable'],
    ['content-type', 'stable'],
    ['date', 'adaptive'],
    ['user-agent', 'adaptive'],
    ['etag', 'volatile'],
    ['authorization', 'secret'],
    ['cookie', 'secret'],
    ['connection', 'forbidden'],
    ['x-anything', 'adaptive'],
    ['x-any-token', 'secret'],
  ])('of %s is %s', (name, fieldClass) => expect(fieldName(name).fieldClass).toBe(fieldClass))

  it('is cached for a bounded number of names', () => {
    const one = fieldName('x-mine')
    expect(fieldName('x-mine')).toBe(one)
    for (let i = 0; i < 300; i++) fieldName(`x-other-${i}`)
    expect(fieldName('x-mine')).not.toBe(one)
    const long = `x-${'y'.repeat(100)}`
    expect(fieldName(long)).not.toBe(fieldName(long))
  })

  it('is known for names that are tokens in lower case', () => {
    for (const name of STATIC_NAMES.slice(1)) {
      const token = name.startsWith(':') ? name.slice(1) : name
      expect(Buffer.from(token).every(byte => TOKEN_LOWER_ONLY[byte] !== 0)).toBe(true)
      expect(fieldName(name).isListed).toBe(true)
    }
  })
})
