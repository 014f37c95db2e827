import type { Clock } from '../clock.ts'
import type { AttemptRecord, Connection, ConnectionListener, Connector } from '../connection.ts'
import { formatEndpoint, type Resolution, type Resolver } from '../endpoint.ts'
import { asTransportError, TransportError } from '../errors.ts'
import type { LaneName } from '../lane.ts'
import type { Origin } from '../origin.ts'
import type { Protocol } from '../protocol.ts'
import type { QuicConnection, QuicStats } from '../quic/engine.ts'
import { offeredProtocols } from '../select/offered-protocols.ts'
import { type PlannedAttempt, plan } from '../select/plan.ts'
import { type Alternative, alternativeKey } from '../select/record/alternative.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'
import { orderAddresses } from '../tcp/address-order.ts'
import type { Dialer } from '../tcp/dial.ts'
import type { AlternativeResolver } from './alternative-resolver.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import { connectHttp3 } from './http3-connect.ts'
import type { Http3Dialer } from './http3-dialer.ts'
import { makeConnection } from './make-connection.ts'
import type { OriginSettings } from './origin-settings.ts'

/** Who hears of what happens on the connections, and is asked. */
export interface ConnectorHooks {
  /** A limit towards the origin took effect. */
  readonly onDefence: (limit: string) => void
  /** A request waits that may leave in early data. */
  readonly wantsEarlyData: () => boolean
  /** What became of it. `connection.handshake` has been corrected. */
  readonly onEarlyData: (connection: Connection, outcome: 'accepted' | 'rejected') => void
  /** A dial has ended, however it ended. Times in it count from `atMs`, on the clock. */
  readonly onAttempts: (attempts: readonly AttemptRecord[], atMs: number) => void
  /** Something was learned that may change the choice: an advertisement, how HTTP/3 fares. */
  readonly onEvidence: (source?: string, fact?: string) => void
}

/** What a connector works with; all but the first are the same for every lane of an origin. */
export interface ConnectorConfig extends ConnectorHooks {
  /** What it makes connections for. `upgrades`: HTTP/1.1 only, beside the lanes. */
  readonly purpose: LaneName | 'upgrades'
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly record: OriginRecord
  readonly resolver: Resolver
  readonly alternativeResolver: AlternativeResolver
  readonly dialer: Dialer
  readonly http3Dialer: Http3Dialer
  readonly clock: Clock
}

/** One dial. */
interface Dial {
  /** What it begins with, once that is known. */
  first: PlannedAttempt | undefined
  /** What it tried, when it has ended; none where it failed before that. */
  attempts: readonly AttemptRecord[]
}

/** Makes the connections of one lane: resolves, plans, dials, and puts the protocol that was agreed on over the socket. */
export class OriginConnector implements Connector {
  readonly #config: ConnectorConfig
  /** Of connections over QUIC. */
  readonly #links = new WeakMap<Connection, { quic: QuicConnection; alternative: string }>()
  /** Of the last dial that has ended. */
  #lastAttempts: readonly AttemptRecord[] = []
  /** Those that are under way, in order of their start. */
  readonly #dials = new Set<Dial>()

  constructor(config: ConnectorConfig) {
    this.#config = config
  }

  async connect(listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { record, clock, purpose } = this.#config
    const dial: Dial = { first: undefined, attempts: [] }
    this.#dials.add(dial)
    try {
      return await (purpose === 'h3'
        ? this.#connectHttp3(dial, listener, signal)
        : this.#connectTcp(dial, listener, signal))
    } catch (cause) {
      const error = asTransportError(cause, 'MM_INTERNAL', 'no')
      if (error.fault === 'remote' && purpose !== 'upgrades') record.onConnectFailed(error, clock.now())
      throw error
    } finally {
      this.#dials.delete(dial)
      this.#lastAttempts = dial.attempts
    }
  }

  /** What is offered over TCP, best first; `h3` for its own lane. */
  get offered(): readonly Protocol[] {
    const { purpose, settings, origin, record } = this.#config
    if (purpose === 'h3') return ['h3']
    return offeredProtocols({
      allowed: allowedOn(purpose, settings.protocols),
      built: BUILT_PROTOCOLS,
      isSecure: origin.scheme === 'https',
      known: record.protocol?.value,
    })
  }

  /** The attempts that a connect made now would consist of, for these addresses. */
  plan(resolution: Resolution, port: number = this.#config.origin.port): readonly PlannedAttempt[] {
    const { settings, record, clock } = this.#config
    const { attemptDelayMs } = settings.timeouts
    // What the operator wrote down keeps its order; what a resolver says alternates between the families (RFC 8305 section 4).
    const addresses =
      resolution.source === 'endpoints' ? resolution.addresses : orderAddresses(resolution.addresses)
    return plan({ record, offered: this.offered, addresses, port, attemptDelayMs }, clock.now())
  }

  /** The alternative that HTTP/3 goes to now; where nothing else is allowed the origin itself is one. */
  alternative(now: number): Alternative | undefined {
    return this.#config.record.http3(now).alternative
  }

  /** Where an alternative is. */
  resolveAlternative(alternative: Alternative, signal: AbortSignal): Promise<Resolution> {
    const { origin, resolver, alternativeResolver } = this.#config
    return alternativeResolver.resolve({ origin, resolver, alternative }, signal)
  }

  /** What the last dial tried; `overtaken`: it is still under way, or was given up for another lane. */
  attemptsOf(outcome: 'failed' | 'overtaken'): readonly AttemptRecord[] {
    if (outcome === 'failed') return this.#lastAttempts
    const [pending] = Array.from(this.#dials, ({ first }) => first).filter(first => first !== undefined)
    if (pending === undefined) return this.#lastAttempts
    const { protocol, endpoint, because } = pending
    return [{ protocol, endpoint: formatEndpoint(endpoint), startedAtMs: 0, outcome, because }]
  }

  /** What carries an HTTP/3 connection, and where it leads. */
  linkOf(
    connection: Connection,
  ): { readonly quic: QuicConnection; readonly alternative: string } | undefined {
    return this.#links.get(connection)
  }

  /** How the ways to the origin are, as far as the protocol measures it. */
  pathsOf(connections: Iterable<Connection>): QuicStats[] {
    const paths: QuicStats[] = []
    for (const connection of connections) {
      const link = this.#links.get(connection)
      if (link !== undefined) paths.push(link.quic.stats())
    }
    return paths
  }

  async #connectTcp(dial: Dial, listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { origin, settings, record, resolver, dialer, clock, purpose, onDefence, onEvidence } = this.#config
    const startedAt = clock.now()
    const resolution = await resolver.resolve(origin.host, signal)
    const dnsMs = clock.now() - startedAt
    record.onResolved(resolution, clock.now())
    const { offered } = this
    const attempts = this.plan(resolution)
    if (attempts.length === 0) {
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `no protocol is left for ${origin.key} over TCP`)
    }
    dial.first = attempts[0]
    const dialed = await dialer.dial(
      {
        origin,
        attempts,
        alpnProtocols: offered,
        tls: settings.tls,
        timeouts: settings.timeouts,
        socket: settings.socket,
        dnsMs,
        onAttempts: made => this.#onAttempts(dial, made, startedAt + dnsMs),
      },
      signal,
    )
    const { alpnProtocol, endpoint, handshake, offeredTicket } = dialed
    // Where it was left no choice it says nothing of what it would speak.
    const protocol = purpose === 'tcp' ? alpnProtocol : undefined
    record.onConnected(
      { protocol, endpoint: formatEndpoint(endpoint), handshake, offeredTicket },
      clock.now(),
    )
    dialed.socket.unref() // see ProcessHold
    return makeConnection(alpnProtocol, {
      socket: dialed.socket,
      port: dialed.readPort,
      endpoint,
      handshake,
      listener,
      settings,
      clock,
      knownStreams: record.capacity?.value,
      onAltSvc: (about, value) => {
        // RFC 7838 4: '' stands for the origin of the connection. What it says of others is for those that coalesce.
        if (about !== '' && about !== origin.key) return
        record.onAltSvc(value, 'altsvc-frame', 0, clock.now())
        onEvidence('altsvc-frame', value)
      },
      onDefence,
    })
  }

  async #connectHttp3(dial: Dial, listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { origin, settings, record, http3Dialer, clock, wantsEarlyData } = this.#config
    const startedAt = clock.now()
    const { alternative, because } = record.http3(startedAt)
    if (origin.scheme !== 'https') {
      const message = `no protocol is left for ${origin.key}: QUIC has no cleartext, HTTP/3 needs an https origin`
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', message)
    }
    if (alternative === undefined) {
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `no HTTP/3 for ${origin.key}: ${because}`)
    }
    const key = alternativeKey(alternative)
    const status = record.http3Status(key)
    if (status.mayTry(startedAt)) status.onTrialStarted(startedAt)
    try {
      const resolution = await this.resolveAlternative(alternative, signal)
      const dnsMs = clock.now() - startedAt
      if (alternative.host === origin.host) record.onResolved(resolution, clock.now())
      const attempts = this.plan(resolution, alternative.port)
      dial.first = attempts[0]
      const dialed = await http3Dialer.dial(
        {
          origin,
          alternative,
          attempts,
          settings,
          dnsMs,
          onAttempts: made => this.#onAttempts(dial, made, startedAt + dnsMs),
          wantsEarlyData: wantsEarlyData() && status.mayUseEarlyData(clock.now()),
        },
        signal,
      )
      const { connection, quic } = connectHttp3({
        ...this.#config,
        dialed,
        listener,
        altUsed: isElsewhere(alternative, origin) ? key : undefined,
        onConnected: () => this.#onHttp3Connected(key),
      })
      this.#links.set(connection, { quic, alternative: key })
      return connection
    } catch (cause) {
      const error = asTransportError(cause, 'MM_CONNECT_FAILED', 'no')
      if (signal.aborted) status.onTrialAbandoned(clock.now())
      else if (error.fault === 'remote') {
        status.onHttp3Failed(error.message, clock.now())
        this.#config.onEvidence()
      }
      throw error
    }
  }

  #onHttp3Connected(alternative: string): void {
    const { record, clock, onEvidence } = this.#config
    record.http3Status(alternative).onHttp3Connected(clock.now())
    onEvidence()
  }

  #onAttempts(dial: Dial, made: readonly AttemptRecord[], atMs: number): void {
    const { record, clock, onAttempts } = this.#config
    dial.attempts = made
    record.onAttempts(made, clock.now())
    onAttempts(made, atMs)
  }
}

function allowedOn(purpose: ConnectorConfig['purpose'], allowed: readonly Protocol[]): readonly Protocol[] {
  if (purpose === 'upgrades' || purpose === 'http/1.1') return ['http/1.1']
  if (purpose === 'h2-spread') return ['h2']
  return allowed
}

function isElsewhere({ host, port }: Alternative, origin: Origin): boolean {
  return host !== origin.host || port !== origin.port
}
