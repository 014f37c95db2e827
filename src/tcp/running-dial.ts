import type { Clock, Timer } from '../clock.ts'
import type { AttemptRecord } from '../connection.ts'
import { type Endpoint, formatEndpoint } from '../endpoint.ts'
import { abortError, TransportError } from '../errors.ts'
import { peerKey } from '../memory/peer-key.ts'
import type { TakenTicket, TicketStore } from '../memory/ticket-store.ts'
import type { Protocol } from '../protocol.ts'
import { AttemptSocket } from './attempt-socket.ts'
import { attemptError, dialError } from './connect-error.ts'
import { type DialAction, DialRace } from './dial-race.ts'
import type { DialRequest, DialResult } from './dial-request.ts'
import type { SharedContext } from './secure-contexts.ts'
import { sessionLifetimeMs } from './session-lifetime.ts'

interface LiveAttempt {
  readonly attemptSocket: AttemptSocket
  readonly endpoint: Endpoint
  readonly ticket: TakenTicket | undefined
  connectedAt: number | undefined
}

interface DialSettings {
  readonly request: DialRequest
  /** Undefined: cleartext. */
  readonly shared: SharedContext | undefined
  readonly clock: Clock
  readonly tickets: TicketStore
  readonly keylog: ((line: Buffer) => void) | undefined
}

interface DialCaller {
  readonly signal: AbortSignal
  readonly resolve: (result: DialResult) => void
  readonly reject: (error: TransportError) => void
}

/** One dial: a switch over the actions of its race. */
export class RunningDial {
  readonly #request: DialRequest
  readonly #shared: SharedContext | undefined
  readonly #clock: Clock
  readonly #tickets: TicketStore
  readonly #keylog: ((line: Buffer) => void) | undefined
  readonly #caller: DialCaller
  readonly #race: DialRace
  readonly #live = new Map<number, LiveAttempt>()
  readonly #serverName: string
  readonly #peer: string | undefined
  #startedAt = 0
  #timer: Timer | undefined

  constructor(settings: DialSettings, caller: DialCaller) {
    const { request, shared } = settings
    this.#request = request
    this.#shared = shared
    this.#clock = settings.clock
    this.#tickets = settings.tickets
    this.#keylog = settings.keylog
    this.#caller = caller
    const { origin, tls, timeouts } = request
    // A dot at the end makes a name absolute in DNS; it is no part of the name in SNI (RFC 6066 section 3).
    this.#serverName = (tls.serverName ?? origin.host).replace(/\.$/, '')
    const canResume = shared !== undefined && tls.resumption !== false
    this.#peer = canResume
      ? peerKey({ host: origin.host, serverName: this.#serverName, port: origin.port, trust: shared.trust })
      : undefined
    this.#race = new DialRace({
      endpoints: request.attempts.map(({ endpoint, because }) => ({
        endpoint: formatEndpoint(endpoint),
        because,
      })),
      isSecure: shared !== undefined,
      connectMs: timeouts.connectMs,
      tlsMs: timeouts.tlsMs,
      attemptDelayMs: timeouts.attemptDelayMs,
    })
  }

  start(): void {
    this.#startedAt = this.#clock.now()
    this.#caller.signal.addEventListener('abort', this.#onAbort, { once: true })
    this.#run(this.#race.onStart(this.#startedAt))
  }

  readonly #onAbort = (): void => {
    this.#run(this.#race.onAbort())
    this.#settle()
    this.#caller.reject(abortError(this.#caller.signal, 'the connect'))
  }

  readonly #onTimer = (): void => {
    this.#timer = undefined
    const now = this.#clock.now()
    const offeredTicket = [...this.#live.values()].some(hasOfferedTicket)
    this.#run(this.#race.onTimer(now, offeredTicket))
  }

  #run(actions: readonly DialAction[]): void {
    for (const action of actions) {
      switch (action.type) {
        case 'startAttempt':
          this.#startAttempt(action.attempt, action.endpoint, action.mayResume)
          break
        case 'cancelAttempt':
          this.#drop(action.attempt)
          break
        case 'purgeTickets':
          if (this.#peer !== undefined) this.#tickets.purge(this.#peer)
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

  #startAttempt(attempt: number, index: number, mayResume: boolean): void {
    const planned = this.#request.attempts[index]
    if (planned === undefined) return
    const { tls, alpnProtocols, socket } = this.#request
    const { endpoint } = planned
    const peer = this.#peer
    const ticket = peer !== undefined && mayResume ? this.#tickets.take(peer, this.#clock.now()) : undefined
    const attemptSocket = new AttemptSocket(
      {
        endpoint,
        socket,
        secure:
          this.#shared === undefined
            ? undefined
            : {
                context: this.#shared.context,
                serverName: this.#serverName,
                alpnProtocols,
                rejectUnauthorized: tls.rejectUnauthorized ?? true,
                session: ticket?.session,
                keylog: this.#keylog,
              },
      },
      {
        onConnected: () => this.#onConnected(attempt),
        onSecured: () => this.#onSecured(attempt),
        onFailed: error => this.#onFailed(attempt, error),
      },
    )
    this.#live.set(attempt, { attemptSocket, endpoint, ticket, connectedAt: undefined })
  }

  #onConnected(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    live.connectedAt = this.#clock.now()
    this.#run(this.#race.onConnected(attempt, live.connectedAt))
  }

  #onSecured(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    const { alpn } = live.attemptSocket.negotiated()
    if (protocolOf(alpn, this.#request.alpnProtocols) === undefined) {
      const endpoint = formatEndpoint(live.endpoint)
      const offered = this.#request.alpnProtocols.join(', ')
      const message = `${endpoint} chose ${alpn ?? 'no protocol'} by ALPN; offered were ${offered}`
      this.#fail(attempt, live, new TransportError('MM_ALPN_MISMATCH', message))
      return
    }
    this.#run(this.#race.onSecured(attempt))
  }

  #onFailed(attempt: number, cause: unknown): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    const phase = live.connectedAt === undefined ? 'connect' : 'tls'
    this.#fail(attempt, live, attemptError(cause, phase, formatEndpoint(live.endpoint), this.#serverName))
  }

  #fail(attempt: number, live: LiveAttempt, error: TransportError): void {
    const offeredTicket = hasOfferedTicket(live)
    this.#drop(attempt)
    this.#run(this.#race.onFailed(attempt, error, offeredTicket, this.#clock.now()))
  }

  /** Destroys an attempt's socket and saves the ticket if it never went out. */
  #drop(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    this.#live.delete(attempt)
    live.attemptSocket.destroy()
    const { ticket } = live
    if (this.#peer !== undefined && ticket !== undefined && !hasOfferedTicket(live)) {
      this.#tickets.giveBack(this.#peer, ticket)
    }
  }

  #finish(attempt: number): void {
    const live = this.#live.get(attempt)
    if (live === undefined) return
    const now = this.#clock.now()
    const { socket, readPort } = live.attemptSocket
    const { alpn, tlsVersion, isResumed } = live.attemptSocket.negotiated()
    // onSecured has refused what was not offered; cleartext speaks what the caller put first.
    const alpnProtocol =
      this.#shared === undefined
        ? (this.#request.alpnProtocols[0] ?? 'http/1.1')
        : (protocolOf(alpn, this.#request.alpnProtocols) ?? 'http/1.1')
    const connectedAt = live.connectedAt ?? now
    live.attemptSocket.handOver(this.#ticketKeeper(live, isResumed, now))
    this.#live.delete(attempt)
    const attempts = this.#settle(alpnProtocol)
    this.#caller.resolve({
      socket,
      readPort,
      endpoint: live.endpoint,
      alpnProtocol,
      offeredTicket: live.ticket !== undefined,
      handshake: {
        kind: this.#shared === undefined ? 'none' : isResumed ? 'resumed' : 'full',
        earlyData: 'none',
        tfo: 'off',
        tlsVersion,
        timings: {
          dnsMs: this.#request.dnsMs,
          connectMs: connectedAt - this.#startedAt,
          tlsMs: this.#shared === undefined ? 0 : now - connectedAt,
        },
        attempts,
      },
    })
  }

  #ticketKeeper(
    winner: LiveAttempt,
    isResumed: boolean,
    now: number,
  ): ((session: Buffer) => void) | undefined {
    if (this.#peer === undefined) return undefined
    const endsInMs = winner.attemptSocket.certificateEndsInMs()
    const verifiedUntil = endsInMs === undefined ? undefined : now + endsInMs
    const trustedUntil = isResumed ? winner.ticket?.trustedUntil : verifiedUntil
    return keepTickets(this.#peer, this.#tickets, this.#clock, trustedUntil)
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

/** The ClientHello goes out when TCP stands, and the ticket with it. */
function hasOfferedTicket(live: LiveAttempt): boolean {
  return live.ticket !== undefined && live.connectedAt !== undefined
}

/** The protocol that ALPN agreed on. A server that does not know ALPN speaks HTTP/1.1 (RFC 9113 3.2: h2 needs ALPN). */
function protocolOf(alpn: string | undefined, offered: readonly Protocol[]): Protocol | undefined {
  return offered.find(protocol => protocol === (alpn ?? 'http/1.1'))
}

/** Puts what comes. A function of its own, so that it keeps alive for as long as the socket no more than it needs. */
function keepTickets(
  peer: string,
  tickets: TicketStore,
  clock: Clock,
  trustedUntil: number | undefined,
): (session: Buffer) => void {
  return session =>
    tickets.put(peer, session, clock.now(), { lifetimeMs: sessionLifetimeMs(session), trustedUntil })
}
