import { describe, expect, it } from 'vitest'
import { parseOrigin, throughEgress } from '../../../../src/base/http/origin.ts'
import { connectionPolicy } from '../../../../src/origin/coalescing/coalescing-decision.ts'
import { egressSettings, trustIn } from '../../../../src/origin/egress/egress-settings.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'

const ONE = { proxies: ['http://me:secret@p.test:3128'] }

function refusalOf(make: () => unknown): string {
  try {
    make()
  } catch (error) {
    return String(error)
  }
  throw new Error('nothing was refused')
}

describe('the settings of an egress', () => {
  it('stay with a proxy for two minutes by default', () => {
    expect(egressSettings({ out: ONE }).get('out')).toMatchObject({ name: 'out', stickyMs: 120_000 })
  })

  it('name the place of an invalid value, and never a secret', () => {
    const refusals = [
      refusalOf(() => egressSettings({ out: { proxies: [] } })),
      refusalOf(() => egressSettings({ out: { proxies: ['http://p.test', 'ftp://me:secret@p.test'] } })),
      refusalOf(() => egressSettings({ out: { ...ONE, stickyMs: -1 } })),
      refusalOf(() => new SettingsBook({ egress: { out: ONE }, defaults: { egress: 'ou' } })),
      refusalOf(
        () => new SettingsBook({ egress: { out: ONE }, defaults: { egress: 'out', protocols: ['h3'] } }),
      ),
    ]
    expect(refusals).toEqual([
      expect.stringContaining('egress.out.proxies must be a list of 1 to 256 URLs'),
      expect.stringContaining('egress.out.proxies[1]: the URL of a proxy has the scheme ftp'),
      expect.stringContaining('egress.out.stickyMs'),
      expect.stringContaining('no egress is called "ou": there are out'),
      expect.stringContaining('HTTP/3 goes through h2 and h3 proxies only'),
    ])
    expect(refusals.join()).not.toContain('secret')
  })

  it('have proxies or addresses, each address once', () => {
    const refusals = [
      refusalOf(() => egressSettings({ out: {} })),
      refusalOf(() => egressSettings({ out: { ...ONE, addresses: ['192.0.2.7'] } })),
      refusalOf(() => egressSettings({ out: { addresses: [] } })),
      refusalOf(() => egressSettings({ out: { addresses: ['192.0.2.7', '192.0.2.7/32'] } })),
      refusalOf(() => egressSettings({ out: { addresses: ['192.0.2.7'], ca: 'PEM' } })),
    ]
    expect(refusals).toEqual([
      expect.stringContaining('egress.out must have proxies or addresses'),
      expect.stringContaining('egress.out must have proxies or addresses, not both'),
      expect.stringContaining('egress.out.addresses must be a list of 1 to 256 addresses'),
      expect.stringContaining('egress.out.addresses has 192.0.2.7 twice'),
      expect.stringContaining('egress.out.ca is for proxies'),
    ])
  })

  it('have one trust object each, by which secure contexts are kept', () => {
    const out = egressSettings({ out: { ...ONE, ca: 'PEM' } }).get('out')
    if (out?.kind !== 'proxies') throw new Error('no proxies')
    expect(trustIn(out)).toEqual({ ca: 'PEM' })
    expect(trustIn(out)).toBe(trustIn(out))
  })
})

describe('an origin with an egress', () => {
  const origin = parseOrigin('https://a.test')
  const settingsOf = (egress: string | undefined) =>
    new SettingsBook({
      egress: {
        one: ONE,
        two: ONE,
        here: { addresses: ['192.0.2.7'] },
        there: { addresses: ['192.0.2.8'] },
      },
      origins: { 'https://a.test': { egress } },
    }).settingsFor(origin)

  it('has other settings than one that is reached directly, so that no pool outlives the change', () => {
    const prints = [undefined, 'one', 'two'].map(egress => settingsOf(egress).fingerprint)
    expect(new Set(prints).size).toBe(3)
  })

  it('has that of a route instead of its own, and the rest of its options', () => {
    const book = new SettingsBook({
      egress: { one: ONE, here: { addresses: ['192.0.2.7'] } },
      origins: { 'https://a.test': { egress: 'one', reuse: 'safe' } },
    })
    const other = throughEgress(origin, 'here')
    expect(book.settingsFor(other)).toMatchObject({ egress: { name: 'here' }, reuse: 'safe' })
    expect([book.names(other), book.hasEgress(other), book.hasEgress(throughEgress(origin, 'no'))]).toEqual([
      true,
      true,
      false,
    ])
    expect(() => book.settingsFor(throughEgress(origin, 'no'))).toThrow('no egress is called "no"')
  })

  it('does not balance over endpoints, which a proxy knows nothing of', () => {
    const book = (policy: 'round-robin' | 'in-order') =>
      new SettingsBook({
        egress: { one: ONE },
        origins: {
          'https://a.test': {
            egress: 'one',
            endpoints: ['192.0.2.1:443', '192.0.2.2:443'],
            balance: { policy },
          },
        },
      })
    expect(() => book('in-order')).not.toThrow()
    expect(() => book('round-robin')).toThrow(
      'balance.policy round-robin and egress one exclude each other: a proxy connects to the origin',
    )
  })

  it('shares no connection with origins that leave by another egress', () => {
    const policies = [undefined, 'one', 'two', 'here', 'there'].map(
      egress => connectionPolicy(settingsOf(egress), 'trust').settings,
    )
    expect(new Set(policies).size).toBe(5)
  })
})
