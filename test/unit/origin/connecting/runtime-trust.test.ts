import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { runtimeTrust } from '../../../../src/origin/connecting/runtime-trust.ts'
import { makeTemporaryDirectory } from '../../../support/temporary-directory.ts'

describe('runtimeTrust', () => {
  const plain = runtimeTrust({}, [])

  it('is the same for the same runtime', () => {
    expect(runtimeTrust({ HOME: '/elsewhere', NODE_OPTIONS: '--no-warnings' }, ['--expose-gc'])).toBe(plain)
  })

  it.each<[string, NodeJS.ProcessEnv, string[]]>([
    ['authorities of OpenSSL', {}, ['--use-openssl-ca']],
    ['the same in NODE_OPTIONS', { NODE_OPTIONS: '--use-system-ca' }, []],
    ['a file of OpenSSL', { SSL_CERT_FILE: '/etc/a.pem' }, []],
    ['a directory of OpenSSL', { SSL_CERT_DIR: '/etc/certs' }, []],
    ['authorities that cannot be read', { NODE_EXTRA_CA_CERTS: '/absent' }, []],
  ])('differs by %s', (_what, environment, flags) => {
    expect(runtimeTrust(environment, flags)).not.toBe(plain)
  })

  it('differs by the list that a program has put in place of the built-in one', () => {
    const [one, other] = [['PEM 1'], ['PEM 1', 'PEM 2']].map(list => runtimeTrust({}, [], list))
    expect(new Set([plain, one, other]).size).toBe(3)
    expect(runtimeTrust({}, [], ['PEM 1'])).toBe(one)
  })

  it('differs by the contents of additional authorities', () => {
    using directory = makeTemporaryDirectory('trust')
    const file = join(directory.path, 'ca.pem')
    const trust = (text: string): string => {
      writeFileSync(file, text)
      return runtimeTrust({ NODE_EXTRA_CA_CERTS: file }, [])
    }
    expect(trust('one')).toBe(trust('one'))
    expect(trust('one')).not.toBe(trust('two'))
  })
})
