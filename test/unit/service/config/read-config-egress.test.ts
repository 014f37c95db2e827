import { describe, expect, it } from 'vitest'
import { formatFault } from '../../../../src/service/config/config-fault.ts'
import { readConfigText } from '../../../../src/service/config/read-config.ts'

function read(text: string) {
  return readConfigText(`listen: [{ address: :80 }]\n${text}`, '/nowhere')
}

function faults(text: string): string[] {
  const result = read(text)
  return result.ok ? [] : result.faults.map(fault => formatFault(fault))
}

describe('the configuration of an egress', () => {
  it('has its proxies and how long one carries, and which origin uses which', () => {
    const result = read(
      `egress: { out: { proxies: ['http://me:secret@p.test:3128', 'socks5h://q.test'], sticky: 90s } }
defaults: { egress: out }
origins: { a: { url: 'https://a.test', egress: out } }`,
    )
    expect(result.ok && result.settings.transport).toMatchObject({
      egress: { out: { proxies: ['http://me:secret@p.test:3128', 'socks5h://q.test'], stickyMs: 90_000 } },
      defaults: { egress: 'out' },
      origins: { 'https://a.test': { egress: 'out' } },
    })
  })

  it('is refused at its place, and no fault repeats a password', () => {
    const found = faults(
      `egress: { out: { proxies: ['ftp://me:secret@p.test'] }, none: { proxies: [] } }
origins: { a: { url: 'https://a.test', egress: ou }, b: { url: 'https://b.test', egress: out, protocols: [h3] } }`,
    )
    expect(found.join('\n')).not.toContain('secret')
    expect(found).toEqual([
      expect.stringContaining('egress.out.proxies[0]: the URL of a proxy has the scheme ftp'),
      expect.stringContaining('egress.none.proxies'),
      expect.stringContaining('origins.a.egress: no egress is called "ou"; did you mean out?'),
      expect.stringContaining('origins.b.egress: HTTP/3 goes through h2 and h3 proxies only'),
    ])
  })

  it('has local addresses or prefixes instead, which carry HTTP/3 too', () => {
    const result = read(
      `egress: { out: { addresses: [192.0.2.7, '2001:db8::/64'], sticky: 0 } }
origins: { a: { url: 'https://a.test', egress: out, protocols: [h3], socket: { dscp: AF41 } } }
limits: { maxPortShare: 0.5 }`,
    )
    expect(result.ok && result.settings.transport).toMatchObject({
      egress: { out: { addresses: ['192.0.2.7', '2001:db8::/64'], stickyMs: 0 } },
      origins: { 'https://a.test': { egress: 'out', socket: { dscp: 'AF41' } } },
      limits: { maxPortShare: 0.5 },
    })
  })

  it('is refused with both, with neither, and with addresses that are none', () => {
    expect(
      faults(
        `egress:
  both: { addresses: [192.0.2.7], proxies: ['http://p.test'] }
  neither: { sticky: 1s }
  ca: { addresses: [192.0.2.7], ca: x }
  bad: { addresses: [eth0, '2001:db8::1/64'] }
origins: { a: { url: 'https://a.test', socket: { dscp: XF } } }`,
      ),
    ).toEqual([
      expect.stringContaining('egress.both: needs proxies or addresses, and not both'),
      expect.stringContaining('egress.neither: needs proxies or addresses, and not both'),
      expect.stringContaining('egress.ca.ca'),
      expect.stringContaining('egress.bad.addresses[0]: a local address must be an IP address'),
      expect.stringContaining('egress.bad.addresses[1]: a local address has bits behind its prefix'),
      expect.stringContaining('origins.a.socket.dscp'),
    ])
  })
})

describe('the egress of a route', () => {
  const EGRESS = `egress: { out: { proxies: ['http://p.test'] }, bulk: { addresses: [192.0.2.7] } }`

  it('makes another origin of the same URL, with a name of its own', () => {
    const result = read(
      `${EGRESS}
origins: { a: { url: 'https://a.test', hosts: [a.test] } }
routes: [{ path: /x, origin: a, egress: bulk }, { path: /y, origin: a, egress: bulk }]`,
    )
    if (!result.ok) throw new Error('refused')
    const { origins, routes } = result.settings
    expect(origins.map(({ name, origin }) => [name, origin.key, origin.egress])).toEqual([
      ['a', 'https://a.test', undefined],
      ['a@bulk', 'https://a.test (egress bulk)', 'bulk'],
    ])
    expect(routes.map(({ action }) => [action.origin, action.egress])).toEqual([
      ['a', undefined],
      ['a', 'bulk'],
      ['a', 'bulk'],
    ])
  })

  it('is refused where there is none of that name, and where its origin forbids proxies', () => {
    expect(
      faults(
        `${EGRESS}
origins:
  a: { url: 'https://a.test', protocols: [h3] }
  b: { url: 'https://b.test', endpoints: ['192.0.2.1:1', '192.0.2.2:1'], balance: { policy: round-robin } }
routes:
  - { path: /1, origin: a, egress: oot }
  - { path: /2, origin: a, egress: out }
  - { path: /3, origin: a, egress: bulk }
  - { path: /4, origin: b, egress: out }
  - { path: /5, redirect: { location: /6 }, egress: bulk }`,
      ),
    ).toEqual([
      expect.stringContaining('routes[0].egress: no egress is called "oot"; did you mean out?'),
      expect.stringContaining('routes[1].egress: HTTP/3 goes through h2 and h3 proxies only'),
      expect.stringContaining('routes[3].egress: balance.policy round-robin and proxies exclude each other'),
      expect.stringContaining('routes[4].egress: needs an origin'),
    ])
  })
})
