import { describe, expect, it } from 'vitest'
import { load, loadFfi } from '../../../../src/connect/native/load-ffi.ts'
import { fc } from '../../../support/property.ts'

const KOFFI = { version: '3.3.4', load: () => ({ func: () => () => 0 }), errno: () => 0 }

/** A `require` that throws. */
function throwing(error: unknown): (id: string) => unknown {
  return () => {
    throw error
  }
}

const notFound = Object.assign(new Error("Cannot find module 'koffi'"), { code: 'MODULE_NOT_FOUND' })
const WRONG = 'koffi is not the version that this build was made for'

describe('load', () => {
  it('returns koffi, asked for by its name', () => {
    const asked: string[] = []
    const found = load(id => {
      asked.push(id)
      return KOFFI
    }, 'linux')
    expect(found).toEqual({ ffi: KOFFI })
    expect(asked).toEqual(['koffi'])
  })

  it.each(['darwin', 'win32', 'freebsd', 'aix'])('does not even look for it on %s', platform => {
    expect(load(throwing(new Error('was asked')), platform)).toEqual({
      unavailable: `native calls are made on Linux only, not on ${platform}`,
    })
  })

  it.each<[string, unknown]>([
    ['version 2, whose pointers are objects', { ...KOFFI, version: '2.9.0' }],
    ['version 30', { ...KOFFI, version: '30.0.0' }],
    ['no version', { load: KOFFI.load, errno: KOFFI.errno }],
    ['no errno', { version: '3.0.0', load: KOFFI.load }],
    ['a load that is no function', { ...KOFFI, load: 'load' }],
    ['nothing', undefined],
    ['null', null],
    ['a function', () => KOFFI],
  ])('does not take %s', (_name, module) => {
    expect(load(() => module, 'linux')).toEqual({ unavailable: WRONG })
  })

  it('distinguishes what is not installed from what cannot be loaded', () => {
    expect(load(throwing(notFound), 'linux')).toEqual({ unavailable: 'koffi is not installed' })
    const broken = Object.assign(new Error('libffi.so: wrong ELF class\nRequire stack:\n- x'), {
      code: 'ERR_DLOPEN_FAILED',
    })
    expect(load(throwing(broken), 'linux')).toEqual({
      unavailable: 'koffi cannot be loaded: libffi.so: wrong ELF class',
    })
  })

  it('never throws, whatever was thrown or came, and keeps its reason short', () => {
    fc.assert(
      fc.property(
        fc.anything(),
        fc.anything(),
        fc.string({ maxLength: 2_000 }),
        (thrown, module, message) => {
          const results = [
            load(throwing(thrown), 'linux'),
            load(() => module, 'linux'),
            load(throwing(new Error(message)), 'linux'),
          ]
          for (const result of results) {
            expect('unavailable' in result && result.unavailable.length).toBeGreaterThan(0)
            expect('unavailable' in result && result.unavailable.length).toBeLessThan(300)
            expect('unavailable' in result && result.unavailable).not.toContain('\n')
          }
        },
      ),
    )
  })
})

describe('loadFfi', () => {
  it('loads once', () => {
    expect(loadFfi()).toBe(loadFfi())
  })
})
