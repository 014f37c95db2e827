import { describe, expect, it } from 'vitest'
import type { Resolver } from '../../../src/endpoint.ts'
import { TransportError } from '../../../src/errors.ts'
import { TicketStore } from '../../../src/memory/ticket-store.ts'
import { parseOrigin } from '../../../src/origin.ts'
import { OriginRecord } from '../../../src/select/origin-record.ts'
import { Dialer } from '../../../src/tcp/dial.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import type { PoolStats } from '../../../src/transport/api.ts'
import { explain } from '../../../src/transport/explain.ts'
import { Http3Dialer } from '../../../src/transport/http3-dialer.ts'
import { OriginConnector } from '../../../src/transport/origin-connector.ts'
import type { OriginEntry } from '../../../src/transport/origin-entry.ts'
import { SettingsBook } from '../../../src/transport/origin-settings.ts'

describe('explain', () => {
  const origin = parseOrigin('https://shop.test')
  const pool = { origin: origin.key } as PoolStats // only handed through
  const entryWith = (resolver: Resolver, record = new OriginRecord()): OriginEntry => {
    const clock = new FakeClock()
    const onDefence = (): void => {}
    const hooks = { onDefence, wantsEarlyData: () => false, onEarlyData: () => {} }
    const tickets = new TicketStore()
    const http3Dialer = new Http3Dialer({ clock, tickets, loadEngine: () => ({ unavailable: 'no build' }) })
    const refreshRecord = (): void => {}
    const settings = new SettingsBook({}).settingsFor(origin)
    const dialer = new Dialer({ clock, tickets })
    const connector = new OriginConnector({
      origin,
      settings,
      record,
      resolver,
      dialer,
      http3Dialer,
      clock,
      ...hooks,
    })
    return { origin, record, resolver, connector, refreshRecord, stats: () => pool } as unknown as OriginEntry // what explain looks at
  }
  const run = (entry: OriginEntry) => explain(entry, 0, new AbortController().signal)

  it('shows what would be tried, when, and why; connects nowhere', async () => {
    const resolver: Resolver = {
      resolve: () =>
        Promise.resolve({
          addresses: [
            { address: '127.0.0.1', family: 4 },
            { address: '::1', family: 6, port: 8443 },
          ],
          source: 'system',
        }),
    }
    const explanation = await run(entryWith(resolver))
    expect(explanation).toMatchObject({
      origin: 'https://shop.test',
      protocols: [
        { protocol: 'h3', allowed: false, because: 'HTTP/3 is off: no build' },
        { protocol: 'h2', allowed: true },
        { protocol: 'http/1.1', allowed: true },
      ],
      plan: [
        { protocol: 'h2', endpoint: '127.0.0.1:443', startAfterMs: 0 },
        { protocol: 'h2', endpoint: '[::1]:8443', startAfterMs: 250 },
      ],
      pool,
    })
    for (const { because } of [...explanation.protocols, ...explanation.plan, ...explanation.unavailable]) {
      expect(because).not.toBe('')
    }
    expect(explanation.unavailable.map(({ feature }) => feature)).toEqual([
      'h3',
      'early data over TCP',
      'TCP Fast Open',
    ])
  })

  it('says so when the addresses cannot be found, and what is known none the less', async () => {
    const record = new OriginRecord()
    record.onKeepAlive({ timeoutMs: 5_000 }, 0)
    const failing: Resolver = {
      resolve: () => Promise.reject(new TransportError('MM_DNS_FAILED', 'shop.test has no address')),
    }
    const explanation = await run(entryWith(failing, record))
    expect(explanation.plan).toEqual([])
    expect(explanation.known).toContainEqual({
      fact: 'its addresses cannot be found now',
      evidence: 'MM_DNS_FAILED: shop.test has no address',
    })
    expect(explanation.known.length).toBeGreaterThan(1)
    expect(explanation.protocols.find(({ allowed }) => allowed)?.protocol).toBe('h2')
  })
})
