import { utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { DEFAULT_RESOLVER_OPTIONS } from '../../../src/base/options/resolver-options.ts'
import { AddressLookup, type AddressLookupOptions } from '../../../src/dns/address-lookup.ts'
import { NameConfig } from '../../../src/dns/name-config.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { dnsServers } from '../../support/dns-asking.ts'
import { type Answering, fromZone } from '../../support/dns-server.ts'
import { a, aaaa, WIRE_TYPES, wireReply } from '../../support/dns-wire.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const { serve, end } = dnsServers()
const cleanups: (() => void)[] = []
afterEach(async () => {
  for (const cleanUp of cleanups.splice(0)) cleanUp()
  await end()
})

const ZONE = fromZone([
  a('www.example.com', '192.0.2.1', 60),
  a('api.inner.test', '192.0.2.2', 60),
  a('both.example.com', '127.0.0.3', 9),
  aaaa('both.example.com', `${'0'.repeat(31)}1`, 60),
])

/** A machine with files of its own, and one server. */
async function setUp(
  files: { hosts?: string; resolvConf?: string; nsswitch?: string } = {},
  answering: Answering = ZONE,
  options: Partial<AddressLookupOptions['options']> = {},
) {
  const server = await serve(answering)
  const directory = makeTemporaryDirectory('names')
  cleanups.push(() => directory.remove())
  const paths = {
    hosts: join(directory.path, 'hosts'),
    resolvConf: join(directory.path, 'resolv.conf'),
    nsswitch: join(directory.path, 'nsswitch.conf'),
  }
  writeFileSync(paths.hosts, files.hosts ?? '')
  writeFileSync(paths.resolvConf, files.resolvConf ?? 'search inner.test\n')
  writeFileSync(paths.nsswitch, files.nsswitch ?? 'hosts: files dns\n')
  const fileClock = new FakeClock()
  const config = new NameConfig(fileClock, paths)
  const lookup = new AddressLookup({
    clock: systemClock,
    options: { ...DEFAULT_RESOLVER_OPTIONS, ...options },
    servers: [server.address],
    config,
  })
  return { server, paths, fileClock, config, find: lookup.find }
}

describe('AddressLookup', () => {
  it('has /etc/hosts before the DNS, and reads it again when it has changed', async () => {
    const { find, paths, fileClock, server } = await setUp({ hosts: '192.0.2.9 www.example.com\n' })
    expect(await find('WWW.example.com')).toMatchObject({
      source: 'hosts',
      addresses: [{ address: '192.0.2.9', family: 4 }],
    })
    expect(server.log).toEqual([])
    writeFileSync(paths.hosts, '192.0.2.10 www.example.com\n')
    utimesSync(paths.hosts, 1, 1)
    expect(await find('www.example.com')).toMatchObject({ addresses: [{ address: '192.0.2.9' }] })
    fileClock.advance(1_000)
    expect(await find('www.example.com')).toMatchObject({ addresses: [{ address: '192.0.2.10' }] })
  })

  it('goes on without files that are missing or no files', async () => {
    const { find } = await setUp()
    const config = new NameConfig(new FakeClock(), { hosts: '/', resolvConf: '/none', nsswitch: '/dev/null' })
    expect([config.hosts.size, config.search.ndots, config.systemOnlyBecause]).toEqual([0, 1, undefined])
    expect(await find('www.example.com')).toMatchObject({ source: 'dns' })
  })

  it('asks for names with few dots in the search domains first, and ends where an answer is', async () => {
    const { find, server } = await setUp()
    expect(await find('api')).toMatchObject({ addresses: [{ address: '192.0.2.2' }], ttlMs: 60_000 })
    expect(server.log.toSorted()).toEqual(['A api.inner.test udp', 'AAAA api.inner.test udp'])
    expect(await find('www.example.com.')).toMatchObject({ addresses: [{ address: '192.0.2.1' }] })
    const none = await find('nowhere.example.com')
    expect(none).toMatchObject({ kind: 'none', ttlMs: 60_000 })
    expect(none.kind === 'none' && none.error.message).toBe('nowhere.example.com does not exist')
  })

  it('does not go on to another name when nobody answers for one', async () => {
    const { find, server } = await setUp({}, asked => wireReply(asked.query, { rcode: 2 }))
    const failed = await find('www.example.com')
    expect(failed.kind === 'failed' && failed.error.message).toMatch(
      /^no DNS server answers for www\.example\.com \(A+\): 127\.0\.0\.1:\d+: it answers SERVFAIL$/,
    )
    expect(server.log.every(line => line.includes('www.example.com '))).toBe(true)
  })

  it('takes the shorter time to live of both families', async () => {
    const found = await (await setUp()).find('both.example.com')
    expect(found).toMatchObject({ kind: 'found', source: 'dns', ttlMs: 9_000 })
    expect(found.kind === 'found' && found.addresses.map(({ address }) => address).toSorted()).toEqual([
      '127.0.0.3',
      '::1',
    ])
  })

  it('goes on with one family when the other one is not answered, and reports that', async () => {
    const { find } = await setUp({}, asked => (asked.type === WIRE_TYPES.AAAA ? undefined : ZONE(asked)))
    expect(await find('www.example.com')).toMatchObject({
      source: 'dns-partial',
      addresses: [{ address: '192.0.2.1' }],
    })
  })

  it('knows this machine without asking, and asks for no name that the DNS has not', async () => {
    const { find, server } = await setUp()
    expect(await find('localhost')).toMatchObject({ kind: 'found', source: 'hosts' })
    expect(await find('app.localhost')).toMatchObject({ kind: 'found', source: 'hosts' })
    expect(await find('some.invalid')).toMatchObject({ kind: 'none' })
    expect(server.log).toEqual([])
  })

  it('asks the system alone when it is set so', async () => {
    const { find, server } = await setUp({ hosts: '192.0.2.9 localhost\n' }, ZONE, { addresses: 'system' })
    expect(await find('localhost')).toMatchObject({ source: 'system', addresses: [{ address: '127.0.0.1' }] })
    expect(server.log).toEqual([])
  })
})

describe('NameConfig', () => {
  it('has the servers of resolv.conf, and those of node:dns where it has none', async () => {
    const text = 'nameserver 192.0.2.53\nnameserver 2001:db8::53\n'
    const { config, paths, fileClock } = await setUp({ resolvConf: text })
    expect(config.servers.map(({ address, port }) => [address, port])).toEqual([
      ['192.0.2.53', 53],
      ['2001:db8::53', 53],
    ])
    writeFileSync(paths.resolvConf, '')
    fileClock.advance(1_000)
    expect(config.servers.map(({ address }) => address)).not.toContain('192.0.2.53')
  })

  it('says why names are left to the system', async () => {
    const { config } = await setUp({ nsswitch: 'hosts: files sss dns\n' })
    expect(config.systemOnlyBecause).toBe('nsswitch.conf asks sss')
  })
})
