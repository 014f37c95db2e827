import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { AttemptRecord, ConnectionListener } from '../../../../src/base/events/connection.ts'
import type { Resolution, Resolver } from '../../../../src/base/http/endpoint.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { Protocol } from '../../../../src/base/http/protocol.ts'
import { DEFAULT_SOCKET_OPTIONS } from '../../../../src/base/options/socket-options.ts'
import type { Dialer } from '../../../../src/connect/tcp/dial.ts'
import type { DialRequest } from '../../../../src/connect/tcp/dial-request.ts'
import { SocketSettings } from '../../../../src/connect/tcp/socket-settings.ts'
import { AddressResolver, findBy, type Lookup } from '../../../../src/dns/address-resolver.ts'
import { AlternativeResolver } from '../../../../src/dns/alternative-resolver.ts'
import { Coalescing } from '../../../../src/origin/coalescing/coalescing.ts'
import type { ConnectorPurpose } from '../../../../src/origin/connecting/connector-config.ts'
import { DialTurns } from '../../../../src/origin/connecting/dial-turns.ts'
import { Http3Dialer } from '../../../../src/origin/connecting/http3-dialer.ts'
import { OriginConnector } from '../../../../src/origin/connecting/origin-connector.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'
import type { QuicDialRequest } from '../../../../src/quic/dial.ts'
import type { LoadedEngine } from '../../../../src/quic/load-engine.ts'
import { OriginRecord } from '../../../../src/select/record/origin-record.ts'
import { TicketStore } from '../../../../src/state/ticket-store.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const ADDRESSES: Resolution = { addresses: [{ address: '192.0.2.1', family: 4 }], source: 'literal' }
const ATTEMPT: AttemptRecord = {
  protocol: 'h2',
  endpoint: '192.0.2.1:443',
  startedAtMs: 0,
  outcome: 'failed',
  because: 'first of 1',
}
const ALT_SVC = 'h3="alt.test:8443"'

interface SetUpOptions {
  url?: string
  purpose?: ConnectorPurpose
  protocols?: readonly Protocol[]
  /** There is a QUIC engine; without one the machine speaks no HTTP/3. */
  hasEngine?: boolean
  /** A request waits that may leave early. */
  wantsEarlyData?: boolean
}

/** A connector whose dials, TCP or QUIC, go nowhere. */
function setUp({
  url = 'https://shop.test',
  purpose = 'tcp',
  protocols = ['h3', 'h2', 'http/1.1'],
  hasEngine = false,
  wantsEarlyData = false,
}: SetUpOptions) {
  const clock = new FakeClock()
  const origin = parseOrigin(url)
  const record = new OriginRecord({ host: origin.host, port: origin.port })
  const told: string[] = []
  let loads = 0
  let trustReads = 0
  const loadEngine = (): LoadedEngine => {
    loads++
    if (!hasEngine) return { unavailable: 'there is no build for mars' }
    return { engine: { name: 'fake' } } as LoadedEngine // the dial is the test's own
  }
  const dialed: string[] = []
  let failure: unknown = new TransportError('MM_CONNECT_FAILED', 'nobody is there')
  let isHanging = false
  const fail = (signal: AbortSignal): Promise<never> =>
    isHanging
      ? new Promise((_, reject) => {
          if (signal.aborted) reject(new Error('stopped'))
          signal.addEventListener('abort', () => reject(new Error('stopped')))
        })
      : Promise.reject(failure)
  const http3Dialer = new Http3Dialer({
    clock,
    tickets: new TicketStore(),
    loadEngine,
    dial: (_engine, { attempts, onAttempts, serverName }: QuicDialRequest, _clock, signal) => {
      dialed.push(
        `${serverName} at ${attempts.map(({ endpoint: { address, port } }) => `${address}:${port}`).join()}`,
      )
      onAttempts?.([{ endpoint: '192.0.2.1:443', startedAtMs: 0, outcome: 'failed', because: 'first of 1' }])
      return fail(signal)
    },
  })
  const mayBeEarly: boolean[] = []
  const dialHttp3 = http3Dialer.dial.bind(http3Dialer)
  http3Dialer.dial = (request, signal) => {
    mayBeEarly.push(request.wantsEarlyData)
    return dialHttp3(request, signal)
  }
  const dialer = {
    dial: ({ alpnProtocols, onAttempts }: DialRequest, signal: AbortSignal) => {
      dialed.push(alpnProtocols.join())
      onAttempts?.([ATTEMPT])
      return fail(signal)
    },
    trustOf: () => {
      trustReads++
      return 'trust'
    },
  } as unknown as Dialer // what a connector asks of one
  let dnsFault: TransportError | undefined
  const resolver: Resolver = {
    resolve: () => (dnsFault === undefined ? Promise.resolve(ADDRESSES) : Promise.reject(dnsFault)),
  }
  const lookup: Lookup = (_host, callback) => callback(null, [{ address: '198.51.100.7', family: 4 }])
  const connector = new OriginConnector({
    purpose,
    origin,
    settings: new SettingsBook({ defaults: { protocols } }).settingsFor(origin),
    record,
    resolver,
    route: undefined,
    locals: undefined,
    alternativeResolver: new AlternativeResolver(new AddressResolver({ clock, find: findBy(lookup) }), {}, 0),
    dialer,
    dialTurns: new DialTurns(clock, 0.5),
    http3Dialer,
    coalescing: new Coalescing(),
    onCoalescingMissed: () => {},
    onGuestDismissed: () => {},
    onOrigins: () => {},
    clock,
    onDefence: () => {},
    wantsEarlyData: () => wantsEarlyData,
    onEarlyData: () => {},
    onAttempts: made => void told.push(`${made.length} attempts`),
    socketSettings: new SocketSettings(DEFAULT_SOCKET_OPTIONS),
    onFastOpen: () => {},
    onSocket: () => {},
    onLink: () => {},
    onEvidence: (source, fact) => void told.push(source === undefined ? 'evidence' : `${source}: ${fact}`),
  })
  const connect = (signal = new AbortController().signal) =>
    connector.connect({} as ConnectionListener, signal)
  return {
    clock,
    record,
    connector,
    connect,
    dialed,
    mayBeEarly,
    told,
    loads: () => loads,
    trustReads: () => trustReads,
    failWith: (error: unknown) => void (failure = error),
    hang: () => void (isHanging = true),
    resolveTo: (fault: TransportError) => void (dnsFault = fault),
  }
}

describe('OriginConnector', () => {
  it.each<[ConnectorPurpose, readonly Protocol[], string]>([
    ['tcp', ['h2', 'http/1.1'], 'h2,http/1.1'],
    ['tcp', ['h3', 'h2', 'http/1.1'], 'h2,http/1.1'],
    ['h2-spread', ['h3', 'h2', 'http/1.1'], 'h2'],
    ['http/1.1', ['h3', 'h2', 'http/1.1'], 'http/1.1'],
    ['upgrades', ['h3', 'h2', 'http/1.1'], 'http/1.1'],
  ])(
    'offers over TCP the protocols of the lane, and loads no engine of QUIC: %s of %j',
    async (purpose, protocols, offered) => {
      const { connector, connect, dialed, loads, told } = setUp({ purpose, protocols })
      expect(connector.offered.join()).toBe(offered)
      await expect(connect()).rejects.toThrow('nobody is there')
      expect([dialed, loads(), told]).toEqual([[offered], 0, ['1 attempts']])
    },
  )

  it('makes its secure context ready once, ahead of the first dial or with it', async () => {
    const { connector, connect, dialed, trustReads } = setUp({})
    connector.prepare()
    connector.prepare()
    expect([trustReads(), dialed]).toEqual([1, []])
    await expect(connect()).rejects.toThrow('nobody is there')
    expect(trustReads()).toBe(1)
  })

  it('loads the engine ahead where HTTP/3 is to be spoken', () => {
    const { connector, loads } = setUp({ purpose: 'h3', hasEngine: true })
    connector.prepare()
    expect(loads()).toBe(1)
  })

  it('loads no engine to explain what it would try', () => {
    for (const purpose of ['tcp', 'h3'] as const) {
      const { connector, loads } = setUp({ purpose })
      expect(connector.plan(ADDRESSES)).toHaveLength(1)
      expect(loads()).toBe(0)
    }
  })

  it('keeps the order of addresses that the operator configured, and alternates between families otherwise', () => {
    const addresses = [
      { address: '192.0.2.1', family: 4 },
      { address: '192.0.2.2', family: 4 },
      { address: '2001:db8::1', family: 6 },
    ] as const
    const order = (source: string) =>
      setUp({})
        .connector.plan({ addresses, source })
        .map(({ endpoint }) => endpoint.address)
    expect(order('endpoints')).toEqual(['192.0.2.1', '192.0.2.2', '2001:db8::1'])
    expect(order('system')).toEqual(['192.0.2.1', '2001:db8::1', '192.0.2.2'])
  })

  it('reports a failed connect to the record, but not one beside the lanes', async () => {
    for (const purpose of ['tcp', 'upgrades'] as const) {
      const { connect, record } = setUp({ purpose })
      await expect(connect()).rejects.toThrow('nobody is there')
      expect(record.lastFailure?.value).toBe(purpose === 'tcp' ? 'MM_CONNECT_FAILED' : undefined)
    }
  })

  describe('of the HTTP/3 lane', () => {
    const http3 = { purpose: 'h3', hasEngine: true } as const

    it('fails without a dial where nothing says that HTTP/3 is spoken', async () => {
      const { connect, dialed } = setUp(http3)
      await expect(connect()).rejects.toMatchObject({
        code: 'MM_PROTOCOL_UNAVAILABLE',
        message: 'no HTTP/3 for https://shop.test: unknown whether the origin speaks it: nobody has looked',
      })
      expect(dialed).toEqual([])
    })

    it('connects to the alternative, in the name of the origin', async () => {
      const { connect, dialed, record, connector } = setUp(http3)
      record.onAltSvc(ALT_SVC, 'alt-svc', 0, 0)
      expect(connector.alternative(0)).toMatchObject({ host: 'alt.test', port: 8443 })
      await expect(connect()).rejects.toThrow('nobody is there')
      expect(dialed).toEqual(['shop.test at 198.51.100.7:8443'])
      expect(record.addresses, 'those of another host').toBeUndefined()
    })

    it('connects to the origin itself where that is the alternative', async () => {
      const { connect, dialed, record } = setUp({ ...http3, protocols: ['h3'] })
      record.onHttp3Configured(0)
      await expect(connect()).rejects.toThrow('nobody is there')
      expect([dialed, record.addresses?.value]).toEqual([['shop.test at 192.0.2.1:443'], ['192.0.2.1']])
    })

    it("reports a failure, which is HTTP/3's fault once TCP has worked", async () => {
      const { connect, record, told } = setUp(http3)
      record.onAltSvc(ALT_SVC, 'alt-svc', 0, 0)
      await expect(connect()).rejects.toThrow('nobody is there')
      expect([told, record.http3(0).status]).toEqual([['1 attempts', 'evidence'], 'pending'])
      record.onTcpWorked(0)
      expect(record.http3(0)).toMatchObject({
        status: 'broken',
        because: expect.stringContaining('nobody is there'),
      })
    })

    it('blames nobody for a fault of our own, nor for a dial that was given up', async () => {
      const local = setUp(http3)
      local.record.onAltSvc(ALT_SVC, 'alt-svc', 0, 0)
      local.failWith(new TransportError('MM_INVALID_ARGUMENT', 'a CA that is none'))
      await expect(local.connect()).rejects.toThrow('a CA that is none')
      local.record.onTcpWorked(0)
      expect(local.record.http3(0).status).toBe('pending')

      const stopped = setUp(http3)
      stopped.record.onAltSvc(ALT_SVC, 'alt-svc', 0, 0)
      const abort = new AbortController()
      stopped.failWith(new TransportError('MM_CONNECT_FAILED', 'stopped in the middle'))
      const dial = stopped.connect(abort.signal)
      abort.abort()
      await expect(dial).rejects.toThrow()
      stopped.record.onTcpWorked(0)
      expect([stopped.record.http3(0).status, stopped.told.includes('evidence')]).toEqual(['pending', false])
    })

    it('tries one connect at a time after a failure, and lets the next one try when a trial is given up', async () => {
      const { clock, connect, record, hang } = setUp(http3)
      record.onAltSvc(ALT_SVC, 'alt-svc', 0, 0)
      await expect(connect()).rejects.toThrow('nobody is there')
      record.onTcpWorked(0)
      clock.advance(1_000)
      const status = record.http3Status('alt.test:8443')
      expect(status.mayTry(1_000)).toBe(true)
      hang()
      const abort = new AbortController()
      const trial = connect(abort.signal)
      expect(status.mayTry(1_000), 'a trial is under way').toBe(false)
      abort.abort()
      await expect(trial).rejects.toThrow()
      expect(status.mayTry(1_000)).toBe(true)
    })

    describe('with early data', () => {
      const FAULT_OF_OURS = new TransportError('MM_INVALID_ARGUMENT', 'not what this is about')
      const setUpEarly = (wantsEarlyData: boolean) => {
        const { clock, connect, record, failWith, mayBeEarly } = setUp({ ...http3, wantsEarlyData })
        record.onAltSvc(ALT_SVC, 'alt-svc', 0, 0)
        const status = record.http3Status('alt.test:8443')
        /** Whether the next dial may send early data. It ends without a verdict. */
        const mayNext = async (): Promise<boolean | undefined> => {
          failWith(FAULT_OF_OURS)
          await expect(connect()).rejects.toBe(FAULT_OF_OURS)
          return mayBeEarly.at(-1)
        }
        const fail = async (): Promise<void> => {
          failWith(new TransportError('MM_CONNECT_FAILED', 'nobody is there'))
          await expect(connect()).rejects.toThrow('nobody is there')
          record.onTcpWorked(clock.now())
          clock.advance((status.brokenUntil ?? 0) - clock.now())
        }
        return { clock, status, mayNext, fail }
      }

      it('sends it early where HTTP/3 has answered, and not where nothing has come over it yet', async () => {
        const { status, mayNext, clock } = setUpEarly(true)
        expect(await mayNext()).toBe(false)
        status.onHttp3Worked(clock.now())
        expect(await mayNext()).toBe(true)
      })

      it('does not send it early where HTTP/3 has failed since, until there is an answer again', async () => {
        const { status, mayNext, fail, clock } = setUpEarly(true)
        status.onHttp3Worked(clock.now())
        await fail()
        expect([status.name(clock.now()), await mayNext()]).toEqual(['failedRecently', false])
        status.onHttp3Connected(clock.now())
        expect([status.name(clock.now()), await mayNext()]).toEqual(['confirmed', false])
        status.onHttp3Worked(clock.now())
        expect(await mayNext()).toBe(true)
      })

      it('does not send it early when no request wants that', async () => {
        const { status, mayNext, clock } = setUpEarly(false)
        status.onHttp3Worked(clock.now())
        expect(await mayNext()).toBe(false)
      })
    })

    it('fails with the reason of the engine where there is none', async () => {
      const { connect, dialed, record } = setUp({ ...http3, hasEngine: false, protocols: ['h3'] })
      record.onHttp3Configured(0)
      await expect(connect()).rejects.toMatchObject({
        code: 'MM_PROTOCOL_UNAVAILABLE',
        message: expect.stringContaining('there is no build for mars'),
      })
      expect([dialed, record.http3(0).status]).toEqual([[], 'pending'])
    })

    it('says that HTTP/3 has no cleartext', async () => {
      const { connect } = setUp({ ...http3, url: 'http://shop.test', protocols: ['h3'] })
      await expect(connect()).rejects.toMatchObject({
        code: 'MM_PROTOCOL_UNAVAILABLE',
        message: expect.stringContaining('QUIC has no cleartext'),
      })
    })
  })

  describe('reports the attempts of a lane', () => {
    it('from the last dial that has ended, when it failed', async () => {
      const { connect, connector } = setUp({})
      expect([connector.attemptsOf('failed'), connector.attemptsOf('overtaken')]).toEqual([[], []])
      await expect(connect()).rejects.toThrow('nobody is there')
      expect(connector.attemptsOf('failed')).toEqual([ATTEMPT])
    })

    it('from the dial under way, when another lane was faster', async () => {
      const { connect, connector, hang } = setUp({})
      hang()
      void connect()
      await Promise.resolve()
      expect(connector.attemptsOf('overtaken')).toEqual([
        { ...ATTEMPT, outcome: 'overtaken', because: 'first of 1' },
      ])
    })

    it('from the oldest dial that is under way, whichever of several ends before', async () => {
      const { connect, connector, hang } = setUp({})
      hang()
      const stops = [new AbortController(), new AbortController(), new AbortController()]
      const dials = stops.map(({ signal }) => connect(signal).catch(() => {}))
      await Promise.resolve()
      const shown = () =>
        connector.attemptsOf('overtaken').map(({ outcome, because }) => `${outcome}: ${because}`)
      stops[1]!.abort()
      await dials[1]
      expect(shown()).toEqual(['overtaken: first of 1'])
      stops[0]!.abort()
      await dials[0]
      expect(shown(), 'planned when an address had failed the others').toEqual([
        'overtaken: first of 1; failed just now',
      ])
      stops[2]!.abort()
      await dials[2]
      expect(connector.attemptsOf('overtaken'), 'what the last one tried').toEqual([ATTEMPT])
    })

    it('but none of a dial that made no attempt, though another did before', async () => {
      const { connect, connector, resolveTo } = setUp({})
      await expect(connect()).rejects.toThrow('nobody is there')
      resolveTo(new TransportError('MM_DNS_FAILED', 'no such name'))
      await expect(connect()).rejects.toThrow('no such name')
      expect(connector.attemptsOf('failed')).toEqual([])
    })
  })
})
