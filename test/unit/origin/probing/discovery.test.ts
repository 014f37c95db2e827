import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Finding, ProbedFastOpen, QuicFinding } from '../../../../src/base/events/probe-report.ts'
import type { Endpoint } from '../../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import type { ServiceAnswer } from '../../../../src/dns/records/service-lookup.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import { Discovery } from '../../../../src/origin/probing/discovery.ts'
import { ProbeBudget } from '../../../../src/select/probe/probe-schedule.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { settled } from '../../../support/fake-connector.ts'

const HOUR_MS = 3_600_000
const TCP: Endpoint = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' }
const SPEAKS: QuicFinding = { found: { versions: ['0x00000001'], ms: 10 } }
const NOTHING: QuicFinding = { why: 'silent', because: 'no answer', ms: 10 } as unknown as QuicFinding // see above
const fastOpen = (taken: boolean): Finding<ProbedFastOpen> => ({
  found: { cookie: true, taken, firstFlightBytes: 385, because: 'it did' },
})
const RECORDS: ServiceAnswer = {
  kind: 'found',
  records: [
    {
      target: 'alt.test',
      port: 8443,
      alpn: ['h3', 'h2'],
      ttlSeconds: 60,
      addressHints: [],
    } as unknown as Extract<ServiceAnswer, { kind: 'found' }>['records'][number], // what is looked at
  ],
  skipped: [],
  ttlSeconds: 60,
  aliasTo: undefined,
}

class World {
  readonly clock = new FakeClock(1_000)
  readonly record = new OriginRecord({ host: 'shop.test', port: 443 })
  readonly budget = new ProbeBudget(2)
  readonly asked: string[] = []
  readonly told: string[] = []
  readonly signals: AbortSignal[] = []
  /** What the questions come to; undefined: they are open. */
  answer: ServiceAnswer | Error | undefined = RECORDS
  finding: QuicFinding | Error | undefined = SPEAKS
  fastOpen: Finding<ProbedFastOpen> | Error | undefined = fastOpen(true)
  readonly #open: (() => void)[] = []

  discover({
    options = {},
    url = 'https://shop.test',
    isResolved = true,
  }: {
    options?: OriginOptions
    url?: string
    isResolved?: boolean
  } = {}): Discovery {
    const origin = parseOrigin(url)
    return new Discovery({
      origin,
      settings: new SettingsBook({ defaults: options }).settingsFor(origin),
      record: this.record,
      clock: this.clock,
      isResolved,
      budget: this.budget,
      serviceRecords: (host, port, signal) => {
        this.asked.push(`HTTPS ${host}:${port}`)
        return this.#settle(() => this.answer, signal)
      },
      quicVersions: ({ address, port, transport }, timeoutMs, signal) => {
        this.asked.push(`QUIC ${address}:${port}/${transport} within ${timeoutMs}`)
        return this.#settle(() => this.finding, signal)
      },
      fastOpen: ({ address, port }, asked, settings, signal) => {
        this.asked.push(`Fast Open ${address}:${port} of ${asked.key}, tfo ${settings.tfo}`)
        return this.#settle(() => this.fastOpen, signal)
      },
      onEvidence: (source, fact) => void this.told.push(`${source}: ${fact}`),
    })
  }

  /** Questions that are open come to what they come to now. */
  async settle(): Promise<void> {
    for (const settle of this.#open.splice(0)) settle()
    await settled()
  }

  #settle<T>(outcome: () => T | Error | undefined, signal: AbortSignal): Promise<T> {
    this.signals.push(signal)
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        const value = outcome()
        if (value instanceof Error) reject(value)
        else if (value !== undefined) resolve(value)
        else this.#open.push(settle)
      }
      settle()
    })
  }
}

describe('discovery', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })

  describe('by the DNS', () => {
    it('asks with the first request, once, and reports what it found', async () => {
      const discovery = world.discover()
      expect(world.asked).toEqual([])
      discovery.onRequest()
      discovery.onRequest()
      await settled()
      discovery.onRequest()
      expect(world.asked).toEqual(['HTTPS shop.test:443'])
      expect(world.told).toEqual(['https-record: alt.test:8443 h3+h2'])
      expect(world.record.http3(1_000).alternative).toMatchObject({ host: 'alt.test', port: 8443 })
    })

    it('reports nothing where there are no records, or where none could be read', async () => {
      for (const answer of [
        { kind: 'none', because: 'no record', ttlSeconds: 60, aliasTo: undefined },
        { kind: 'failed', because: 'SERVFAIL' },
      ] as const) {
        world.answer = answer
        world.discover().onRequest()
        await settled()
      }
      world.answer = new TransportError('MM_DNS_TIMEOUT', 'slow')
      world.discover().onRequest()
      await settled()
      expect([world.asked.length, world.told]).toEqual([3, []])
    })

    it('does not ask for an origin with a fixed address', () => {
      const discovery = world.discover({ isResolved: false })
      discovery.onRequest()
      expect([world.asked, discovery.mayAskDns]).toEqual([[], false])
    })

    it('asks again on another network', async () => {
      const discovery = world.discover()
      discovery.onRequest()
      await settled()
      discovery.onNetworkChanged(world.clock.now())
      discovery.onRequest()
      discovery.onRequest()
      expect(world.asked).toHaveLength(2)
    })
  })

  describe('by QUIC', () => {
    it('probes where TCP worked, and reports that HTTP/3 may be there', async () => {
      world.discover().onTcpConnected(TCP)
      await settled()
      expect(world.asked).toEqual(['QUIC 192.0.2.1:443/udp within 5000'])
      expect(world.told).toEqual(['probe: QUIC at 192.0.2.1:443'])
      expect(world.record.http3(1_000).alternative).toMatchObject({
        host: 'shop.test',
        port: 443,
        source: 'probe',
      })
      expect(world.budget.running).toBe(0)
    })

    it('probes an address of the operator, too', () => {
      world.discover({ isResolved: false }).onTcpConnected(TCP)
      expect(world.asked).toHaveLength(1)
    })

    it.each<[string, QuicFinding | Error]>([
      ['nobody answers', NOTHING],
      ['only unknown versions are spoken', { found: { versions: ['0xff00001d'], ms: 1 } }],
      ['it fails', new TransportError('MM_INTERNAL', 'no socket')],
    ])('reports nothing when %s', async (_what, finding) => {
      world.finding = finding
      world.discover().onTcpConnected(TCP)
      await settled()
      expect([world.told, world.budget.running]).toEqual([[], 0])
      expect(world.record.http3(1_000).alternative).toBeUndefined()
    })

    it('probes once at a time, and once per interval, whatever connects', async () => {
      world.finding = undefined
      const discovery = world.discover()
      discovery.onTcpConnected(TCP)
      discovery.onTcpConnected(TCP)
      discovery.onTcpConnected({ ...TCP, address: '192.0.2.2' })
      expect(world.asked).toHaveLength(1)
      world.finding = NOTHING
      await world.settle()
      const other = { ...TCP, address: '192.0.2.2' }
      world.clock.advance(HOUR_MS - 1)
      discovery.onTcpConnected(other)
      expect(world.asked).toHaveLength(1)
      world.clock.advance(1)
      discovery.onTcpConnected(other)
      await settled()
      expect(world.asked).toHaveLength(2)
      world.clock.advance(HOUR_MS)
      discovery.onTcpConnected({ ...TCP, address: '192.0.2.3' })
      await settled()
      world.clock.advance(HOUR_MS)
      discovery.onTcpConnected({ ...TCP, address: '192.0.2.4' })
      expect(world.asked, 'the third one waits for two hours').toHaveLength(3)
    })

    it('does not probe where it is known how the port reacts to QUIC', () => {
      world.record.onQuicProbed('192.0.2.1:443', SPEAKS, 1_000)
      world.discover().onTcpConnected(TCP)
      expect(world.asked).toEqual([])
    })

    it('does not probe once it is known where HTTP/3 is', () => {
      world.record.onAltSvc('h3=":8443"', 'alt-svc', 0, 1_000)
      world.discover().onTcpConnected(TCP)
      expect(world.asked).toEqual([])
    })

    it('does not probe beyond the budget of all origins', async () => {
      world.finding = undefined
      const origins = [1, 2, 3].map(() => world.discover())
      for (const discovery of origins) discovery.onTcpConnected(TCP)
      expect([world.asked.length, world.budget.running]).toEqual([2, 2])
      world.finding = NOTHING
      await world.settle()
      expect(world.budget.running).toBe(0)
    })

    it('probes again on another network, also when one was under way meanwhile', async () => {
      world.finding = undefined
      const discovery = world.discover()
      discovery.onTcpConnected(TCP)
      discovery.onNetworkChanged(world.clock.now())
      world.record.onNetworkChanged(world.clock.now())
      world.finding = new TransportError('MM_INTERNAL', 'the socket is gone')
      await world.settle()
      discovery.onTcpConnected(TCP)
      expect(world.asked).toHaveLength(2)
    })
  })

  describe('for Fast Open', () => {
    /** Nothing else is looked for. */
    const options: OriginOptions = { tfo: 'auto', protocols: ['h2', 'http/1.1'] }
    const OTHER = { ...TCP, address: '192.0.2.2' }

    it('probes where TCP worked, and reports that it works', async () => {
      world.discover({ options }).onTcpConnected(TCP)
      await settled()
      expect(world.asked).toEqual(['Fast Open 192.0.2.1:443 of https://shop.test, tfo auto'])
      expect(world.told).toEqual(['probe: TCP Fast Open at 192.0.2.1:443'])
      expect(world.record.fastOpenTaken(1_000)).toMatchObject({ value: true, source: 'probe' })
      expect(world.budget.running).toBe(0)
    })

    it('does not probe again while it works, as connects use it', async () => {
      const discovery = world.discover({ options })
      discovery.onTcpConnected(TCP)
      await settled()
      world.clock.advance(2 * HOUR_MS)
      discovery.onTcpConnected(OTHER)
      await settled()
      expect(world.asked).toHaveLength(1)
      world.clock.advance(46 * HOUR_MS) // the record forgets it
      discovery.onTcpConnected(OTHER)
      expect(world.asked).toHaveLength(2)
    })

    it.each<[string, Finding<ProbedFastOpen> | Error, boolean | undefined]>([
      ['the peer does not take it', fastOpen(false), false],
      ['this machine cannot', { skipped: 'koffi is not installed' }, undefined],
      ['the handshake failed', { fault: 'no', code: 'MM_TLS_FAILED' }, undefined],
      ['the look itself failed', new TransportError('MM_INTERNAL', 'no'), undefined],
    ])('reports nothing when %s', async (_what, finding, taken) => {
      world.fastOpen = finding
      world.discover({ options }).onTcpConnected(TCP)
      await settled()
      expect([world.told, world.budget.running]).toEqual([[], 0])
      expect(world.record.fact('fastOpen')?.value.taken).toBe(taken)
      expect(world.record.fastOpenTaken(1_000)).toBeUndefined()
    })

    it('probes once at a time, and once per interval, whatever connects', async () => {
      world.fastOpen = undefined
      const discovery = world.discover({ options })
      for (const endpoint of [TCP, TCP, OTHER]) discovery.onTcpConnected(endpoint)
      expect(world.asked).toHaveLength(1)
      world.fastOpen = { fault: 'no', code: 'MM_TLS_FAILED' }
      await world.settle()
      world.clock.advance(HOUR_MS - 1)
      discovery.onTcpConnected(OTHER)
      expect(world.asked).toHaveLength(1)
      world.clock.advance(1)
      discovery.onTcpConnected(OTHER)
      await settled()
      expect(world.asked).toHaveLength(2)
      world.clock.advance(2 * HOUR_MS - 1)
      discovery.onTcpConnected(TCP)
      expect(world.asked, 'the third one waits for two hours').toHaveLength(2)
    })

    it('probes in parallel with QUIC, whatever comes of that, within the budget of both', async () => {
      world.finding = undefined
      world.fastOpen = undefined
      const discovery = world.discover({ options: { tfo: 'auto' } })
      discovery.onTcpConnected(TCP)
      expect([world.asked.length, world.budget.running]).toEqual([2, 2])
      world.discover({ options }).onTcpConnected(TCP)
      expect(world.asked).toHaveLength(2)
    })

    it('probes again on another network', async () => {
      const discovery = world.discover({ options })
      discovery.onTcpConnected(TCP)
      await settled()
      discovery.onNetworkChanged(world.clock.now())
      world.record.onNetworkChanged(world.clock.now())
      discovery.onTcpConnected(TCP)
      expect(world.asked).toHaveLength(2)
    })

    it('receives nothing after it was closed', async () => {
      world.fastOpen = undefined
      const discovery = world.discover({ options })
      discovery.onTcpConnected(TCP)
      discovery.close()
      expect(world.signals.map(({ aborted }) => aborted)).toEqual([true])
      world.fastOpen = fastOpen(true)
      await world.settle()
      expect([world.told, world.budget.running]).toEqual([[], 0])
      expect(world.record.fastOpenTaken(1_000)).toBeUndefined()
    })

    it.each<[string, Parameters<World['discover']>[0]]>([
      ['it is off', { options: { ...options, tfo: 'off' } }],
      ['it is on anyway', { options: { ...options, tfo: 'on' } }],
      ['probes are off', { options: { ...options, select: { probe: 'off' } } }],
      ['the origin is cleartext', { options, url: 'http://shop.test' }],
    ])('does nothing when %s', (_what, situation) => {
      world.discover(situation).onTcpConnected(TCP)
      expect(world.asked).toEqual([])
    })
  })

  it.each<[string, Parameters<World['discover']>[0]]>([
    ['it is off', { options: { select: { probe: 'off' } } }],
    ['the policy spares CPU', { options: { select: { policy: 'efficiency' } } }],
    ['the origin is cleartext', { url: 'http://shop.test' }],
    ['HTTP/3 is not allowed', { options: { protocols: ['h2', 'http/1.1'] } }],
    ['nothing else is allowed', { options: { protocols: ['h3'] } }],
  ])('does nothing when %s', (_what, situation) => {
    const discovery = world.discover(situation)
    discovery.onRequest()
    discovery.onTcpConnected(TCP)
    expect(world.asked).toEqual([])
  })

  describe('after close', () => {
    it('stops what is under way, and reports nothing that still comes of it', async () => {
      world.answer = undefined
      world.finding = undefined
      const discovery = world.discover()
      discovery.onRequest()
      discovery.onTcpConnected(TCP)
      discovery.close()
      expect(world.signals.map(({ aborted }) => aborted)).toEqual([true, true])
      world.answer = RECORDS
      world.finding = SPEAKS
      await world.settle()
      expect([world.told, world.budget.running]).toEqual([[], 0])
      expect(world.record.http3(1_000).alternative).toBeUndefined()
    })

    it('begins nothing', async () => {
      const discovery = world.discover()
      discovery.close()
      discovery.onRequest()
      discovery.onTcpConnected(TCP)
      await settled()
      expect([world.asked, world.told, world.budget.running]).toEqual([[], [], 0])
    })
  })
})
