import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { TransportEvent } from '../../../../src/base/events/observer.ts'
import type { Resolution } from '../../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import { seededRandom } from '../../../../src/base/seeded-random.ts'
import { OriginEndpoints } from '../../../../src/origin/endpoints/origin-endpoints.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import type { EjectionNews, HostNews, NewsPort } from '../../../../src/state/shares/host-news.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { settled } from '../../../support/fake-connector.ts'

const ORIGIN = parseOrigin('https://shop.test')

function settingsOf(endpoints: OriginOptions['endpoints']) {
  const balance = { policy: 'random' } as const
  return new SettingsBook({ defaults: { endpoints, balance } }).settingsFor(ORIGIN)
}

function balanceOf(endpoints: OriginOptions['endpoints']) {
  const { balance } = settingsOf(endpoints)
  if (balance === undefined) throw new Error('nothing is balanced')
  return balance
}

function setUp(endpoints: OriginOptions['endpoints'], news?: NewsPort) {
  const clock = new FakeClock()
  const events: TransportEvent[] = []
  const answers = new Map<string, Resolution>()
  const made = new OriginEndpoints({
    origin: ORIGIN,
    settings: settingsOf(endpoints),
    balance: balanceOf(endpoints),
    clock,
    random: seededRandom(1),
    observer: event => events.push(event),
    dnsRefreshMs: 30_000,
    news,
    resolverOf: name => ({
      resolve: async () => {
        const answer = answers.get(name)
        if (answer === undefined) throw new TransportError('MM_DNS_FAILED', `${name} has no address`)
        return answer
      },
    }),
  })
  const addresses = (): string[] => made.list.map(({ address }) => address)
  return { clock, events, answers, made, addresses }
}

const DNS: Resolution = {
  addresses: [
    { address: '192.0.2.7', family: 4 },
    { address: '2001:db8::7', family: 6 },
  ],
  source: 'dns',
}

/** What is published, and what others have published so far. */
function portTo(ejections: readonly EjectionNews[] = []) {
  const published: HostNews[] = []
  const port: NewsPort = {
    publish: news => published.push(news),
    onNews: () => {},
    ejections: origin => ejections.filter(one => one.origin === origin),
  }
  return { port, published }
}

const ejected = (endpoint: string): EjectionNews => ({
  kind: 'ejected',
  origin: ORIGIN.key,
  endpoint,
  because: '503',
  forMs: 9_000,
})

describe('what processes of one host find out of endpoints', () => {
  const two = ['192.0.2.1', '192.0.2.2']

  it("is published when it is their own, and not when it is another one's", () => {
    const { port, published } = portTo()
    const { made } = setUp(two, port)
    made.onNews(ejected('192.0.2.1'))
    made.onNews({ kind: 'readmitted', origin: ORIGIN.key, endpoint: '192.0.2.1' })
    made.onNews(ejected('198.51.100.1'))
    expect(published).toEqual([])
    for (let i = 0; i < 5; i++) made.health.onOutcome(1, 'unreachable', undefined, 0)
    made.health.onProbeSent(1, 60_000)
    made.health.onOutcome(1, 'success', 1, 60_000)
    expect(published).toEqual([
      {
        kind: 'ejected',
        origin: ORIGIN.key,
        endpoint: '192.0.2.2',
        because: '5 gateway errors in a row',
        forMs: expect.any(Number) as number,
      },
      { kind: 'readmitted', origin: ORIGIN.key, endpoint: '192.0.2.2' },
    ])
  })

  it('holds for endpoints from their start, in whatever order they come', () => {
    const { made } = setUp(two, portTo([ejected('192.0.2.1')]).port)
    expect([0, 1].map(index => made.health.isHealthy(index))).toEqual([false, true])
    expect(made.health.figures(0).healthBecause).toBe('another process: 503')
  })
})

describe('the endpoints of an origin', () => {
  it('are named by their addresses, with the port of their entry, and are the same in every spelling', async () => {
    const { made, answers, addresses } = setUp([
      '192.0.2.1:443',
      '[2001:db8::7]',
      'a.test',
      'B.test:9443',
      'c.test:443',
    ])
    answers.set('a.test', { ...DNS, addresses: [{ address: '192.0.2.1', family: 4 }, ...DNS.addresses] })
    answers.set('b.test:9443', { ...DNS, addresses: DNS.addresses.map(one => ({ ...one, port: 9_443 })) })
    answers.set('c.test:443', { ...DNS, addresses: DNS.addresses.map(one => ({ ...one, port: 443 })) })
    made.watch()
    await settled()
    expect(addresses()).toEqual([
      '192.0.2.1:443',
      '[2001:db8::7]',
      '192.0.2.7',
      '192.0.2.7:9443',
      '[2001:db8::7]:9443',
    ])
    made.close()
  })

  it('are reported when they change, with the reason, and a new configuration keeps what is known of a name', async () => {
    const { made, answers, events, addresses } = setUp(['192.0.2.1', 'a.test'])
    answers.set('a.test', DNS)
    made.watch()
    await settled()
    made.configure(balanceOf([{ address: 'a.test', weight: 2 }]))
    expect(addresses()).toEqual(['192.0.2.7', '2001:db8::7'])
    expect(events).toMatchObject([
      {
        type: 'endpoints-changed',
        added: ['192.0.2.7', '2001:db8::7'],
        removed: [],
        because: 'the addresses of a.test (dns)',
      },
      { added: [], removed: ['192.0.2.1'], because: 'the configuration was changed' },
    ])
    made.close()
  })

  it('are waited for by who needs one, until no name has any, or another configuration has', async () => {
    const { made, answers, clock } = setUp(['a.test', 'b.test'])
    await expect(made.whenKnown()).rejects.toMatchObject({ message: 'a.test has no address' })
    answers.set('b.test', DNS)
    await made.whenKnown()
    expect(made.list).toHaveLength(2)
    made.configure(balanceOf(['c.test']))
    expect(made.list).toEqual([])
    const waiting = made.whenKnown()
    made.configure(balanceOf(['192.0.2.1']))
    await waiting
    made.close()
    expect(clock.pendingTimers()).toBe(0)
  })
})
