import { expect, test } from 'vitest'
import { encodeProtocols, isProtocolName, readProtocols } from '../../../src/webtransport/protocol-fields.ts'
import { fc } from '../../support/property.ts'

test('names of protocols are the same behind the field', () => {
  const name = fc.string({
    unit: fc.integer({ min: 0x20, max: 0x7e }).map(code => String.fromCharCode(code)),
    minLength: 1,
    maxLength: 40,
  })
  fc.assert(
    fc.property(fc.array(name, { maxLength: 10 }), names => {
      expect(names.every(isProtocolName)).toBe(true)
      expect(readProtocols(encodeProtocols(names))).toEqual(names)
    }),
  )
})

test('a field that cannot be read lists nothing', () => {
  expect(readProtocols(undefined)).toEqual([])
  expect(readProtocols('"a", b')).toEqual([])
  expect(readProtocols('"a";q=1, "b"')).toEqual(['a', 'b'])
  expect(isProtocolName('grüße')).toBe(false)
})
