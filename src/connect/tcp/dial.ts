import { isIP } from 'node:net'
import type { Clock, Timer } from '../../base/clock.ts'
import { abortError, asTransportError, TransportError, withProcessed } from '../../base/errors.ts'
import type { AttemptRecord } from '../../base/events/connection.ts'
import {
  guarded,
  guardedImmediate,
  guardedListener,
  guardedMicrotask,
  guardedPromise,
} from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { dscpOf } from '../../base/options/socket-options.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { TicketStore } from '../../state/ticket-store.ts'
import { EarlyDialer } from '../early-data/early-dialer.ts'
import { FastOpen } from '../fast-open/fast-open.ts'
import type { FastOpenVerdict } from '../fast-open/fast-open-breakers.ts'
import { type Departures, localFaultOf } from '../local/departure.ts'
import { socketCalls } from '../native/socket-calls.ts'
import { SecureContexts, type SharedContext } from '../tls/secure-contexts.ts'
import { SessionForms } from '../tls/session-facts.ts'
import { AttemptSocket } from './attempt-socket.ts'
import { type AttemptPhase, attemptError, dialError } from './connect-error.ts'
import { type DialAction, DialRace } from './dial-race.ts'
import type { DialRequest, DialResult, Tunnels } from './dial-request.ts'
import { DialResults, protocolOf } from './dial-results.ts'
import { type FailedFastOpen, LiveAttempt } from './live-attempt.ts'
import { PlacedTickets } from './placed-tickets.ts'

interface DialerOptions {
  readonly clock: Clock
  readonly tickets: TicketStore
  /** Gets the lines of an SSLKEYLOGFILE. */
  readonly keylog?: ((line: Buffer) => void) | undefined
  /** Default: what this machine can do. */
  readonly fastOpen?: FastOpen | undefined
  readonly early?: EarlyDialer | undefined
  /** Where connections leave from, and the ports that they take. Default: nobody counts these. */
  readonly departures?: Departures | undefined
}

/**
 * Connects: races the addresses, does the TLS handshake, resumes sessions, saves round trips where it may.
 */
export class Dialer {
  readonly #clock: Clock
  readonly #tickets: TicketStore
  readonly #keylog: ((line: Buffer) => void) | undefined
  readonly #contexts = new SecureContexts()
  readonly fastOpen: FastOpen
  readonly early: EarlyDialer
  readonly #forms = new SessionForms()
  readonly #departures: Departures | undefined
  #hasDialed = false

  constructor(options: DialerOptions) {
    this.#clock = options.clock
    this.#tickets = options.tickets
    this.#keylog = options.keylog
    this.fastOpen = options.fastOpen ?? new FastOpen({ clock: options.clock })
    this.early = options.early ?? new EarlyDialer()
    this.#departures = options.departures
  }

  /**
   * Rejects with a TransportError; after an abort with the signal's reason if that is one, else with
   * MM_ABORTED. Whatever was under way is destroyed before it rejects.
   *
   * Over TLS 1.3 our side of the handshake is complete before the server has looked at our certificate (RFC
   * 8446 section 2): that it demands one, or refuses ours, comes as an error of the socket later.
   */
  dial(request: DialRequest, signal: AbortSignal): Promise<DialResult> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'the connect'))
      request.attempts.forEach(({ endpoint }) => checkEndpoint(endpoint))
      const shared = request.origin.scheme === 'https' ? this.#contexts.get(request.tls) : undefined
      const settings = {
        request,
        shared,
        clock: this.#clock,
        tickets: this.#tickets,
        fastOpen: this.fastOpen,
        early: this.early,
        forms: this.#forms,
        keylog: this.#keylog,
        departures: request.departures ?? this.#departures,
      }
      new RunningDial(settings, { signal, resolve, reject }).start()
      this.#prepare(request)
    })
  }

  /** See trustOf(). Throws MM_INVALID_ARGUMENT when OpenSSL cannot use the options. */
  trustOf(tls: TlsOptions): string {
    return this.#contexts.get(tls).trust
  }

  /**
   * What takes long to load is loaded while the first answer is on its way: 14 ms, and 40 more for early
   * data.
   */
  #prepare({ origin, wantsEarlyData, tls }: DialRequest): void {
    if (!this.#hasDialed) guardedImmediate('loading native calls', socketCalls)
    this.#hasDialed = true
    if (wantsEarlyData === undefined || origin.scheme !== 'https') return
    guardedImmediate('preparing early data', () => this.early.prepare(tls))
  }
}

/** Anything but an IP address would make Node ask a resolver of its own choice. */
function checkEndpoint(endpoint: Endpoint): void {
  if (isIP(endpoint.address) !== endpoint.family || !(endpoint.port >= 1 && endpoint.port <= 65_535)) {
    throw new TransportError('MM_INVALID_ARGUMENT', `not an endpoint: ${formatEndpoint(endpoint)}`)
  }
}

interface DialSettings {
  readonly request: DialRequest
  /** Undefined: cleartext. */
  readonly shared: SharedContext | undefined
  readonly clock: Clock
  readonly tickets: TicketStore
  readonly fastOpen: FastOpen
  readonly early: EarlyDialer
  readonly forms: SessionForms
  readonly keylog: ((line: Buffer) => void) | undefined
  readonly departures: Departures | undefined
}

interface DialCaller {
  readonly signal: AbortSignal
  readonly resolve: (result: DialResult) => void
  readonly reject: (error: TransportError) => void
}

const DURING = 'an event of a dial'
/** Of one attempt: from so many local addresses. */
const MAX_DEPARTURES = 3

/** One dial: a switch over the actions of its race. */
class RunningDial {
  readonly #request: DialRequest
  readonly #shared: SharedContext | undefined
  readonly #clock: Clock
  readonly #tickets: PlacedTickets
  readonly #departures: Departures | undefined
  readonly #fastOpen: FastOpen
  readonly #early: EarlyDialer
  readonly #keylog: ((line: Buffer) => void) | undefined
  readonly #caller: DialCaller
  readonly #race: DialRace
  readonly #live = new Map<number, LiveAttempt>()
  /**
   * Attempts that Fast Open has deferred: where they led, and what it says of Fast Open if they have failed.
   */
  readonly #putOff = new Map<number, { endpoint: string; failure: FailedFastOpen | undefined }>()
  readonly #serverName: string
  readonly #results: DialResults
  #startedAt = 0
  #timer: Timer | undefined

  constructor(settings: DialSettings, caller: DialCaller) {
    const { request, shared } = settings
    this.#request = request
    this.#departures = settings.departures
    this.#shared = shared
    this.#clock = settings.clock
    this.#fastOpen = settings.fastOpen
    this.#early = settings.early
    this.#keylog = settings.keylog
    this.#caller = caller
    const { origin, tls, timeouts } = request
    // A dot at the end makes a name absolute in DNS; it is no part of the name in SNI (RFC 6066 section 3).
    this.#serverName = (tls.serverName ?? origin.host).replace(/\.$/, '')
    this.#tickets = new PlacedTickets({ ...settings, trust: shared?.trust, serverName: this.#serverName })
    this.#results = new DialResults({
      ...settings,
      isSecure: shared !== undefined,
      serverName: this.#serverName,
    })
    this.#race = new DialRace({
      endpoints: request.attempts.map(({ endpoint, because }) => ({
        endpoint: describe(request, endpoint),
        because,
      })),
      isSecure: shared !== undefined,
      // Who opens a tunnel has a deadline of its own, and says of the proxy what it did not do.
      connectMs: request.tunnels === undefined ? timeouts.connectMs : 0,
      tlsMs: timeouts.tlsMs,
      fastOpenMs: timeouts.fastOpenMs,
      attemptDelayMs: timeouts.attemptDelayMs,
    })
  }

  start(): void {
    this.#startedAt = this.#clock.now()
    this.#caller.signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#run(this.#race.onStart(this.#startedAt))
  }

  /** Something of ours has thrown, and was reported: the dial ends, with all of its attempts. */
  readonly #onFault = (error: TransportError): void => {
    this.#caller.reject(withProcessed(error, 'no'))
    for (const attempt of this.#live.keys()) guarded(DURING, () => this.#drop(attempt))
    this.#settle()
  }

  readonly #onAbort = guardedListener(
    DURING,
    () => {
      this.#run(this.#race.onAbort())
      this.#settle()
      this.#caller.reject(abortError(this.#caller.signal, 'the connect'))
    },
    this.#onFault,
  )

  readonly #onTimer = guardedListener(
    DURING,
    () => {
      this.#timer = undefined
      const now = this.#clock.now()
      const offeredTicket = [...this.#live.values()].some(live => live.hasOfferedTicket)
      this.#run(this.#race.onTimer(now, offeredTicket))
    },
    this.#onFault,
  )

  #run(actions: readonly DialAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case 'startAttempt':
          this.#startAttempt(action)
          break
        case 'cancelAttempt':
          this.#drop(action.attempt)
          break
        case 'purgeTickets':
          this.#tickets.purge()
          break
        case 'setTimer':
          this.#timer?.cancel()
          this.#timer = this.#clock.setTimer(action.delayMs, this.#onTimer)
          break
        case 'clearTimer':
          this.#timer?.cancel()
          this.#timer = undefined
          break
        case 'done':
          this.#finish(action.attempt)
          break
        case 'fail':
          this.#settle()
          this.#caller.reject(dialError(this.#request.origin.key, this.#race.failures))
          break
      }
    }
  }

  #startAttempt(
    action: Extract<DialAction, { type: 'startAttempt' }>,
    departuresLeft: number = MAX_DEPARTURES,
  ): void {
    const { attempt, mayResume, mayFastOpen } = action
    const planned = this.#request.attempts[action.endpoint]
    if (planned === undefined) return
    const { tls, alpnProtocols, socket, settings } = this.#request
    const { endpoint } = planned
    const isShared = this.#request.tunnels?.isShared(endpoint) === true
    const departure = isShared ? undefined : this.#departures?.leave(endpoint)
    if (departure instanceof TransportError) return this.#refuse(attempt, endpoint, departure)
    const tickets = this.#tickets.of(departure?.place)
    const ticket = mayResume ? tickets.take() : undefined
    const fastOpen = this.#fastOpenVerdict(endpoint, mayFastOpen)
    const early = this.#early.facts(this.#request, ticket)
    const live = new LiveAttempt({ endpoint, ticket, fastOpen, early, tickets, departure })
    this.#live.set(attempt, live)
    const secure = {
      serverName: this.#serverName,
      alpnProtocols,
      rejectUnauthorized: tls.rejectUnauthorized ?? true,
      session: ticket && tickets.forNode(ticket, nodesName(this.#serverName, endpoint)),
      keylog: this.#keylog,
    }
    const leaveAgain = (): boolean => {
      if (departuresLeft <= 1) return false
      this.#drop(attempt)
      this.#startAttempt(action, departuresLeft - 1)
      return true
    }
    const open = (tunnel?: StreamSocket): void => {
      live.attemptSocket = new AttemptSocket(
        {
          endpoint,
          keepAliveDelayMs: socket.keepAliveDelayMs,
          settings,
          fastOpen: fastOpen?.use === true ? this.#fastOpen.calls : undefined,
          local: departure?.local,
          dscp: dscpOf(socket.dscp ?? 0),
          secure:
            this.#shared && (early === undefined ? { ...secure, context: this.#shared.context } : 'later'),
          tunnel,
        },
        {
          onConnected: () => this.#onConnected(attempt, false),
          onDeferred: () => this.#onConnected(attempt, true),
          onSecured: () => this.#onSecured(attempt),
          onFailed: error => this.#onSocketFailed(attempt, error, leaveAgain),
        },
      )
    }
    const { tunnels } = this.#request
    if (tunnels === undefined) open()
    else guardedPromise('opening a tunnel', this.#openTunnel(attempt, live, tunnels, open))
  }

  async #openTunnel(
    attempt: number,
    live: LiveAttempt,
    tunnels: Tunnels,
    open: (tunnel: StreamSocket) => void,
  ): Promise<void> {
    try {
      const tunnel = await tunnels.open(live.endpoint, live.startOpening())
      if (this.#live.get(attempt) === live) open(tunnel)
      else tunnel.destroy()
    } catch (error) {
      this.#onFailed(attempt, error)
    }
  }

  /** It cannot leave: the race is notified when it knows of the attempt. */
  #refuse(attempt: number, endpoint: Endpoint, error: TransportError): void {
    const nothing = { ticket: undefined, fastOpen: undefined, early: undefined, departure: undefined }
    const tickets = this.#tickets.of(undefined)
    this.#live.set(attempt, new LiveAttempt({ ...nothing, endpoint, tickets }))
    guardedMicrotask(DURING, () => this.#onFailed(attempt, error))
  }

  /**
   * Undefined: nobody asked for it. What goes with a SYN may arrive twice, which TLS sees to and cleartext
   * would not.
   */
  #fastOpenVerdict({ address }: Endpoint, mayFastOpen: boolean): FastOpenVerdict | undefined {
    const { fastOpen = { kind: 'off' } } = this.#request
    if (fastOpen.kind === 'off' || this.#shared === undefined) return undefined
    if (this.#request.tunnels !== undefined)
      return { use: false, because: 'the SYN goes to a proxy, and the first flight to the origin' }
    if (fastOpen.kind === 'held') return { use: false, because: fastOpen.because }
    return mayFastOpen ? this.#fastOpen.verdict(address) : { use: false, because: 'it has failed there' }
  }

  #onConnected(attempt: number, isPutOff: boolean): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    const now = this.#clock.now()
    live.departure?.onConnected()
    live.onHandshakeBegun(now, isPutOff)
    if (isPutOff) this.#putOff.set(attempt, { endpoint: formatEndpoint(live.endpoint), failure: 'stuck' })
    if (live.early !== undefined) this.#run(this.#race.onUsable(attempt))
    else if (isPutOff) this.#run(this.#race.onDeferred(attempt, now))
    else this.#run(this.#race.onConnected(attempt, now))
  }

  #onSecured(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    const { alpn } = live.attemptSocket.negotiated()
    if (protocolOf(alpn, this.#request.alpnProtocols) === undefined) {
      const endpoint = describe(this.#request, live.endpoint)
      const offered = this.#request.alpnProtocols.join(', ')
      const message = `${endpoint} chose ${alpn ?? 'no protocol'} by ALPN; offered were ${offered}`
      this.#fail(attempt, live, new TransportError('MM_ALPN_MISMATCH', message))
      return
    }
    this.#run(this.#race.onSecured(attempt))
  }

  /** `leaveAgain`: the same attempt from elsewhere, where that is possible. */
  #onSocketFailed(attempt: number, cause: unknown, leaveAgain: () => boolean): void {
    const live = this.#live.get(attempt)
    const fault = live?.handshakeAt === undefined ? localFaultOf(cause) : undefined
    const failed = fault && live?.departure?.onFailed(fault)
    if (failed?.mayLeaveAgain === true && leaveAgain()) return
    this.#onFailed(attempt, failed?.error ?? cause)
  }

  #onFailed(attempt: number, cause: unknown): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    const phase = phaseOf(live, cause)
    this.#fail(
      attempt,
      live,
      attemptError(cause, phase, describe(this.#request, live.endpoint), this.#serverName),
    )
  }

  #fail(attempt: number, live: LiveAttempt, error: TransportError): void {
    const putOff = this.#putOff.get(attempt)
    if (putOff !== undefined) putOff.failure = live.onPutOffFailed(error.cause)
    const { hasOfferedTicket } = live
    this.#drop(attempt)
    this.#run(this.#race.onFailed(attempt, error, hasOfferedTicket, this.#clock.now()))
  }

  /** Destroys an attempt's socket and saves the ticket if it never went out. */
  #drop(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    this.#live.delete(attempt)
    // It is known neither to work nor to fail: another one may try it.
    if (live.usesFastOpen) this.#fastOpen.onOutcome(live.endpoint.address, 'no-cookie')
    live.destroy()
    const { ticket } = live
    if (ticket !== undefined && !live.hasOfferedTicket) live.tickets.giveBack(ticket)
  }

  #finish(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    this.#live.delete(attempt)
    const history = {
      startedAt: this.#startedAt,
      settle: (spoken: Protocol) => this.#settle(spoken),
      failedFastOpen: this.#failedFastOpen(),
    }
    const { resolve, reject } = this.#caller
    if (live.early === undefined || live.ticket === undefined) {
      resolve(this.#results.secured(live, history))
      return
    }
    try {
      resolve(this.#results.early(live, live.ticket, history))
    } catch (cause) {
      live.attemptSocket.destroy()
      this.#settle()
      reject(asTransportError(cause, 'MM_INTERNAL', 'no'))
    }
  }

  /** Endpoints at which Fast Open has failed. Another port of the address has its own answer. */
  #failedFastOpen(): ReadonlyMap<string, FailedFastOpen> {
    const failures = new Map<string, FailedFastOpen>()
    for (const { attempt, outcome } of this.#race.records) {
      const putOff = outcome === 'failed' ? this.#putOff.get(attempt) : undefined
      if (putOff?.failure !== undefined) failures.set(putOff.endpoint, putOff.failure)
    }
    return failures
  }

  /** The end, however it came: nothing of the dial stays behind. */
  #settle(spoken?: Protocol): readonly AttemptRecord[] {
    this.#caller.signal.removeEventListener('abort', this.#onAbort)
    this.#timer?.cancel()
    this.#timer = undefined
    const attempts = this.#race.records.map(({ endpoint, startedAt, outcome, because, error }) => {
      const planned = this.#request.attempts[endpoint]
      const record: AttemptRecord = {
        protocol:
          (outcome === 'connected' ? spoken : undefined) ?? this.#request.alpnProtocols[0] ?? 'http/1.1',
        endpoint: planned === undefined ? '' : formatEndpoint(planned.endpoint),
        startedAtMs: startedAt - this.#startedAt,
        outcome,
        because,
      }
      if (error !== undefined) record.error = error.message
      return record
    })
    this.#request.onAttempts?.(attempts)
    return attempts
  }
}

/** Who does not answer, or answers something else than was hoped for. */
function describe({ tunnels }: DialRequest, endpoint: Endpoint): string {
  return tunnels === undefined ? formatEndpoint(endpoint) : tunnels.describe(endpoint)
}

/** What node:tls takes the connection to be for: see AttemptSocket. */
function nodesName(serverName: string, { address }: Endpoint): string {
  return isIP(serverName) === 0 ? serverName : address
}

/** Fast Open moves the errors of connect(2) to the first read or write. */
function phaseOf(live: LiveAttempt, cause: unknown): AttemptPhase {
  if (live.handshakeAt === undefined) return 'connect'
  const isOfSystem = cause instanceof Error && 'syscall' in cause
  return live.isPutOff && isOfSystem && live.attemptSocket.bytesRead === 0 ? 'connect' : 'tls'
}
