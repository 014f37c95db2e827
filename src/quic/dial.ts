import { isIP } from 'node:net'
import { type Clock, DeadlineTimer, NEVER } from '../base/clock.ts'
import { abortError, TransportError } from '../base/errors.ts'
import { guardedListener, guardedMicrotask, guardedPromise } from '../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../base/http/endpoint.ts'
import type { TimeoutOptions, TlsOptions } from '../base/options/options.ts'
import type { QuicOptions } from '../base/options/protocol-options.ts'
import type { DatagramTunnel } from '../base/socket/datagram-tunnel.ts'
import { type Departure, type Departures, localFaultOf } from '../connect/local/departure.ts'
import { openClientLink, openTunneledLink, type TunneledLinkOptions } from './client-link.ts'
import { handshakeFailure, quicDialError, socketFailure } from './dial-error.ts'
import type { DrivenEngine } from './driven-connection.ts'
import type { QuicHandshake, QuicLink } from './engine.ts'
import type { UdpLink } from './udp/udp-link.ts'

/** Where connections go through proxies, which stand at the endpoints of the attempts. */
export interface DatagramTunnels {
  /** A tunnel through the proxy there. Rejects with a TransportError; nothing of it stays open then. */
  open(endpoint: Endpoint, signal: AbortSignal): Promise<DatagramTunnel>
  /** The proxy there, for messages. */
  nameOf(endpoint: Endpoint): string
}

/** What to connect to over QUIC, and how. */
export interface QuicDialRequest {
  /** For messages: who is wanted. */
  readonly origin: string
  /** In the order in which they are tried, each with the reason for its place. A plan's attempts fit. */
  readonly attempts: readonly { readonly endpoint: Endpoint; readonly because: string }[]
  readonly serverName: string
  /** Read once per object, like `quic`: new settings need new objects. */
  readonly tls: TlsOptions
  readonly quic: QuicOptions
  readonly timeouts: Pick<TimeoutOptions, 'connectMs' | 'attemptDelayMs'>
  readonly protocols: readonly string[]
  readonly ticket?: Buffer | undefined
  /** Where it came to: it is shown from there only. */
  readonly ticketPlace?: string | undefined
  /** Where connections leave from, and the ports that they take. Default: nobody counts these. */
  readonly departures?: Departures | undefined
  /** What connections go through. They take no port of this machine. Default: nothing. */
  readonly tunnels?: DatagramTunnels | undefined
  /** What datagrams are marked with (RFC 2474). 0: nothing. */
  readonly dscp?: number | undefined
  /** Resolve as soon as streams can be written (RFC 9001 4.6). Only with a ticket that allows it. */
  readonly earlyData?: boolean
  readonly allowsSecondPath?: boolean
  readonly takesServerStreams?: boolean
  readonly keylog?: ((line: Buffer) => void) | undefined
  /** Is notified of every attempt when the dial has ended, however it ended, in order of their start. */
  readonly onAttempts?: (attempts: readonly QuicAttemptRecord[]) => void
}

/** One attempt, as AttemptRecord has it but for the protocol. */
export interface QuicAttemptRecord {
  readonly endpoint: string
  readonly startedAtMs: number
  readonly outcome: 'connected' | 'failed' | 'cancelled'
  readonly because: string
  readonly error?: string
}

export interface QuicDialResult {
  /** Without an owner: set it at once. It gets all events, those of the handshake too. */
  readonly link: QuicLink
  readonly endpoint: Endpoint
  /** Where it left from: see Departure. */
  readonly place?: string | undefined
  /** Undefined: the link is in early data. `established`, or `ended`, follows later, within `connectMs`. */
  readonly handshake: QuicHandshake | undefined
  /** The attempt had the ticket; `handshake.isResumed` says whether the server took it. */
  readonly offeredTicket: boolean
  readonly attempts: readonly QuicAttemptRecord[]
  /** From the start of the winner's attempt until now. QUIC does not part connecting from TLS. */
  readonly handshakeMs: number
}

/**
 * Connects over QUIC: races the addresses as RFC 8305 does (the next one when `attemptDelayMs` have passed or
 * one has failed), keeps the first whose handshake is complete and closes the others.
 *
 * Rejects with a TransportError; after an abort with the signal's reason if that is one, else with
 * MM_ABORTED. Nothing is left behind. That a server does not like our client certificate, or the lack of one,
 * comes as the end of the link later (RFC 8446 section 2).
 */
export function dialQuic(
  engine: DrivenEngine,
  request: QuicDialRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<QuicDialResult> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal, 'the connect'))
    for (const { endpoint } of request.attempts) checkEndpoint(endpoint)
    new RunningQuicDial(engine, request, clock, { signal, resolve, reject }).start()
  })
}

interface DialEnd {
  readonly signal: AbortSignal
  readonly resolve: (result: QuicDialResult) => void
  readonly reject: (error: TransportError) => void
}

interface Attempt {
  readonly endpoint: Endpoint
  readonly because: string
  readonly startedAt: number
  readonly deadline: number
  readonly departure: Departure | undefined
  readonly ticket: Buffer | undefined
  link: UdpLink | undefined
  /** Of its tunnel, while that is being opened. */
  readonly tunnelWish: AbortController | undefined
  outcome: QuicAttemptRecord['outcome'] | 'running'
  error: TransportError | undefined
}

const DURING = 'an event of a QUIC dial'
/** Of one endpoint: from so many local addresses. */
const MAX_DEPARTURES = 3

/** The server answered, and the answer was no: its other addresses are the same server. */
const VERDICTS: ReadonlySet<string> = new Set([
  'MM_TLS_CERTIFICATE',
  'MM_ALPN_MISMATCH',
  'MM_QUIC_VERSION',
  'MM_INVALID_ARGUMENT',
])

/**
 * One dial under way. When an attempt fails:
 * 1. It had offered a ticket, and the failure is one of TLS but no verdict about the server: the ticket may
 *    be what the server choked on, and the same endpoint is tried once more without one.
 * 2. It is a verdict, or one of TLS without a ticket: the dial fails.
 * 3. Else the next endpoint is tried at once; the dial fails when none is left.
 * What cannot leave from one local address is tried from the next one, of three at the most.
 * Early data goes with the first attempt only, since a ticket is good for it once.
 */
class RunningQuicDial {
  readonly #engine: DrivenEngine
  readonly #request: QuicDialRequest
  readonly #clock: Clock
  readonly #end: DialEnd
  readonly #timer: DeadlineTimer
  readonly #attempts: Attempt[] = []
  #nextEndpoint = 0
  #nextStartAt = NEVER
  #mayResume = true
  #isOver = false
  readonly #onFault = (error: TransportError): void => {
    this.#end.reject(error)
    if (!this.#isOver) this.#finish()
  }
  readonly #onAbort = guardedListener(
    DURING,
    () => this.#fail(abortError(this.#end.signal, 'the connect')),
    this.#onFault,
  )

  constructor(engine: DrivenEngine, request: QuicDialRequest, clock: Clock, end: DialEnd) {
    this.#engine = engine
    this.#request = request
    this.#clock = clock
    this.#end = end
    this.#timer = new DeadlineTimer(
      clock,
      guardedListener(DURING, () => this.#onDue(), this.#onFault),
    )
  }

  start(): void {
    this.#end.signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#startNext()
  }

  #startNext(): void {
    const next = this.#request.attempts[this.#nextEndpoint]
    if (next === undefined) {
      this.#nextStartAt = NEVER
      if (this.#running().length === 0) this.#failWithAll()
      else this.#armTimer()
      return
    }
    this.#nextEndpoint += 1
    this.#start(next.endpoint, next.because)
  }

  #start(endpoint: Endpoint, because: string, departuresLeft: number = MAX_DEPARTURES): void {
    const { timeouts, attempts, ticket, ticketPlace, earlyData, departures, tunnels } = this.#request
    const now = this.#clock.now()
    const left = tunnels === undefined ? departures?.leave(endpoint) : undefined
    const departure = left instanceof TransportError ? undefined : left
    const attempt: Attempt = {
      endpoint,
      because,
      startedAt: now,
      deadline: timeouts.connectMs === 0 ? NEVER : now + timeouts.connectMs,
      departure,
      ticket:
        this.#mayResume && (tunnels !== undefined || departure?.place === ticketPlace) ? ticket : undefined,
      link: undefined,
      tunnelWish: tunnels && new AbortController(),
      outcome: 'running',
      error: undefined,
    }
    const isFirst = this.#attempts.length === 0
    this.#attempts.push(attempt)
    this.#nextStartAt = this.#nextEndpoint < attempts.length ? now + timeouts.attemptDelayMs : NEVER
    this.#armTimer()
    if (left instanceof TransportError) return guardedMicrotask(DURING, () => this.#onFailed(attempt, left))
    const isEarly = isFirst && earlyData === true
    guardedPromise('an attempt of a dial', this.#open(attempt, isEarly, departuresLeft - 1))
  }

  async #open(attempt: Attempt, earlyData: boolean, departuresLeft: number): Promise<void> {
    const { endpoint, departure, ticket } = attempt
    const remote = { host: endpoint.address, port: endpoint.port }
    try {
      const options = { ...this.#request, ticket, earlyData, remote, clock: this.#clock }
      const link =
        attempt.tunnelWish === undefined
          ? await openClientLink(this.#engine, {
              ...options,
              choice: { ...departure?.local, dscp: this.#request.dscp },
              onOver: () => departure?.port.release(),
            })
          : await this.#openThrough(attempt.tunnelWish.signal, endpoint, options)
      attempt.link = link
      if (attempt.outcome !== 'running') return link.abandon()
      link.owner = { onTurn: () => this.#look(attempt, link), onClosed: () => this.#look(attempt, link) }
      this.#look(attempt, link)
    } catch (error) {
      departure?.port.release()
      const fault = localFaultOf(error)
      const failed = fault && departure?.onFailed(fault)
      const isAgain = failed?.mayLeaveAgain === true && departuresLeft > 0
      this.#onFailed(
        attempt,
        failed?.error ?? socketFailure(error, formatEndpoint(endpoint)),
        isAgain ? departuresLeft : undefined,
      )
    }
  }

  async #openThrough(
    signal: AbortSignal,
    endpoint: Endpoint,
    options: Omit<TunneledLinkOptions, 'tunnel' | 'proxyName'>,
  ): Promise<UdpLink> {
    const { tunnels } = this.#request
    if (tunnels === undefined) throw new TransportError('MM_INTERNAL', 'an attempt without its tunnel')
    const tunnel = await tunnels.open(endpoint, signal)
    try {
      const proxyName = tunnels.nameOf(endpoint)
      return openTunneledLink(this.#engine, { ...options, tunnel, proxyName })
    } catch (error) {
      tunnel.close()
      throw error
    }
  }

  /** Takes no events: they are for the owner to come. */
  #look(attempt: Attempt, link: UdpLink): void {
    if (attempt.outcome !== 'running') return
    const { end, handshake, isInEarlyData } = link.connection
    if (end !== undefined) {
      const name = formatEndpoint(attempt.endpoint)
      const error =
        link.socketError === undefined
          ? handshakeFailure(end, name, this.#request.serverName)
          : socketFailure(link.socketError, name)
      this.#onFailed(attempt, error)
    } else if (handshake !== undefined || isInEarlyData) {
      this.#win(attempt, link)
    }
  }

  /** `departuresLeft`: it may be tried from other local addresses. */
  #onFailed(attempt: Attempt, error: TransportError, departuresLeft?: number): void {
    if (attempt.outcome !== 'running' || this.#isOver) return
    attempt.outcome = 'failed'
    attempt.error = error
    // A peer that gave a reason gets ours; it is driven to its end by itself.
    if (attempt.link !== undefined) attempt.link.owner = undefined
    const isTls = error.code === 'MM_TLS_FAILED'
    if (departuresLeft !== undefined) {
      this.#start(attempt.endpoint, 'once more from another local address', departuresLeft)
    } else if (isTls && attempt.ticket !== undefined && this.#mayResume) {
      this.#mayResume = false
      this.#start(attempt.endpoint, 'once more without the ticket') // 1
    } else if (isTls || VERDICTS.has(error.code)) {
      this.#failWithAll() // 2
    } else {
      this.#startNext() // 3
    }
  }

  #onDue(): void {
    const now = this.#clock.now()
    for (const attempt of this.#running()) {
      if (attempt.deadline > now) continue
      this.#onFailed(attempt, this.#timeoutOf(attempt))
      // After it is settled, since the link reports its end.
      giveUp(attempt)
      if (this.#isOver) return
    }
    if (this.#nextStartAt <= now) this.#startNext()
    this.#armTimer()
  }

  #timeoutOf({ endpoint, link, tunnelWish }: Attempt): TransportError {
    const within = `within ${this.#request.timeouts.connectMs} ms`
    if (tunnelWish === undefined || link !== undefined) {
      const what = `did not complete the handshake ${within}`
      return new TransportError('MM_CONNECT_TIMEOUT', `${formatEndpoint(endpoint)} ${what}`)
    }
    // It says nothing of the origin.
    const name = this.#request.tunnels?.nameOf(endpoint)
    return new TransportError('MM_PROXY_TIMEOUT', `${name} opened no tunnel for datagrams ${within}`)
  }

  #armTimer(): void {
    if (!this.#isOver) {
      this.#timer.cover(Math.min(this.#nextStartAt, ...this.#running().map(({ deadline }) => deadline)))
    }
  }

  #win(attempt: Attempt, link: UdpLink): void {
    attempt.outcome = 'connected'
    attempt.departure?.onConnected()
    link.owner = undefined
    this.#finish()
    if (link.connection.handshake === undefined) this.#watch(attempt, link)
    this.#end.resolve({
      link,
      endpoint: attempt.endpoint,
      place: attempt.departure?.place,
      handshake: link.connection.handshake,
      offeredTicket: attempt.ticket !== undefined,
      attempts: this.#records(),
      handshakeMs: this.#clock.now() - attempt.startedAt,
    })
  }

  /**
   * Early data is there before anybody has answered: a silent address must not hold it for the whole idle
   * timeout.
   */
  #watch(attempt: Attempt, link: UdpLink): void {
    if (attempt.deadline === NEVER) return
    this.#clock.setTimer(attempt.deadline - this.#clock.now(), () => {
      if (link.isOver || link.connection.isEstablished || link.connection.end !== undefined) return
      link.connection.fail(`no handshake within ${this.#request.timeouts.connectMs} ms`, 'idle')
      link.schedule()
    })
  }

  #failWithAll(): void {
    const failures = this.#attempts.flatMap(({ error }) => (error === undefined ? [] : [error]))
    this.#fail(quicDialError(this.#request.origin, failures))
  }

  #fail(error: TransportError): void {
    if (this.#isOver) return
    this.#finish()
    this.#end.reject(error)
  }

  #finish(): void {
    this.#isOver = true
    this.#timer.cancel()
    this.#end.signal.removeEventListener('abort', this.#onAbort)
    for (const attempt of this.#running()) {
      attempt.outcome = 'cancelled'
      giveUp(attempt)
    }
    this.#request.onAttempts?.(this.#records())
  }

  #running(): Attempt[] {
    return this.#attempts.filter(({ outcome }) => outcome === 'running')
  }

  #records(): QuicAttemptRecord[] {
    return this.#attempts.flatMap(({ endpoint, because, startedAt, outcome, error }) => {
      if (outcome === 'running') return []
      const record = { endpoint: formatEndpoint(endpoint), startedAtMs: startedAt, outcome, because }
      return [error === undefined ? record : { ...record, error: error.message }]
    })
  }
}

function giveUp({ link, tunnelWish }: Attempt): void {
  tunnelWish?.abort()
  link?.abandon()
}

function checkEndpoint(endpoint: Endpoint): void {
  if (isIP(endpoint.address) !== endpoint.family || !(endpoint.port >= 1 && endpoint.port <= 65_535)) {
    throw new TransportError('MM_INVALID_ARGUMENT', `not an endpoint: ${formatEndpoint(endpoint)}`)
  }
  // quiche reads no zones, and a link-local address is no use without one.
  if (endpoint.address.includes('%')) {
    throw new TransportError('MM_INVALID_ARGUMENT', `QUIC takes no zone: ${formatEndpoint(endpoint)}`)
  }
}
