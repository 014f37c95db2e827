import { X509Certificate } from 'node:crypto'
import { beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { AttemptRecord } from '../../../../src/base/events/connection.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import { encodeTicket, INITIAL_HTTP3_SETTINGS } from '../../../../src/http/http3/frames/settings.ts'
import { type Http3Dialed, Http3Dialer } from '../../../../src/origin/connecting/http3-dialer.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import type { QuicDialRequest, QuicDialResult } from '../../../../src/quic/dial.ts'
import type { QuicHandshake, QuicLink } from '../../../../src/quic/engine.ts'
import type { LoadedEngine } from '../../../../src/quic/load-engine.ts'
import { TicketStore } from '../../../../src/state/ticket-store.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

/** Handed through, but for what is measured on it. */
const LINK = { connection: { stats: () => ({ sentBytes: 2400, receivedBytes: 3700 }) } } as QuicLink
const ENDPOINT = { address: '192.0.2.1', family: 4, port: 443, transport: 'udp' } as const
const SETTINGS = { ...INITIAL_HTTP3_SETTINGS, qpackMaxTableCapacity: 4096 }
const stored = (name: string): Buffer =>
  encodeTicket({ ticket: Buffer.from(name), settings: SETTINGS, token: undefined })

let certificate: Buffer
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  certificate = new X509Certificate((await authority.issue({ names: ['shop.test'] })).cert).raw
})

/** `at`: the alternative, if it is not the origin itself. */
interface Where {
  url?: string
  at?: { host: string; port: number }
}

/** Dialers that share a ticket store, over a dial of the test's own. */
class World {
  readonly clock = new FakeClock(1_000)
  readonly tickets = new TicketStore()
  /** What was dialed with: the ticket, and whether early data was asked for. */
  readonly dials: { ticket: string | undefined; earlyData: boolean }[] = []
  /** The name that the certificate of the last one must cover, and that went as SNI. */
  serverName: string | undefined
  /** What was reported of each dial. */
  readonly attempts: (readonly AttemptRecord[])[] = []
  /** What the next dials come to. */
  readonly outcomes: (Partial<QuicDialResult> | TransportError)[] = []
  engine = 'quiche 0.18'
  cpuMs = 100

  dial(
    options: OriginOptions = {},
    {
      url = 'https://shop.test',
      at,
      wantsEarlyData = true,
      signal = new AbortController().signal,
    }: Where & { wantsEarlyData?: boolean; signal?: AbortSignal } = {},
  ): Promise<Http3Dialed> {
    const origin = parseOrigin(url)
    const alternative = at ?? { host: origin.host, port: origin.port }
    const loaded = { engine: { name: this.engine } } as LoadedEngine // the dial is the test's own
    const dialer = new Http3Dialer({
      clock: this.clock,
      tickets: this.tickets,
      loadEngine: () => loaded,
      dial: (_engine, request) => {
        this.cpuMs += 4
        return this.#dial(request)
      },
      readCpuMs: () => this.cpuMs,
    })
    const settings = new SettingsBook({ defaults: { protocols: ['h3'], ...options } }).settingsFor(origin)
    const attempts = [{ endpoint: ENDPOINT, because: 'only one' }]
    const request = {
      origin,
      alternative,
      attempts,
      settings,
      dnsMs: 3,
      wantsEarlyData,
      onAttempts: (made: readonly AttemptRecord[]) => void this.attempts.push(made),
    }
    return dialer.dial(request, signal)
  }

  /** Dials and leaves tickets behind, as a server issues them. */
  async learn(name: string, options: OriginOptions = {}, more: Where = {}): Promise<void> {
    const dialed = await this.dial(options, { ...more, wantsEarlyData: false })
    dialed.tickets?.put(stored(name))
    this.dials.length = 0
  }

  async offered(options: OriginOptions = {}, more: Where = {}): Promise<string | undefined> {
    this.dials.length = 0
    await this.dial(options, more)
    return this.dials[0]?.ticket
  }

  async #dial(request: QuicDialRequest): Promise<QuicDialResult> {
    const { ticket, earlyData = false } = request
    this.dials.push({ ticket: ticket?.toString(), earlyData })
    this.serverName = request.serverName
    const outcome = this.outcomes.shift() ?? {}
    if (outcome instanceof TransportError) throw outcome
    const isEarly = ticket !== undefined && earlyData
    return {
      link: LINK,
      endpoint: ENDPOINT,
      handshake: isEarly ? undefined : handshake(ticket !== undefined),
      offeredTicket: ticket !== undefined,
      attempts: [{ endpoint: '192.0.2.1:443', startedAtMs: 500, outcome: 'connected', because: 'only one' }],
      handshakeMs: 40,
      ...outcome,
    }
  }
}

const handshake = (isResumed: boolean): QuicHandshake => ({
  protocol: 'h3',
  isResumed,
  certificates: [certificate],
})

describe('Http3Dialer', () => {
  let world: World
  beforeEach(() => {
    world = new World()
  })

  it('reports a full handshake, which takes no connect of its own', async () => {
    const { handshake, offeredTicket, rememberedSettings } = await world.dial()
    expect(handshake).toEqual({
      kind: 'full',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: 'TLSv1.3',
      certificateExpiresAt: expect.any(Number),
      certificateNames: ['shop.test'],
      timings: { dnsMs: 3, connectMs: 0, tlsMs: 40 },
      bytes: 6100,
      cpuMs: 4,
      attempts: [
        {
          protocol: 'h3',
          endpoint: '192.0.2.1:443',
          startedAtMs: 0,
          outcome: 'connected',
          because: 'only one',
        },
      ],
    })
    expect([offeredTicket, rememberedSettings]).toEqual([false, undefined])
  })

  it('offers the ticket that it kept, with its settings, and early data when an exchange waits for that', async () => {
    await world.learn('a')
    const early = await world.dial()
    expect(world.dials).toEqual([{ ticket: 'a', earlyData: true }])
    expect(early).toMatchObject({ handshake: { kind: 'early_data' }, rememberedSettings: SETTINGS })
    // What an unfinished handshake costs is known when it is complete.
    expect([early.handshake.bytes, early.handshake.cpuMs]).toEqual([undefined, undefined])
    world.cpuMs += 3
    expect(early.meter.read(early.link)).toEqual({ bytes: 6100, cpuMs: 7 })
    await world.learn('b')
    const late = await world.dial({}, { wantsEarlyData: false })
    expect(world.dials).toEqual([{ ticket: 'b', earlyData: false }])
    expect(late.handshake.kind).toBe('resumed')
  })

  it('sends early data with a ticket once, and resumes with it after that', async () => {
    await world.learn('a')
    await world.dial()
    await world.dial()
    expect(world.dials).toEqual([
      { ticket: 'a', earlyData: true },
      { ticket: 'a', earlyData: false },
    ])
  })

  it('offers nothing where resumption is off, and nothing that it cannot read', async () => {
    const tls = { resumption: false }
    expect((await world.dial({ tls })).tickets).toBeUndefined()
    const { tickets } = await world.dial()
    tickets?.put(Buffer.from('garbage that no session ever was'))
    expect(await world.offered()).toBeUndefined()
  })

  it('asks an alternative for the certificate of the origin (RFC 7838 2.1), and keeps tickets apart', async () => {
    const at = { host: 'alt.test', port: 8443 }
    const dialed = await world.dial({}, { at, wantsEarlyData: false })
    expect(world.serverName).toBe('shop.test')
    dialed.tickets?.put(stored('elsewhere'))
    expect(await world.offered()).toBeUndefined()
    expect(await world.offered({}, { at })).toBe('elsewhere')
    expect(await world.offered({}, { at, url: 'https://other.test' }), 'another origin there').toBeUndefined()
  })

  describe('does not offer a ticket', () => {
    beforeEach(() => world.learn('a', { tls: { ca: 'CA 1' } }))

    it('anywhere but where it came from', async () => {
      expect(await world.offered({ tls: { ca: 'CA 1' } })).toBe('a')
    })

    it.each<[string, OriginOptions, Where]>([
      ['another host', { tls: { ca: 'CA 1' } }, { url: 'https://evil.test' }],
      ['another port', { tls: { ca: 'CA 1' } }, { url: 'https://shop.test:8443' }],
      ['an alternative at another host', { tls: { ca: 'CA 1' } }, { at: { host: 'alt.test', port: 443 } }],
      ['an alternative at another port', { tls: { ca: 'CA 1' } }, { at: { host: 'shop.test', port: 8443 } }],
      ['another server name', { tls: { ca: 'CA 1', serverName: 'evil.test' } }, {}],
      ['another CA', { tls: { ca: 'CA 2' } }, {}],
      ['one CA more', { tls: { ca: ['CA 1', 'CA 2'] } }, {}],
      ['the default CAs', {}, {}],
      ['no verification', { tls: { ca: 'CA 1', rejectUnauthorized: false } }, {}],
      ['a client certificate', { tls: { ca: 'CA 1', cert: 'C', key: 'K' } }, {}],
      ['another lowest version', { tls: { ca: 'CA 1', minVersion: 'TLSv1.3' } }, {}],
    ])('under %s', async (_what, options, more) => {
      expect(await world.offered(options, more)).toBeUndefined()
    })

    it('to another engine', async () => {
      world.engine = 'quiche 0.19'
      expect(await world.offered({ tls: { ca: 'CA 1' } })).toBeUndefined()
    })
  })

  it('never offers a ticket of an unverified connection to a verified one', async () => {
    await world.learn('unverified', { tls: { rejectUnauthorized: false } })
    expect(await world.offered()).toBeUndefined()
    expect(await world.offered({ tls: { rejectUnauthorized: false } })).toBe('unverified')
  })

  it('trusts a ticket no longer than the certificate, over however many resumptions', async () => {
    const store = world.tickets
    const trusted: (number | undefined)[] = []
    const put = store.put.bind(store)
    store.put = (peer, session, now, limits) => {
      trusted.push(limits?.trustedUntil)
      put(peer, session, now, limits)
    }
    const full = await world.dial()
    full.tickets?.put(stored('a'))
    const endsInMs = Date.parse(new X509Certificate(certificate).validTo) - Date.now()
    expect(trusted[0]! - 1_000).toBeGreaterThan(endsInMs - 1_000)
    expect(trusted[0]! - 1_000).toBeLessThan(endsInMs + 60_000)
    world.clock.advance(60_000)
    const resumed = await world.dial({}, { wantsEarlyData: false })
    resumed.tickets?.put(stored('b'))
    // What the store made of it: seven days at the most, counted from the one full handshake.
    expect(resumed.handshake).toMatchObject({ kind: 'resumed', certificateNames: ['shop.test'] })
    expect(trusted[1]).toBe(Math.min(trusted[0]!, 1_000 + 604_800_000))
  })

  it('keeps no ticket before the handshake is complete', async () => {
    await world.learn('a')
    const { tickets } = await world.dial()
    tickets?.put(stored('planted'))
    expect(await world.offered()).toBe('a')
    tickets?.onHandshake(handshake(true))
    tickets?.put(stored('b'))
    expect(await world.offered()).toBe('b')
  })

  describe('when a dial that offered a ticket fails', () => {
    beforeEach(() => world.learn('a'))
    const failing = async (code: ConstructorParameters<typeof TransportError>[0]): Promise<void> => {
      world.outcomes.push(new TransportError(code, 'no'))
      await expect(world.dial()).rejects.toMatchObject({ code })
    }

    it.each(['MM_TLS_FAILED', 'MM_CONNECT_TIMEOUT', 'MM_ALPN_MISMATCH'] as const)(
      'purges the tickets of the peer: %s',
      async code => {
        await failing(code)
        expect(await world.offered()).toBeUndefined()
      },
    )

    it('uses the ticket up when nobody answered, or the dial was given up', async () => {
      await failing('MM_CONNECT_REFUSED')
      await world.dial()
      expect(world.dials.at(-1)).toEqual({ ticket: 'a', earlyData: false })
    })

    it('takes the ticket back when nothing was sent', async () => {
      await failing('MM_INVALID_ARGUMENT')
      await world.dial()
      expect(world.dials.at(-1)).toEqual({ ticket: 'a', earlyData: true })
    })

    it('checks the certificate once more with a full handshake, when that of the ticket has expired', async () => {
      world.outcomes.push(new TransportError('MM_TLS_CERTIFICATE', 'has expired'))
      expect((await world.dial()).handshake.kind).toBe('full')
      expect(world.dials).toEqual([
        { ticket: 'a', earlyData: true },
        { ticket: undefined, earlyData: false },
      ])
    })
  })

  it('touches no ticket when the dial was given up before it began', async () => {
    await world.learn('a')
    world.outcomes.push(new TransportError('MM_ABORTED', 'given up'))
    await expect(world.dial({}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'MM_ABORTED',
    })
    await world.dial()
    expect(world.dials.at(-1)).toEqual({ ticket: 'a', earlyData: true })
  })

  it('says why there is no engine', async () => {
    const loadEngine = (): LoadedEngine => ({ unavailable: 'there is no build for mars' })
    const dialer = new Http3Dialer({ clock: world.clock, tickets: world.tickets, loadEngine })
    expect(dialer.fault).toBe('HTTP/3 is off: there is no build for mars')
  })
})
