import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parseConfig } from '../../../../src/service/config/parse-config.ts'

const parse = (config: object) =>
  parseConfig({ listen: [{ address: ':0' }], origins: { a: { url: 'http://a.test' } }, ...config }, '.')

function faultsOf(config: object): string[] {
  const read = parse(config)
  return read.ok ? [] : read.faults.map(({ path, message }) => `${path.join('.')}: ${message}`)
}

describe('the configuration of shutdown and log', () => {
  it('has defaults', () => {
    expect(parse({})).toMatchObject({
      settings: {
        shutdown: { drainTimeoutMs: 30_000, keepAdmin: false, maxFaults: 10, faultWindowMs: 60_000 },
        log: { level: 'info', format: 'text', maxQueuedBytes: 1_048_576, maxQueuedLines: 10_000 },
      },
    })
  })

  it('accepts every key', () => {
    const shutdown = { keepAdmin: true, maxFaults: 0, faultWindow: '5m' }
    const log = { maxQueuedBytes: '64KiB', maxQueuedLines: 1 }
    expect(parse({ shutdown, log })).toMatchObject({
      settings: {
        shutdown: { keepAdmin: true, maxFaults: 0, faultWindowMs: 300_000 },
        log: { maxQueuedBytes: 65_536, maxQueuedLines: 1 },
      },
    })
  })

  it('refuses a queue of zero, and more faults than are remembered', () => {
    expect(parse({ shutdown: { maxFaults: 1_000 }, log: { maxQueuedBytes: 1 } }).ok).toBe(true)
    expect(faultsOf({ shutdown: { maxFaults: 1_001 } })).toHaveLength(1)
    expect(faultsOf({ shutdown: { maxFaults: -1 } })).toHaveLength(1)
    expect(faultsOf({ log: { maxQueuedBytes: 0 } })).toEqual([
      expect.stringMatching(/^log\.maxQueuedBytes: must be at least 1 bytes/),
    ])
    expect(faultsOf({ log: { maxQueuedLines: 0 } })).toHaveLength(1)
  })
})

describe('the configuration of admin', () => {
  const admin = (given: unknown) => parse({ admin: given, log: {} })

  it('is on loopback without a password by default', () => {
    const access = { tokens: {}, certificates: undefined }
    for (const [given, host] of [
      [{}, '127.0.0.1'],
      [{ address: ':9901' }, '127.0.0.1'],
      [{ address: '[::1]:9901' }, '::1'],
      [{ address: 'localhost:9901' }, 'localhost'],
    ] as const)
      expect(admin(given)).toMatchObject({ settings: { admin: { address: { host, port: 9901 }, access } } })
  })

  it('is refused elsewhere without a token or client certificates', () => {
    for (const address of ['0.0.0.0:9901', '192.0.2.1:9901', 'admin.example:9901', '[::]:9901'])
      expect(faultsOf({ admin: { address } })).toEqual([
        'admin.address: needs tokens, or tls with clientCa: only on loopback it may be without',
      ])
  })

  it('may be a Unix socket, whose file says who comes to it', () => {
    expect(admin({ unix: '/run/a.sock', mode: '0600' })).toMatchObject({
      settings: { admin: { address: { host: 'unix:/run/a.sock', port: 0 }, mode: 0o600, isExplicit: true } },
    })
    expect(admin({ unix: '/run/a.sock' })).toMatchObject({ settings: { admin: { mode: 0o660 } } })
    expect(faultsOf({ admin: { unix: '/run/a.sock', address: ':9901' } })).toEqual([
      'admin.unix: goes without address',
    ])
    expect(faultsOf({ admin: { mode: '0600' } })).toEqual(['admin.mode: needs unix'])
  })

  it('refuses files without a token, and repeats no secret', () => {
    const [fault = ''] = faultsOf({ admin: { tokens: { read: '/absent.token' } } })
    expect(fault).toMatch(/^admin\.tokens\.read: cannot read \/absent\.token: no such file/)
    const file = join(mkdtempSync(join(tmpdir(), 'mm-token-')), 'token')
    writeFileSync(file, 'short-secret')
    const [short = ''] = faultsOf({ admin: { tokens: { change: file } } })
    expect(short).toMatch(/must hold one token of 16 characters or more/)
    expect(short).not.toContain('short-secret')
  })
})
