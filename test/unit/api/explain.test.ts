import { describe, expect, it } from 'vitest'
import { type ExplainedOrigin, explain, type Machine } from '../../../src/api/explain.ts'
import { TransportError } from '../../../src/base/errors.ts'
import type { Resolution, Resolver } from '../../../src/base/http/endpoint.ts'
import { type OriginOptions } from '../../../src/base/options/options.ts'
import { DEFAULT_SOCKET_OPTIONS, type SocketOptions } from '../../../src/base/options/socket-options.ts'
import { Dialer } from '../../../src/connect/tcp/dial.ts'
import { SocketSettings } from '../../../src/connect/tcp/socket-settings.ts'
import { AddressResolver, findBy } from '../../../src/dns/address-resolver.ts'
import { AlternativeResolver } from '../../../src/dns/alternative-resolver.ts'
import { Coalescing } from '../../../src/origin/coalescing/coalescing.ts'
import { DialTurns } from '../../../src/origin/connecting/dial-turns.ts'
import { Http3Dialer } from '../../../src/origin/connecting/http3-dialer.ts'
import { OriginConnector } from '../../../src/origin/connecting/origin-connector.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'
import { FastOpenNews } from '../../../src/origin/probing/fast-open.ts'
import type { PoolStats } from '../../../src/origin/stats.ts'
import { TicketStore } from '../../../src/state/ticket-store.ts'
import { NO_ECONOMY } from '../../support/economy-figures.ts'
import { NO_BOUNDS } from '../../support/no-bounds.ts'
import { FakeLanes } from '../origin/lanes/fake-lanes.ts'

const HERE: Resolution = {
  addresses: [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6, port: 8443 },
  ],
  source: 'system',
}
const FAILING: Resolver = {
  resolve: () => Promise.reject(new TransportError('MM_DNS_FAILED', 'shop.test has no address')),
}

const MACHINE: Omit<Machine, 'http3Fault'> = {
  fastOpen: { unavailable: 'koffi is not installed', facts: () => [] },
  early: { unavailable: 'koffi is not installed' },
}

const SYSTEMS_OWN = { keepAliveIntervalMs: 0, keepAliveProbes: 0, userTimeoutMs: 0, retransmitMaxMs: 0 }

const PATH_FACTS = [{ fact: 'HTTP/3 connections may move', evidence: 'the origin is trusted' }]

/** An origin whose lanes resolve and plan in earnest, and whose pools are the test's. */
function setUp(
  resolver: Resolver = { resolve: () => Promise.resolve(HERE) },
  options: OriginOptions = {},
  machine: Omit<Machine, 'http3Fault'> = MACHINE,
) {
  const socketSettings = new SocketSettings(
    { ...DEFAULT_SOCKET_OPTIONS, ...SYSTEMS_OWN, ...(options.socket as Partial<SocketOptions>) }, // the tests give no undefined
    () => {},
    () => ({ unavailable: 'koffi is not installed' }),
  )
  const pool = { origin: 'https://shop.test', ...NO_ECONOMY, ...NO_BOUNDS } as PoolStats // the rest is only handed through
  const tickets = new TicketStore()
  const world = new FakeLanes(options, {
    connectorOf: (purpose, { clock, origin, record }) =>
      new OriginConnector({
        purpose,
        origin,
        settings: new SettingsBook({ defaults: options }).settingsFor(origin),
        record,
        resolver,
        route: undefined,
        locals: undefined,
        alternativeResolver: new AlternativeResolver(
          new AddressResolver({
            clock,
            find: findBy((_host, callback) => callback(new Error('unknown'), [])),
          }),
          {},
          0,
        ),
        dialer: new Dialer({ clock, tickets }),
        dialTurns: new DialTurns(clock, 0),
        http3Dialer: new Http3Dialer({ clock, tickets, loadEngine: () => ({ unavailable: 'no build' }) }),
        coalescing: new Coalescing(),
        onCoalescingMissed: () => {},
        onGuestDismissed: () => {},
        onOrigins: () => {},
        clock,
        onDefence: () => {},
        wantsEarlyData: () => false,
        onEarlyData: () => {},
        onAttempts: () => {},
        onFastOpen: () => {},
        onSocket: () => {},
        onLink: () => {},
        socketSettings,
        onEvidence: () => {},
      }),
  })
  const { origin, record, lanes } = world
  const settings = new SettingsBook({ defaults: options }).settingsFor(origin)
  const fastOpenNews = new FastOpenNews()
  const entry = {
    origin,
    settings,
    record,
    resolver,
    lanes,
    socketSettings,
    fastOpenNews,
    coalescing: { facts: () => [], missed: undefined },
    hints: { facts: () => [] },
    refreshRecord: () => {},
    paths: { facts: () => PATH_FACTS },
    stats: () => pool,
  } as unknown as ExplainedOrigin // what explain looks at
  const run = (http3Fault?: string) =>
    explain(entry, { http3Fault, ...machine }, world.clock.now(), new AbortController().signal)
  return { world, run, pool, fastOpenNews }
}

describe('explain', () => {
  it('shows what would be tried, when, and why; connects nowhere', async () => {
    const { world, run, pool } = setUp()
    const explanation = await run('HTTP/3 is off: no build')
    expect(explanation).toMatchObject({
      origin: 'https://shop.test',
      decision: { lane: 'tcp', rule: 'only-candidate' },
      protocols: [
        { protocol: 'h3', allowed: false, because: 'HTTP/3 is off: no build' },
        { protocol: 'h2', allowed: true },
        { protocol: 'http/1.1', allowed: true },
      ],
      plan: [
        { lane: 'tcp', protocol: 'h2', endpoint: '127.0.0.1:443', startAfterMs: 0 },
        { lane: 'tcp', protocol: 'h2', endpoint: '[::1]:8443', startAfterMs: 250 },
      ],
      pool,
    })
    expect(explanation.known).toEqual(expect.arrayContaining(PATH_FACTS))
    for (const { because } of [...explanation.protocols, ...explanation.plan, ...explanation.unavailable]) {
      expect(because).not.toBe('')
    }
    expect(explanation.unavailable.map(({ feature }) => feature)).toEqual([
      'h3',
      'early data over TCP',
      'TCP Fast Open',
    ])
    expect(world.log).toEqual([])
  })

  it('does not list HTTP/3 as missing where it is available', async () => {
    const { unavailable, protocols } = await setUp().run()
    expect(unavailable.map(({ feature }) => feature)).not.toContain('h3')
    expect(protocols[0]).toEqual({
      protocol: 'h3',
      allowed: false,
      because: 'unknown whether the origin speaks it: nobody has looked',
    })
  })

  it('shows the race of two lanes: their delays added up, each with the reason of its lane first', async () => {
    const { world, run } = setUp()
    world.advertise('h3=":8443"')
    const { plan, decision } = await run()
    expect(decision).toMatchObject({ lane: 'h3', rule: 'unmeasured' })
    const delayMs = plan.find(({ lane }) => lane === 'tcp')!.startAfterMs
    expect(delayMs).toBeGreaterThan(0)
    expect(
      plan.map(({ lane, endpoint, startAfterMs }) => `${lane} ${endpoint} +${startAfterMs}`),
      'the port of an alternative is not that of the origin, nor of a fixed address',
    ).toEqual([
      'h3 127.0.0.1:8443 +0',
      'h3 [::1]:8443 +250',
      `tcp 127.0.0.1:443 +${delayMs}`,
      `tcp [::1]:8443 +${delayMs + 250}`,
    ])
    expect(plan[0]?.because).toContain(`${decision.because}; first of 2`)
    expect(plan[2]?.because).toContain('if HTTP/3 is not connected after')
  })

  it('shows the plan of TCP where the addresses of an alternative cannot be found', async () => {
    const { world, run } = setUp()
    world.advertise('h3="alt.test:443"')
    const { plan, known } = await run()
    expect(plan.map(({ lane }) => lane)).toEqual(['tcp', 'tcp'])
    expect(known).toContainEqual({
      fact: 'the addresses of h3 cannot be found now',
      evidence: expect.stringContaining('MM_DNS_FAILED'),
    })
  })

  it('plans over UDP where nothing but HTTP/3 is allowed', async () => {
    const { plan, decision, protocols } = await setUp(undefined, { protocols: ['h3'] }).run()
    expect(plan.map(({ lane, protocol, endpoint }) => `${lane} ${protocol} ${endpoint}`)).toEqual([
      'h3 h3 127.0.0.1:443',
      'h3 h3 [::1]:8443',
    ])
    expect(decision).toMatchObject({ lane: 'h3', rule: 'only-candidate' })
    expect(protocols[0]).toMatchObject({ allowed: true })
  })

  it('says that the addresses cannot be found, and shows what is known none the less', async () => {
    const { world, run } = setUp(FAILING)
    world.record.onKeepAlive({ timeoutMs: 5_000 }, 0)
    const explanation = await run()
    expect(explanation.plan).toEqual([])
    expect(explanation.known).toContainEqual({
      fact: 'the addresses of tcp cannot be found now',
      evidence: 'MM_DNS_FAILED: shop.test has no address',
    })
    expect(explanation.known.length).toBeGreaterThan(1)
    expect(explanation.protocols.find(({ allowed }) => allowed)?.protocol).toBe('h2')
  })

  it('says that more requests come than the origin serves', async () => {
    const { run, pool } = setUp(undefined, { pool: { queueTargetMs: 250 } })
    expect((await run()).known.map(({ fact }) => fact).join()).not.toContain('more requests')
    Object.assign(pool, { overloaded: true, waiters: 7, shed: 3 })
    expect((await run()).known).toContainEqual({
      fact: 'more requests come than the origin serves: the newest go first',
      evidence:
        'requests waited longer than pool.queueTargetMs = 250 for pool.queueIntervalMs = 100; 7 wait, 3 made room so far',
    })
  })

  it('says what bounds the requests, and how many were turned away', async () => {
    const { run, pool } = setUp()
    const known = async () => (await run()).known
    const before = (await known()).length
    Object.assign(pool, {
      breakers: {
        requests: { limit: 5, used: 4, refused: 3 },
        retries: { limit: 2, used: 0, refused: 0 },
      },
      concurrency: { limit: 12, inFlight: 4, refused: 1, recentMs: 20.04, longMs: 10 },
      retryBudget: { left: 0, refused: 9 },
    })
    expect((await known()).slice(before)).toEqual([
      {
        fact: 'at most so many requests are under way at a time',
        evidence: 'breakers.maxRequests = 5; 4 are now, 3 were turned away so far',
      },
      {
        fact: 'at most so many of them were sent again',
        evidence: 'breakers.maxRetries = 2; 0 are now, 0 were turned away so far',
      },
      {
        fact: 'the origin bears 12 requests at a time',
        evidence:
          'answers began after 20.0 ms of late, 10.0 ms in the long run; 4 are under way, 1 were turned away so far',
      },
      {
        fact: 'the retry budget is empty',
        evidence: '9 replays were not made so far (retry.budgetRatio, retry.budgetMin)',
      },
    ])
  })

  it('says how the origin is protected', async () => {
    const { run, pool } = setUp()
    expect((await run()).known.map(({ fact }) => fact)).not.toContain('the origin is protected')
    const protection = { ceiling: 4, share: 4, holds: 3, fairBy: 'client' }
    const evidence = async (shared?: object): Promise<string | undefined> => {
      Object.assign(pool, { protection: { ...protection, ...shared }, waiters: 7, protectedRefusals: 2 })
      return (await run()).known.find(({ fact }) => fact === 'the origin is protected')?.evidence
    }
    const counts = '3 are there; 7 wait in turns by client, 2 were refused so far'
    expect(await evidence()).toBe(`protection.maxConnections = 4, ${counts}`)
    const all = { limit: 4, members: 2, wanted: 9, granted: 4 }
    expect(await evidence({ share: 2, shared: { state: 'granted', all } })).toBe(
      `protection.maxConnections = 4, of which this process may have 2 now (2 share 4 and want 9), ${counts}`,
    )
    expect(await evidence({ share: 1, shared: { state: 'cut-off', all } })).toBe(
      `protection.maxConnections = 4, nobody says how much of it is ours, and it may have 1, ${counts}`,
    )
  })

  it('names everything that a machine lacks, and what each option of sockets would need', async () => {
    const options: OriginOptions = { socket: { userTimeoutMs: 20_000, congestionControl: 'reno' } }
    const { run } = setUp(undefined, options, {
      fastOpen: { unavailable: 'net.ipv4.tcp_fastopen is 2', facts: () => [] },
      early: { unavailable: 'OpenSSL lacks SSL_write_early_data' },
    })
    const because = 'koffi is not installed'
    expect((await run('no build of it')).unavailable).toEqual([
      { feature: 'h3', because: 'no build of it' },
      { feature: 'early data over TCP', because: 'OpenSSL lacks SSL_write_early_data' },
      { feature: 'TCP Fast Open', because: 'net.ipv4.tcp_fastopen is 2' },
      { feature: 'socket.userTimeoutMs', because },
      { feature: 'socket.congestionControl', because },
    ])
  })

  it('names nothing as missing where the machine lacks nothing', async () => {
    const all = { fastOpen: { unavailable: undefined, facts: () => [] }, early: { unavailable: undefined } }
    expect((await setUp(undefined, {}, all).run()).unavailable).toEqual([])
  })

  describe('of TCP Fast Open', () => {
    const asked: (readonly string[])[] = []
    const fact = { fact: 'TCP Fast Open is used to 127.0.0.1', evidence: 'worked 2 s ago' }
    const machine: Omit<Machine, 'http3Fault'> = {
      fastOpen: {
        unavailable: undefined,
        facts: addresses => {
          asked.push(addresses)
          return [fact]
        },
      },
      early: { unavailable: undefined },
    }
    const told = async (tfo: 'off' | 'auto' | 'on', isTaken = false) => {
      asked.length = 0
      const { world, run, fastOpenNews } = setUp(undefined, { tfo }, machine)
      const now = world.clock.now()
      world.record.onResolved(HERE, now)
      if (isTaken) world.record.onProbed({ fastOpen: { cookie: true, taken: true } }, now)
      fastOpenNews.onReport(
        { address: '127.0.0.1', family: 4, port: 443, transport: 'tcp' },
        { outcome: 'used', because: 'the SYN carried 400 bytes', isSpared: true },
        now,
      )
      return (await run()).known.filter(known => known.fact.includes('TCP Fast Open'))
    }
    const news = {
      fact: 'TCP Fast Open to 127.0.0.1:443 was used: the SYN carried 400 bytes',
      evidence: 'the last connect, just now',
    }
    const held = {
      fact: 'TCP Fast Open is not used yet',
      evidence: 'tfo is auto, and no probe has seen it work',
    }

    it('says nothing where nobody asked for it', async () => {
      expect(await told('off')).toEqual([])
      expect(asked).toEqual([])
    })

    it('says what became of it, and what is known of the addresses', async () => {
      expect(await told('on')).toEqual([news, fact])
      expect(asked).toEqual([['127.0.0.1', '::1']])
    })

    it('says that it waits for a probe, until one has seen it', async () => {
      expect(await told('auto')).toEqual([held, news, fact])
      expect(await told('auto', true)).not.toContainEqual(held)
    })
  })
})
