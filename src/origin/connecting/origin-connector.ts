import { asTransportError, TransportError } from '../../base/errors.ts'
import type {
  AttemptRecord,
  Connection,
  ConnectionListener,
  Connector,
  PathStats,
} from '../../base/events/connection.ts'
import { type Endpoint, formatEndpoint, type Resolution, type Resolver } from '../../base/http/endpoint.ts'
import { type Origin, originUrl } from '../../base/http/origin.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { isOfDeparture } from '../../connect/local/departure.ts'
import { orderAddresses } from '../../connect/tcp/dial-race.ts'
import type { FastOpenWish } from '../../connect/tcp/dial-request.ts'
import { pathOfSocket } from '../../connect/tcp/path-of-socket.ts'
import type { QuicConnection } from '../../quic/engine.ts'
import { type Alternative, alternativeKey } from '../../select/evidence/alternative-sets.ts'
import { offeredProtocols, type PlannedAttempt, plan } from '../../select/plan.ts'
import type { OriginRecord } from '../../select/record/origin-record.ts'
import type { Joined } from '../coalescing/coalescing.ts'
import {
  type CoalescingSeeker,
  type ConnectionPolicy,
  connectionPolicy,
} from '../coalescing/coalescing-decision.ts'
import { untilOver } from '../coalescing/pending-dials.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { allowedOn, type ConnectorConfig, protocolToShare } from './connector-config.ts'
import { connectHttp3 } from './http3-connect.ts'
import { connectTcp } from './tcp-connect.ts'

/** One endpoint of an origin that has several, each with connections of its own. */
export interface ConnectorEndpoint {
  /** Where it is, whatever is asked for. */
  readonly resolver: Resolver
  /** Others of its lane are connected to: its failure says nothing of the origin. */
  readonly hasOthers: () => boolean
  /** The connection is nobody else's: no other origin's is joined. Default false. */
  readonly isPrivate?: boolean
}

/** One dial. */
interface Dial {
  /** Undefined: to the origin, wherever that is. */
  readonly to: ConnectorEndpoint | undefined
  /** What it begins with, once that is known. */
  first: PlannedAttempt | undefined
  /** What it tried, when it has ended; none where it failed before that. */
  attempts: readonly AttemptRecord[]
}

/** What a connection has measured of its way. */
export interface MeasuredPath {
  readonly connection: Connection
  readonly stats: PathStats
}

/**
 * Makes the connections of one lane: resolves, plans, dials, and puts the protocol that was agreed on over
 * the socket.
 */
export class OriginConnector implements Connector {
  readonly #config: ConnectorConfig
  /** Of connections over QUIC. */
  readonly #links = new WeakMap<Connection, { quic: QuicConnection; alternative: string }>()
  /** What reads the figures of a connection's way, at the time of the call. */
  readonly #paths = new WeakMap<Connection, () => PathStats | undefined>()
  /** Of the last dial that has ended. */
  #lastAttempts: readonly AttemptRecord[] = []
  #policy: ConnectionPolicy | undefined
  /** Those that are under way, in order of their start. */
  readonly #dials = new Set<Dial>()

  constructor(config: ConnectorConfig) {
    this.#config = config
    this.#policy = undefined
  }

  /** The same for one endpoint only. */
  at(endpoint: ConnectorEndpoint): Connector {
    return { connect: (listener, signal) => this.connect(listener, signal, endpoint) }
  }

  async connect(
    listener: ConnectionListener,
    signal: AbortSignal,
    to?: ConnectorEndpoint,
  ): Promise<Connection> {
    const { record, clock, purpose } = this.#config
    const dial: Dial = { to, first: undefined, attempts: [] }
    this.#dials.add(dial)
    try {
      return await (purpose === 'h3'
        ? this.#connectHttp3(dial, listener, signal)
        : this.#connectTcp(dial, listener, signal))
    } catch (cause) {
      const error = asTransportError(cause, 'MM_INTERNAL', 'no')
      const isOrigins = purpose !== 'upgrades' && to?.hasOthers() !== true
      if (error.fault === 'remote' && isOrigins) record.onConnectFailed(error, clock.now())
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
      isSecure: origin.scheme === 'https',
      known: record.protocol?.value,
    })
  }

  /**
   * The attempts that a connect made now would consist of, for these addresses. Throws MM_LOCAL_ADDRESS where
   * there is nothing to leave from to any of them.
   */
  plan(resolution: Resolution, port: number = this.#config.origin.port): readonly PlannedAttempt[] {
    const { settings, record, clock, origin, route, locals } = this.#config
    const { attemptDelayMs } = route ?? settings.timeouts
    // What the operator wrote down keeps its order; what a resolver says alternates between the families (RFC
    // 8305 section 4).
    const ordered =
      resolution.source === 'endpoints' ? resolution.addresses : orderAddresses(resolution.addresses)
    const addresses = locals === undefined ? ordered : locals.fitting(origin.host, ordered)
    const attempts = plan({ record, offered: this.offered, addresses, port, attemptDelayMs }, clock.now())
    if (route === undefined && locals === undefined) return attempts
    return attempts.map(attempt => {
      const through = route?.nameOf(attempt.endpoint) ?? locals?.describe(attempt.endpoint)
      return { ...attempt, because: `${through}; ${attempt.because}` }
    })
  }

  /** The alternative that HTTP/3 goes to now; where nothing else is allowed the origin itself is one. */
  alternative(now: number): Alternative | undefined {
    return this.#config.record.http3(now).alternative
  }

  /** Where an alternative is. */
  resolveAlternative(
    alternative: Alternative,
    signal: AbortSignal,
    resolver: Resolver = this.#config.resolver,
  ): Promise<Resolution> {
    const { origin, alternativeResolver, route } = this.#config
    if (route !== undefined) return route.resolveForUdp(signal)
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

  /**
   * How the ways to the origin are, as far as it is measured: by QUIC, and by the kernel where native calls
   * can be made.
   */
  pathsOf(connections: Iterable<Connection>): MeasuredPath[] {
    const paths: MeasuredPath[] = []
    for (const connection of connections) {
      const stats = this.#paths.get(connection)?.()
      if (stats !== undefined) paths.push({ connection, stats })
    }
    return paths
  }

  /** What the connections made here have in common with others that may carry the same requests. */
  get policy(): ConnectionPolicy {
    return (this.#policy ??= this.#readPolicy())
  }

  /** What one connection has measured of its way. */
  pathOf(connection: Connection): PathStats | undefined {
    return this.#paths.get(connection)?.()
  }

  /**
   * Makes ready what the first connection would wait for without a network: its secure context. Throws
   * MM_INVALID_ARGUMENT where the TLS options cannot be used.
   */
  prepare(): void {
    this.#policy ??= this.#readPolicy()
  }

  #readPolicy(): ConnectionPolicy {
    const { purpose, settings, dialer, http3Dialer } = this.#config
    const { tls } = settings
    const trust = purpose === 'h3' ? http3Dialer.trustOf(tls) : dialer.trustOf(tls)
    return connectionPolicy(settings, trust ?? '')
  }

  /** What it looks for among the connections of others. Undefined: it uses none. */
  #seeker(endpoints: readonly Endpoint[] | undefined): CoalescingSeeker | undefined {
    const { purpose, origin, settings, coalescing, clock, route } = this.#config
    const protocol = protocolToShare(purpose, this.offered)
    // Behind a proxy nobody knows where a connection goes, so that no address can say that it goes to both.
    if (protocol === undefined || origin.scheme !== 'https' || route !== undefined) return undefined
    const mayCoalesce = settings.coalesce === 'auto'
    const isAvoided = coalescing.avoidedMs(origin, clock.now()) > 0
    return { origin, protocol, endpoints, policy: this.policy, mayCoalesce, isAvoided }
  }

  /**
   * A connection of another origin that may carry this one's requests as well. `endpoints` undefined: where
   * the origin is is not known yet. Undefined: there is none.
   */
  #join(
    endpoints: readonly Endpoint[] | undefined,
    listener: ConnectionListener,
    dnsMs: number,
    altUsed?: string,
  ): Joined | undefined {
    const { coalescing, clock, onCoalescingMissed, onGuestDismissed } = this.#config
    const seeker = this.#seeker(endpoints)
    if (seeker === undefined) return undefined
    const request = { ...seeker, listener, dnsMs, altUsed, retire: onGuestDismissed }
    const found = coalescing.join(request, clock.now())
    if (found?.kind === 'refused' && endpoints !== undefined) onCoalescingMissed(found)
    if (found?.kind !== 'joined') return undefined
    this.#paths.set(found.guest, found.offer.readPath)
    return found
  }

  /**
   * A dial of another origin that makes a connection for this one as well, in all likelihood: beside it, one
   * of its own would be too many. Undefined: there is none.
   */
  #pendingDial(endpoints: readonly Endpoint[]): Promise<void> | undefined {
    const seeker = this.#seeker(endpoints)
    return seeker && this.#config.coalescing.dials.find(seeker)
  }

  /** Others may wait for what this dial makes. Returns what ends it. */
  #announce(endpoints: readonly Endpoint[]): () => void {
    const { settings, coalescing } = this.#config
    const [endpoint] = endpoints
    const seeker = this.#seeker(endpoints)
    if (seeker === undefined || endpoint === undefined) return () => {}
    const { origin: owner, protocol, policy, mayCoalesce } = seeker
    const { certificateNames: vouchedNames } = settings
    return coalescing.dials.begin({ owner, protocol, endpoint, policy, mayCoalesce, vouchedNames })
  }

  async #connectTcp(dial: Dial, listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { origin, settings, record, resolver, route, locals, dialer, dialTurns } = this.#config
    const { clock, purpose, onEvidence } = this.#config
    const { timeouts } = settings
    const startedAt = clock.now()
    const mayJoin = dial.to?.isPrivate !== true
    const named = mayJoin ? this.#join(undefined, listener, 0) : undefined
    if (named !== undefined) return named.guest
    const resolution = await (dial.to?.resolver ?? resolver).resolve(origin.host, signal)
    const dnsMs = clock.now() - startedAt
    record.onResolved(resolution, clock.now())
    const attempts = this.plan(resolution)
    if (attempts.length === 0) {
      throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `no protocol is left for ${origin.key} over TCP`)
    }
    const endpoints = endpointsOf(attempts)
    const pending = mayJoin ? this.#pendingDial(endpoints) : undefined
    if (pending !== undefined) await untilOver(pending, clock, signal)
    const joined = mayJoin && !signal.aborted ? this.#join(endpoints, listener, dnsMs) : undefined
    if (joined !== undefined) return joined.guest
    const isOver = mayJoin ? this.#announce(endpoints) : undefined
    dial.first = attempts[0]
    const { onFastOpen, wantsEarlyData } = this.#config
    const dialed = await dialTurns
      .run(origin.key, signal, () =>
        dialer.dial(
          {
            origin,
            attempts,
            alpnProtocols: this.offered,
            tls: settings.tls,
            timeouts: route === undefined ? timeouts : { ...timeouts, attemptDelayMs: route.attemptDelayMs },
            tunnels: route,
            departures: locals,
            socket: settings.socket,
            settings: this.#config.socketSettings,
            fastOpen: fastOpenWish(settings, record, clock.now()),
            wantsEarlyData: settings.earlyDataOverTcp ? wantsEarlyData : undefined,
            dnsMs,
            onAttempts: made => this.#onAttempts(dial, made, startedAt + dnsMs),
            onFastOpen,
          },
          signal,
        ),
      )
      .finally(isOver)
    const connection = connectTcp({
      ...this.#config,
      dialed,
      listener,
      // Where it was left no choice it says nothing of what it would speak.
      chosen: purpose === 'tcp' ? dialed.alpnProtocol : undefined,
      onAltSvc: (about, value) => {
        // RFC 7838 4: '' stands for the origin of the connection. What it says of others is for those that
        // coalesce.
        if (about !== '' && about !== originUrl(origin)) return
        record.onAltSvc(value, 'altsvc-frame', 0, clock.now())
        onEvidence('altsvc-frame', value)
      },
    })
    const { tcp } = dialed
    this.#config.onSocket(connection, dialed.socket, tcp)
    this.#paths.set(connection, () => pathOfSocket(tcp))
    return connection
  }

  async #connectHttp3(dial: Dial, listener: ConnectionListener, signal: AbortSignal): Promise<Connection> {
    const { origin, settings, record, locals, route, http3Dialer, dialTurns } = this.#config
    const { clock, wantsEarlyData } = this.#config
    const startedAt = clock.now()
    const { alternative, because } = record.http3ToDial(startedAt, settings.webTransport)
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
      const resolution = await this.resolveAlternative(alternative, signal, dial.to?.resolver)
      const dnsMs = clock.now() - startedAt
      if (alternative.host === origin.host) record.onResolved(resolution, clock.now())
      const attempts = this.plan(resolution, alternative.port)
      const altUsed = isElsewhere(alternative, origin) ? key : undefined
      const mayJoin = dial.to?.isPrivate !== true
      const endpoints = endpointsOf(attempts)
      const pending = mayJoin ? this.#pendingDial(endpoints) : undefined
      if (pending !== undefined) await untilOver(pending, clock, signal)
      const joined = mayJoin && !signal.aborted ? this.#join(endpoints, listener, dnsMs, altUsed) : undefined
      if (joined !== undefined) {
        const { guest, offer } = joined
        if (offer.quic !== undefined) this.#links.set(guest, { quic: offer.quic, alternative: key })
        this.#onHttp3Connected(key)
        return guest
      }
      const isOver = mayJoin ? this.#announce(endpoints) : undefined
      dial.first = attempts[0]
      const dialed = await dialTurns
        .run(origin.key, signal, () =>
          http3Dialer.dial(
            {
              origin,
              alternative,
              attempts,
              settings,
              departures: locals,
              tunnels: route?.tunnelsTo(alternative),
              attemptDelayMs: route?.attemptDelayMs,
              dnsMs,
              onAttempts: made => this.#onAttempts(dial, made, startedAt + dnsMs),
              wantsEarlyData: wantsEarlyData() && status.mayUseEarlyData(clock.now()),
            },
            signal,
          ),
        )
        .finally(isOver)
      const { connection, quic } = connectHttp3({
        ...this.#config,
        dialed,
        listener,
        altUsed,
        onConnected: () => this.#onHttp3Connected(key),
      })
      this.#links.set(connection, { quic, alternative: key })
      this.#paths.set(connection, () => quic.stats())
      return connection
    } catch (cause) {
      const error = asTransportError(cause, 'MM_CONNECT_FAILED', 'no')
      const isOfWay = isOfDeparture(error) || error.code.startsWith('MM_PROXY_')
      const saysNothing = signal.aborted || dial.to?.hasOthers() === true || isOfWay
      if (saysNothing) status.onTrialAbandoned(clock.now())
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

function endpointsOf(attempts: readonly PlannedAttempt[]): readonly Endpoint[] {
  return attempts.map(({ endpoint }) => endpoint)
}

function fastOpenWish({ tfo }: OriginSettings, record: OriginRecord, now: number): FastOpenWish {
  if (tfo === 'off') return { kind: 'off' }
  if (tfo === 'on' || record.fastOpenTaken(now) !== undefined) return { kind: 'wanted' }
  return { kind: 'held', because: 'no probe has seen the origin take data in a SYN' }
}

function isElsewhere({ host, port }: Alternative, origin: Origin): boolean {
  return host !== origin.host || port !== origin.port
}
