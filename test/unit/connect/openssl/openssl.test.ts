import { describe, expect, it } from 'vitest'
import type { Ffi, FfiFunction } from '../../../../src/connect/native/load-ffi.ts'
import { bindOpenSsl, openSsl, PROTOTYPES } from '../../../../src/connect/openssl/openssl.ts'
import { requireOpenssl } from '../../../support/require-openssl.ts'

const VERSION_3_0_19 = 0x30000130

/** A library with every function but one; each answers with the version. */
function ffiWithout(missing: string | undefined): Ffi {
  const func = (prototype: string): FfiFunction => {
    if (missing !== undefined && prototype === PROTOTYPES[missing as keyof typeof PROTOTYPES])
      throw new Error(`Cannot find function '${missing}' in shared library`)
    return () => VERSION_3_0_19
  }
  return { load: () => ({ func }), errno: () => 0 }
}

const found = (missing?: string) => () => ({ ffi: ffiWithout(missing) })

describe('bindOpenSsl', () => {
  it('has every function where every symbol is there', () => {
    const loaded = bindOpenSsl(found(), '3.0.19')
    expect('openssl' in loaded && Object.keys(loaded.openssl)).toEqual(Object.keys(PROTOTYPES))
  })

  it('names the symbol that is missing, whichever it is', () => {
    for (const name of Object.keys(PROTOTYPES)) {
      const loaded = bindOpenSsl(found(name), '3.0.19')
      expect('unavailable' in loaded && loaded.unavailable).toContain(`'${name}'`)
    }
  })

  it('requires OpenSSL 3, in the version that Node reports', () => {
    for (const version of [undefined, '', '0.0.0', '1.1.1w', '4.0.0', '3', '3.x'])
      expect(bindOpenSsl(found(), version)).toHaveProperty('unavailable')
    for (const version of ['3.0.19', '3.0.19+quic', '3.0.11-dev'])
      expect(bindOpenSsl(found(), version)).toHaveProperty('openssl')
    const other = bindOpenSsl(found(), '3.5.8')
    expect('unavailable' in other && other.unavailable).toContain('is not 3.5.8')
  })

  it('looks for nothing where OpenSSL is another, and passes on why nothing can be called', () => {
    const fails = (): never => {
      throw new Error('was asked')
    }
    expect(bindOpenSsl(fails, '0.0.0')).toHaveProperty('unavailable')
    expect(bindOpenSsl(() => ({ unavailable: 'koffi is not installed' }), '3.0.19')).toEqual({
      unavailable: 'koffi is not installed',
    })
  })

  it('every prototype is that of the function that it is named after', () => {
    for (const [name, prototype] of Object.entries(PROTOTYPES)) expect(prototype).toContain(`${name}(`)
  })

  it('binds once', () => {
    expect(openSsl()).toBe(openSsl())
  })

  const missing = requireOpenssl()
  it.skipIf(missing !== undefined)(`answers for the OpenSSL of this process (${missing ?? ''})`, () => {
    expect(openSsl()).toHaveProperty('openssl')
  })
})
