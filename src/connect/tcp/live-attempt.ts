import type { HandshakeInfo } from '../../base/events/connection.ts'
import { guardedListener } from '../../base/guard.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import { processCpuMs } from '../../base/process-cpu.ts'
import { descriptorOf } from '../../base/socket/stream-socket.ts'
import type { TakenTicket } from '../../state/ticket-store.ts'
import type { FastOpenOutcome, FastOpenVerdict } from '../fast-open/fast-open-breakers.ts'
import { type FastOpenReport, fastOpenOutcome, fastOpenReport } from '../fast-open/fast-open-report.ts'
import type { Departure } from '../local/departure.ts'
import { socketCalls } from '../native/socket-calls.ts'
import type { DialTickets } from '../tls/dial-tickets.ts'
import type { SessionFacts } from '../tls/session-facts.ts'
import { type AttemptSocket, isLostCookieError } from './attempt-socket.ts'

export interface LiveAttemptParts {
  readonly endpoint: Endpoint
  readonly ticket: TakenTicket | undefined
  /** What the ticket says, where it is to carry early data. */
  readonly early: SessionFacts | undefined
  /** Undefined: Fast Open was not asked for. */
  readonly fastOpen: FastOpenVerdict | undefined
  /** Those of the place that it leaves from. */
  readonly tickets: DialTickets
  /** Undefined: it does not leave. */
  readonly departure: Departure | undefined
}

/** What became of Fast Open in a connect that has failed. */
export type FailedFastOpen = Extract<FastOpenOutcome, 'no-cookie' | 'stuck'>

/** One attempt of a dial that is under way, and what it has cost. */
export class LiveAttempt {
  readonly endpoint: Endpoint
  readonly ticket: TakenTicket | undefined
  readonly early: SessionFacts | undefined
  readonly tickets: DialTickets
  readonly departure: Departure | undefined
  readonly #fastOpen: FastOpenVerdict | undefined
  #socket: AttemptSocket | undefined
  #handshakeAt: number | undefined
  #cpuMs = 0
  #isPutOff = false
  #isCookieLost = false
  #opening: AbortController | undefined

  constructor(parts: LiveAttemptParts) {
    this.endpoint = parts.endpoint
    this.ticket = parts.ticket
    this.early = parts.early
    this.#fastOpen = parts.fastOpen
    this.tickets = parts.tickets
    this.departure = parts.departure
  }

  /** Set at once: it reports to the dial, which knows it by this. Its port is its own until it is closed. */
  set attemptSocket(socket: AttemptSocket) {
    this.#socket = socket
    const { departure } = this
    if (departure === undefined) return
    const release = (): void => departure.port.release()
    if (socket.raw.closed) release()
    else socket.raw.once('close', guardedListener('the end of a connection', release, release))
  }

  get attemptSocket(): AttemptSocket {
    if (this.#socket === undefined) throw new Error('an attempt without a socket')
    return this.#socket
  }

  /** A tunnel is opened before there is a socket; the signal fires when the attempt is of no use any more. */
  startOpening(): AbortSignal {
    this.#opening = new AbortController()
    return this.#opening.signal
  }

  destroy(): void {
    this.#opening?.abort()
    if (this.#socket === undefined) this.departure?.port.release()
    else this.#socket.destroy()
  }

  /** When TCP stood, or when it was deferred. Undefined: not yet. */
  get handshakeAt(): number | undefined {
    return this.#handshakeAt
  }

  /** Its SYN went with the first flight, so that nobody knows of it before the handshake is complete. */
  get isPutOff(): boolean {
    return this.#isPutOff
  }

  /** It used Fast Open, for good or ill. */
  get usesFastOpen(): boolean {
    return this.#fastOpen?.use === true
  }

  /** The ClientHello has gone out, and the ticket with it. */
  get hasOfferedTicket(): boolean {
    return this.ticket !== undefined && this.#handshakeAt !== undefined && !this.#isCookieLost
  }

  onHandshakeBegun(now: number, isPutOff: boolean): void {
    this.#handshakeAt = now
    this.#isPutOff = isPutOff
    this.#cpuMs = processCpuMs()
  }

  /**
   * Answers what it says of Fast Open that an attempt that was deferred has failed; undefined: nothing, since
   * the server has answered. Asked before its ticket is seen to.
   */
  onPutOffFailed(error: unknown): FailedFastOpen | undefined {
    this.#isCookieLost = isLostCookieError(error)
    if (this.#isCookieLost) return 'no-cookie'
    return this.attemptSocket.bytesRead > 0 ? undefined : 'stuck'
  }

  /** What the kernel says became of Fast Open; undefined where it was not used, or nothing can be said. */
  outcome(): FastOpenOutcome | undefined {
    const info = this.usesFastOpen ? this.attemptSocket.fastOpenInfo() : undefined
    return info === undefined ? undefined : fastOpenOutcome(info)
  }

  /**
   * What became of Fast Open, if it was asked for. `failedBefore`: this attempt was made without it, since
   * one with it had failed.
   */
  report(
    failedBefore: FailedFastOpen | undefined,
    firstFlightBytes: number | undefined,
  ): FastOpenReport | undefined {
    if (this.#fastOpen === undefined) return undefined
    const { family } = this.endpoint
    const { segmentBytes } = this.attemptSocket.fastOpenInfo() ?? { segmentBytes: undefined }
    const facts = { firstFlightBytes, family, segmentBytes }
    if (failedBefore !== undefined) return fastOpenReport(failedBefore, facts)
    if (!this.#fastOpen.use) return { outcome: 'fallback', because: this.#fastOpen.because, isSpared: false }
    return fastOpenReport(this.outcome(), facts)
  }

  /** What the handshake has cost until now. */
  costs(): Pick<HandshakeInfo, 'bytes' | 'cpuMs'> {
    const cpuMs = this.#handshakeAt === undefined ? undefined : processCpuMs() - this.#cpuMs
    const loaded = socketCalls()
    const fd = descriptorOf(this.attemptSocket.raw)
    const info = 'unavailable' in loaded || fd === undefined ? undefined : loaded.calls.tcpInfo(fd)
    return { cpuMs, bytes: info === undefined ? undefined : info.sentBytes + info.receivedBytes }
  }
}
