import { describe, expect, it } from 'vitest'
import {
  candidateNames,
  isForSystem,
  isLoopbackName,
  parseHosts,
  parseResolvConf,
  systemOnlyBecause,
} from '../../../src/dns/name-files.ts'

describe('parseHosts', () => {
  it('reads names and aliases, adds up the addresses of a name, and passes over the rest', () => {
    const table = parseHosts(
      [
        '127.0.0.1\tlocalhost   Loop.Example # here',
        '::1 localhost',
        '127.0.0.1 localhost',
        '# 192.0.2.1 no.example',
        'fe80::1%lo0 link.example',
        '300.0.0.1 wrong.example',
        '192.0.2.7',
        '',
        '  192.0.2.8 trimmed.example.',
      ].join('\n'),
    )
    expect([...table].map(([name, found]) => [name, found.map(({ address }) => address).join()])).toEqual([
      ['localhost', '127.0.0.1,::1'],
      ['loop.example', '127.0.0.1'],
      ['trimmed.example', '192.0.2.8'],
    ])
    expect(table.get('localhost')).toContainEqual({ address: '::1', family: 6 })
  })

  it('is bounded by addresses per name', () => {
    const lines = Array.from({ length: 40 }, (_, index) => `192.0.2.${index} many.example`)
    expect(parseHosts(lines.join('\n')).get('many.example')).toHaveLength(32)
  })
})

describe('parseResolvConf', () => {
  it('reads servers, search domains and ndots', () => {
    const text = `# by hand
nameserver 192.0.2.53
nameserver 2001:db8::53
nameserver none
domain old.example
search one.example Two.Example. .
options edns0 ndots:3 timeout:1
; nameserver 192.0.2.99`
    expect(parseResolvConf(text, 'host')).toEqual({
      servers: ['192.0.2.53', '2001:db8::53'],
      search: ['one.example', 'two.example'],
      ndots: 3,
    })
  })

  it('takes three servers, 15 dots and 32 search domains at the most', () => {
    const servers = [1, 2, 3, 4].map(each => `nameserver 192.0.2.${each}`).join('\n')
    const domains = Array.from({ length: 40 }, (_, index) => `d${index}.example`).join(' ')
    const conf = parseResolvConf(`${servers}\noptions ndots:99\nsearch ${domains}`, 'host')
    expect([conf.servers.length, conf.ndots, conf.search.length]).toEqual([3, 15, 32])
  })

  it("falls back on the domain of the machine's name", () => {
    expect(parseResolvConf('', 'web.inner.example').search).toEqual(['inner.example'])
    expect(parseResolvConf('domain other.example', 'web.inner.example').search).toEqual(['other.example'])
    expect(parseResolvConf('', 'web')).toEqual({ servers: [], search: [], ndots: 1 })
  })
})

describe('candidateNames', () => {
  const conf = { servers: [], search: ['a.test', 'b.test'], ndots: 2 }

  it.each([
    ['api', ['api.a.test', 'api.b.test', 'api']],
    ['api.x', ['api.x.a.test', 'api.x.b.test', 'api.x']],
    ['api.x.y', ['api.x.y', 'api.x.y.a.test', 'api.x.y.b.test']],
    ['api.', ['api']],
    ['API', ['api.a.test', 'api.b.test', 'api']],
  ])('tries the names of %s in order', (host, names) => {
    expect(candidateNames(host, conf)).toEqual(names)
  })
})

describe('systemOnlyBecause', () => {
  const plain = {
    platform: 'linux',
    nsswitch: 'hosts: files dns',
    servers: ['192.0.2.53'],
    variable: undefined,
  }

  it.each([
    ['files dns', undefined],
    ['files dns # nis', undefined],
    ['files mdns4_minimal [NOTFOUND=return] dns myhostname', undefined],
    ['files nis dns', 'nsswitch.conf asks nis'],
    ['dns files', 'nsswitch.conf does not have files before dns'],
    ['files', 'nsswitch.conf does not have files before dns'],
    [
      'files resolve [!UNAVAIL=return] dns',
      'nsswitch.conf asks systemd-resolved, and resolv.conf other servers',
    ],
  ])('gives a reason with hosts: %s', (hosts, because) => {
    expect(systemOnlyBecause({ ...plain, nsswitch: `passwd: files\nhosts: ${hosts}\n` })).toBe(because)
  })

  it('uses the DNS for systemd-resolved where resolv.conf leads to it', () => {
    const resolved = { ...plain, nsswitch: 'hosts: files resolve [!UNAVAIL=return] myhostname dns' }
    expect(systemOnlyBecause({ ...resolved, servers: ['127.0.0.53'] })).toBeUndefined()
  })

  it('uses files and DNS without nsswitch.conf', () => {
    expect(systemOnlyBecause({ ...plain, nsswitch: undefined })).toBeUndefined()
  })

  it('leaves other platforms, and variables of glibc, to the system', () => {
    expect(systemOnlyBecause({ ...plain, platform: 'darwin' })).toBe('names are resolved otherwise on darwin')
    expect(systemOnlyBecause({ ...plain, variable: 'RES_OPTIONS' })).toBe('RES_OPTIONS is set')
  })
})

describe('a name', () => {
  const names = [
    'printer.local',
    'api.svc.cluster.local',
    'web',
    'other',
    '_gateway',
    'web.example',
    'local.example',
  ]

  it.each([
    ['files mdns4_minimal [NOTFOUND=return] dns', ['printer.local', 'api.svc.cluster.local']],
    ['files dns myhostname', ['web', '_gateway']],
    [
      'files resolve [!UNAVAIL=return] dns',
      ['printer.local', 'api.svc.cluster.local', 'web', 'other', '_gateway'],
    ],
    ['files dns', []],
  ])('is asked of the system where only that knows it, with hosts: %s', (hosts, forSystem) => {
    expect(names.filter(name => isForSystem(name, 'WEB', `hosts: ${hosts}`))).toEqual(forSystem)
  })

  it('is of this machine when it is localhost or ends in it', () => {
    const names = ['localhost', 'app.localhost', 'localhost.example']
    expect(names.map(isLoopbackName)).toEqual([true, true, false])
  })
})
