import { expect, test } from 'vitest'
import { fromWireCode, toWireCode } from '../../../../../src/http/http3/webtransport/code-points.ts'
import { fc } from '../../../../support/property.ts'

test('codes of applications lie between the two ends that the draft names, and come back as they were', () => {
  expect(toWireCode(0)).toBe(0x52e4a40fa8db)
  expect(toWireCode(0xffff_ffff)).toBe(0x52e5ac983162)
  fc.assert(
    fc.property(fc.nat(0xffff_ffff), code => {
      expect(fromWireCode(toWireCode(code))).toBe(code)
      expect((toWireCode(code) - 0x21) % 0x1f).not.toBe(0)
    }),
  )
})

test('what is no code of an application is none: other codes, and those of grease between', () => {
  expect(fromWireCode(0x10c)).toBeUndefined()
  expect(fromWireCode(0x52e4a40fa8da)).toBeUndefined()
  expect(fromWireCode(0x52e5ac983163)).toBeUndefined()
  expect(fromWireCode(toWireCode(29) + 1)).toBeUndefined()
})
