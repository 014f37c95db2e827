import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'
import { makeTemporaryDirectory } from '../../../support/temporary-directory.ts'

const HASH = createHash('sha256').update('secret').digest('hex')

function read(forward: string, rest = '', directory = '/') {
  return readConfigText(
    `listen: [{ address: :80 }]\n${rest}\nroutes: [{ name: out, forward: ${forward} }]\n`,
    directory,
  )
}

function complaints(forward: string, rest = '', directory = '/'): string[] {
  const result = read(forward, rest, directory)
  return result.ok ? [] : result.faults.map(fault => formatFault(fault).replace(/^\d+:\d+: /, ''))
}

function forwardOf(forward: string, rest = '', directory = '/') {
  const result = read(forward, rest, directory)
  if (!result.ok) throw new Error(result.faults.map(fault => formatFault(fault)).join())
  return result.settings.routes[0]?.action.forward
}

describe('forward of a route', () => {
  it('needs a list of what clients may name, and no origin', () => {
    expect(forwardOf('{ allow: [a.example, "https://*.b.example:8443,9443"] }')).toEqual({
      allow: [
        { host: 'a.example', kind: undefined, ports: undefined },
        { host: '*.b.example', kind: 'https', ports: [8443, 9443] },
      ],
      allowPrivate: [],
      auth: undefined,
      maxOrigins: 1_000,
      maxConnections: undefined,
      maxTunnels: 1_000,
      tunnelIdleMs: 600_000,
      udpTemplate: '/.well-known/masque/udp/{target_host}/{target_port}/',
      udpIdleMs: 120_000,
      udpQueueBytes: 131_072,
      options: { preconnectHints: 'never' },
    })
  })

  it('lays the options of its origins over defaults, group by group', () => {
    const defaults = 'defaults: { protocols: [h2, http/1.1], pool: { warm: 1, maxConnections: 8 } }'
    const forward =
      '{ allow: [a.test], origins: { protocols: [http/1.1], pool: { warm: 0 }, timeouts: { connect: 2s } }, maxConnections: 9, tunnelIdleTimeout: 1m }'
    expect(forwardOf(forward, defaults)).toMatchObject({
      maxConnections: 9,
      tunnelIdleMs: 60_000,
      options: {
        protocols: ['http/1.1'],
        pool: { warm: 0, maxConnections: 8 },
        timeouts: { connectMs: 2_000 },
      },
    })
  })

  it('reads users from the file of the configuration, and from one of their own', () => {
    const directory = makeTemporaryDirectory('users')
    onTestFinished(() => directory.remove())
    writeFileSync(join(directory.path, 'users'), `# who may\n\nbob:${HASH}\n`)
    const forward = `{ allow: ['*'], auth: { users: ['ann:${HASH}'], file: users, realm: out } }`
    expect(forwardOf(forward, '', directory.path)?.auth).toEqual({
      users: [
        { name: 'ann', passwordHash: Buffer.from(HASH, 'hex') },
        { name: 'bob', passwordHash: Buffer.from(HASH, 'hex') },
      ],
      realm: 'out',
    })
    writeFileSync(join(directory.path, 'bad'), `ann:${HASH}\nbob:secret\n`)
    writeFileSync(join(directory.path, 'empty'), '\n')
    const faultsOf = (file: string) =>
      complaints(`{ allow: [a.test], auth: { file: ${file} } }`, '', directory.path).join()
    expect(faultsOf('bad')).toMatch(/bad:2: must be NAME:SHA-256/)
    expect(faultsOf('bad')).not.toContain('secret')
    expect(faultsOf('empty')).toContain('has no user')
    expect(faultsOf('missing')).toContain('cannot read')
  })

  it.each([
    ['{}', 'routes[0].forward.allow: missing: a list is needed'],
    ['{ allow: [] }', 'routes[0].forward.allow: must have at least 1 entry'],
    [
      '{ allow: ["*"] }',
      'routes[0].forward.allow[0]: * needs auth: a proxy that takes everybody to everywhere is open to abuse',
    ],
    ['{ allow: ["a.test:0"] }', 'routes[0].forward.allow[0]: a port is from 1 to 65535, not "a.test:0"'],
    [
      '{ allow: [a.test], allowPrivate: [10.0.0.0/33] }',
      'routes[0].forward.allowPrivate[0]: must be an IP address, or a network such as 10.0.0.0/8',
    ],
    ['{ allow: [a.test], auth: {} }', 'routes[0].forward.auth: needs users, or a file of them'],
    [
      '{ allow: [a.test], auth: { users: ["ann:secret"] } }',
      'routes[0].forward.auth.users[0]: must be NAME:SHA-256 of the password in hexadecimal (printf %s PASSWORD | sha256sum)',
    ],
    [
      '{ allow: [a.test], origins: { egress: a } }',
      expect.stringContaining('routes[0].forward.origins.egress: unknown key'),
    ],
    ['{ allow: [a.test], maxOrigins: 0 }', 'routes[0].forward.maxOrigins: must be at least 1, not 0'],
  ])('refuses %s', (forward, fault) => {
    expect(complaints(forward)).toEqual([fault])
  })

  it('changes nothing about where a request goes, and goes without a way out', () => {
    const more = (route: string, rest = ''): string[] => {
      const text = `listen: [{ address: :80 }]\norigins: { a: { url: http://a.test } }\n${rest}\nroutes:\n${route}\n`
      const result = readConfigText(text, '/')
      return result.ok ? [] : result.faults.map(fault => formatFault(fault).replace(/^\d+:\d+: /, ''))
    }
    const forward = 'forward: { allow: [a.test] }'
    expect(more(`  - { ${forward}, rewrite: { host: b.test } }`)).toEqual([
      'routes[0].rewrite: needs an origin',
    ])
    expect(more(`  - { ${forward}, mirror: { origin: a } }`)).toEqual(['routes[0].mirror: needs an origin'])
    expect(more(`  - { ${forward}, origin: a }`)).toEqual([
      'routes[0].forward: a route has one of origin and forward',
    ])
    const limits = 'timeouts: { headers: 1s }, requestFields: { remove: [x] }, maxBodyBytes: 1MiB'
    expect(more(`  - { ${forward}, ${limits} }`)).toEqual([])
    expect(more(`  - { name: x, host: a, ${forward} }\n  - { name: x, host: b, ${forward} }`)).toEqual([
      'routes[1].name: another route with forward has this name: metrics could not tell them apart',
    ])
    const egress = 'egress: { e: { proxies: ["http://p.test"] } }\ndefaults: { egress: e }'
    expect(more(`  - { ${forward} }`, egress)).toEqual([
      'routes[0].forward: goes without defaults.egress: a proxy dials, and what it dials is not seen here',
    ])
  })
})
