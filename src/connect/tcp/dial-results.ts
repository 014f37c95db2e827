import type { Clock } from '../../base/clock.ts'
import type { AttemptRecord, HandshakeInfo } from '../../base/events/connection.ts'
import { formatEndpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { ReadPort } from '../../base/socket/read-port.ts'
import type { TakenTicket } from '../../state/ticket-store.ts'
import type { EarlyDialer } from '../early-data/early-dialer.ts'
import { EarlyHandshakeWatch } from '../early-data/early-handshake.ts'
import type { FastOpen } from '../fast-open/fast-open.ts'
import type { FastOpenReport } from '../fast-open/fast-open-report.ts'
import type { VerifiedCertificate } from '../tls/certificate-names.ts'
import { bareSession } from '../tls/session-facts.ts'
import type { DialRequest, DialResult } from './dial-request.ts'
import type { FailedFastOpen, LiveAttempt } from './live-attempt.ts'

/** Whether the same connect without Fast Open would fare better is not known yet. */
const UNANSWERED = 'no answer came to a SYN with early data'
/** Of those a packet has come. */
const REFUSALS: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE'])

export interface DialResultsParts {
  readonly request: DialRequest
  readonly isSecure: boolean
  readonly serverName: string
  readonly clock: Clock
  readonly fastOpen: FastOpen
  readonly early: EarlyDialer
  readonly keylog: ((line: Buffer) => void) | undefined
}

/** How it went until then. */
export interface DialHistory {
  readonly startedAt: number
  /** Ends the dial, and says what it has tried. */
  readonly settle: (spoken: Protocol) => readonly AttemptRecord[]
  /**
   * Endpoints at which a connect that Fast Open had deferred has failed, and not by an answer. By
   * formatEndpoint.
   */
  readonly failedFastOpen: ReadonlyMap<string, FailedFastOpen>
}

/** What becomes of the attempt that has won. */
export class DialResults {
  readonly #parts: DialResultsParts

  constructor(parts: DialResultsParts) {
    this.#parts = parts
  }

  /** Connected, and its handshake complete. */
  secured(live: LiveAttempt, history: DialHistory): DialResult {
    const { request, isSecure, clock } = this.#parts
    const now = clock.now()
    const { attemptSocket, endpoint, ticket, tickets } = live
    const { alpn, tlsVersion, isResumed } = attemptSocket.negotiated()
    // What was not offered has been refused before; cleartext speaks what the caller put first.
    const spoken = isSecure ? protocolOf(alpn, request.alpnProtocols) : request.alpnProtocols[0]
    const alpnProtocol = spoken ?? 'http/1.1'
    const { socket, raw, readPort, firstFlightBytes } = attemptSocket
    const report = this.#settleFastOpen(live, firstFlightBytes, history)
    const certificate = attemptSocket.verifiedCertificate()
    const resumedWith = isResumed ? ticket : undefined
    attemptSocket.handOver(tickets.keeper(resumedWith, certificate))
    return {
      socket,
      tcp: raw,
      readPort,
      endpoint,
      alpnProtocol,
      offeredTicket: ticket !== undefined,
      early: undefined,
      handshake: {
        ...this.#begun(live, history, alpnProtocol, now),
        kind: !isSecure ? 'none' : isResumed ? 'resumed' : 'full',
        tlsVersion,
        firstFlightBytes,
        ...certificateFacts(certificate, resumedWith),
        ...fastOpenFields(report),
        ...live.costs(),
      },
    }
  }

  /**
   * Hands the connection over before anything is known of the peer; the rest is reported when its handshake
   * is complete. Throws when there is no memory.
   */
  early(live: LiveAttempt, ticket: TakenTicket, history: DialHistory): DialResult {
    const { request, serverName, clock, fastOpen, early: dialer, keylog } = this.#parts
    const { attemptSocket, endpoint, tickets } = live
    const { raw } = attemptSocket
    attemptSocket.handOver(undefined)
    const alpn = live.early?.alpn
    const session = bareSession(ticket.session)
    const early = dialer.open({ raw, tls: request.tls, serverName, alpn, session, keylog })
    const alpnProtocol = protocolOf(alpn, request.alpnProtocols) ?? 'http/1.1'
    const handshake = this.#begun(live, history, alpnProtocol, clock.now())
    const watch = new EarlyHandshakeWatch({
      socket: early,
      handshake,
      limitMs: live.isPutOff ? request.timeouts.fastOpenMs : request.timeouts.tlsMs,
      readInfo: live.isPutOff ? () => attemptSocket.fastOpenInfo() : undefined,
      onComplete: ({ isResumed, certificate }) => {
        const { firstFlightBytes } = early
        const now = clock.now()
        handshake.firstFlightBytes = firstFlightBytes
        handshake.timings.tlsMs = now - (live.isPutOff ? history.startedAt : (live.handshakeAt ?? now))
        const report = this.#settleFastOpen(live, firstFlightBytes, history)
        const resumedWith = isResumed ? ticket : undefined
        const facts = certificateFacts(certificate, resumedWith)
        Object.assign(handshake, facts, fastOpenFields(report), live.costs())
        early.onTicket = tickets.keeper(resumedWith, certificate)
      },
      onFailed: (error, isGivenUp) => {
        if (!live.isPutOff) return
        const failure = live.onPutOffFailed(error)
        if (!live.hasOfferedTicket) tickets.giveBack(ticket)
        // Whether a refusal was meant for Fast Open the next connect finds out: unlike silence it costs no
        // time.
        if (failure === undefined || isGivenUp || isRefusal(error)) {
          fastOpen.onOutcome(endpoint.address, 'no-cookie') // as good as nothing
          return
        }
        fastOpen.onOutcome(endpoint.address, failure)
        const report = live.report(failure, undefined)
        if (report === undefined) return
        request.onFastOpen?.(endpoint, failure === 'stuck' ? { ...report, because: UNANSWERED } : report)
      },
      purgeTickets: () => {
        if (live.hasOfferedTicket) tickets.purge()
      },
    })
    const { socket } = early
    const readPort = ReadPort.over(socket)
    return {
      socket,
      tcp: raw,
      readPort,
      endpoint,
      alpnProtocol,
      offeredTicket: true,
      early: watch,
      handshake,
    }
  }

  /** What can be said of a handshake before it is over. */
  #begun(
    live: LiveAttempt,
    { startedAt, settle }: DialHistory,
    spoken: Protocol,
    now: number,
  ): HandshakeInfo {
    const { request, isSecure } = this.#parts
    // What was deferred connects with its handshake.
    const begunAt = live.isPutOff ? startedAt : (live.handshakeAt ?? now)
    return {
      kind: 'early_data',
      earlyData: 'none',
      tfo: 'off',
      tlsVersion: undefined,
      timings: {
        dnsMs: request.dnsMs,
        connectMs: begunAt - startedAt,
        tlsMs: isSecure ? now - begunAt : 0,
      },
      attempts: settle(spoken),
    }
  }

  /** The handshake is complete: what became of Fast Open is known. */
  #settleFastOpen(
    live: LiveAttempt,
    firstFlightBytes: number | undefined,
    { failedFastOpen }: DialHistory,
  ): FastOpenReport | undefined {
    const { fastOpen, request } = this.#parts
    const { endpoint } = live
    const failedBefore = failedFastOpen.get(formatEndpoint(endpoint))
    const outcome = failedBefore ?? live.outcome()
    const report = live.report(failedBefore, firstFlightBytes)
    if (outcome !== undefined) fastOpen.onOutcome(endpoint.address, outcome)
    if (report !== undefined) request.onFastOpen?.(endpoint, report)
    return report
  }
}

/**
 * The protocol that ALPN agreed on. A server that does not know ALPN speaks HTTP/1.1 (RFC 9113 3.2: h2 needs
 * ALPN).
 */
export function protocolOf(alpn: string | undefined, offered: readonly Protocol[]): Protocol | undefined {
  return offered.find(protocol => protocol === (alpn ?? 'http/1.1'))
}

function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && REFUSALS.has(error.code)
}

function fastOpenFields(
  report: FastOpenReport | undefined,
): Pick<HandshakeInfo, 'tfo' | 'tfoBecause' | 'tfoSparedRoundTrip'> {
  if (report === undefined) return { tfo: 'off' }
  const { outcome, because, isSpared } = report
  return { tfo: outcome, tfoBecause: because, tfoSparedRoundTrip: isSpared }
}

/** Of the certificate that vouches for the peer: verified now, or before the ticket came. */
function certificateFacts(
  certificate: VerifiedCertificate | undefined,
  resumedWith: TakenTicket | undefined,
): Pick<HandshakeInfo, 'certificateExpiresAt' | 'certificateNames'> {
  if (certificate !== undefined) {
    return { certificateExpiresAt: Date.now() + certificate.endsInMs, certificateNames: certificate.names }
  }
  const names = resumedWith?.certificateNames
  return names === undefined ? {} : { certificateNames: names }
}
