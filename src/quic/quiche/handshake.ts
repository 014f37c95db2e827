import { createHash, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import type { Fifo } from '../../base/fifo.ts'
import type { QuicEvent, QuicHandshake } from '../engine.ts'
import type { NativeConnection } from './binding.ts'
import { sealTicket, type TicketBinding } from './ticket-envelope.ts'

/**
 * Looks at the certificate of a server: is it for that name, and is it valid now? Undefined: yes; else what
 * is wrong, for people.
 *
 * BoringSSL checks the chain, and the name where it is a DNS name, but neither of them on a resumed
 * connection, and an IP address never (it takes it for a DNS name). So we look at every handshake. Wildcards
 * are matched as OpenSSL does; the subject's common name is no name (RFC 9110 4.3.4).
 *
 * `wanted`: the name; or the hashes of certificates of which it has to be one, whatever its names.
 */
export function peerIdentity(
  leaf: Uint8Array | undefined,
  wanted: string | readonly string[],
  wallClockMs: number,
): string | undefined {
  if (leaf === undefined) return 'the server sent no certificate'
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(leaf)
  } catch {
    return 'the certificate cannot be read'
  }
  const from = Date.parse(certificate.validFrom)
  const to = Date.parse(certificate.validTo)
  if (!(from <= wallClockMs)) return 'the certificate is not valid yet'
  if (!(wallClockMs <= to)) return 'the certificate has expired'
  if (typeof wanted !== 'string') {
    const hash = createHash('sha256').update(leaf).digest('hex')
    return wanted.includes(hash) ? undefined : `the certificate is none of tls.certificateHashes: ${hash}`
  }
  const isNamed =
    isIP(wanted) === 0
      ? certificate.checkHost(wanted, { subject: 'never' }) !== undefined
      : certificate.checkIP(wanted) !== undefined
  return isNamed ? undefined : `the certificate is for other names than ${wanted}`
}

/** What the engine said around one receive(), and says of resumption. */
export interface EarlyDataSnapshot {
  readonly wasInEarlyData: boolean
  readonly isInEarlyData: boolean
  readonly isEstablished: boolean
  readonly isResumed: boolean
}

/**
 * Whether 0-RTT was taken, which quiche 0.18 does not say. Early data ends with the flight of the server in
 * which it is decided:
 * 1. early data has not ended with this datagram: nothing is decided
 * 2. it ended and the handshake is complete on a resumed session: accepted
 * 3. it ended, and BoringSSL starts again with a full handshake (not complete, or not resumed): rejected
 *    isResumed alone does not tell: a server with early data switched off resumes the session and rejects
 *    (seen, as is that rule 3 then holds because the handshake completes one call later). Judged right with
 *    caddy 2.6.2 and ngtcp2; a server that splits EncryptedExtensions and Finished over two CRYPTO frames of
 *    one datagram and refuses 0-RTT on a resumed session would look like 2.
 */
export function earlyDataVerdict(seen: EarlyDataSnapshot): 'accepted' | 'rejected' | undefined {
  if (!seen.wasInEarlyData || seen.isInEarlyData) return undefined // 1
  return seen.isEstablished && seen.isResumed ? 'accepted' : 'rejected' // 2, 3
}

/** Alerts of TLS as QUIC errors (RFC 9001 4.8). */
const BAD_CERTIFICATE = 0x12a
const CERTIFICATE_UNKNOWN = 0x12e
const NO_APPLICATION_PROTOCOL = 0x178

/**
 * Turns after the handshake in which tickets are looked for: servers send theirs at once, some in a packet of
 * its own.
 */
const EAGER_TICKET_TURNS = 16

export interface HandshakeOptions {
  readonly native: NativeConnection
  readonly events: Fifo<QuicEvent>
  readonly protocols: readonly string[]
  /** A server looks at no name, and gets no tickets. */
  readonly client?:
    | {
        readonly serverName: string
        readonly rejectUnauthorized: boolean
        /** Certificates that will do whoever issued them, as pinnedHashes() has them, and no others. */
        readonly pinned?: readonly string[] | undefined
        readonly earlyData: boolean
        readonly binding: TicketBinding
        readonly wallClock: () => number
      }
    | undefined
}

/** What has to be refused: the connection closes with this error. */
export interface HandshakeFault {
  readonly code: number
  readonly reason: string
}

/**
 * Watches a handshake: when it is complete, with whom, and what became of 0-RTT. Then it looks for tickets.
 *
 * quiche's answers flip inside recv(), and after rejected early data inside the send() that follows.
 */
export class Handshake {
  readonly #options: HandshakeOptions
  #result: QuicHandshake | undefined
  #isOver = false
  #wasInEarlyData = false
  #isEarlyDataOpen: boolean
  #eagerTurns = EAGER_TICKET_TURNS
  #lastSession: Uint8Array | undefined

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#isEarlyDataOpen = options.client?.earlyData ?? false
  }

  get result(): QuicHandshake | undefined {
    return this.#result
  }

  /** Complete, or refused. */
  get isOver(): boolean {
    return this.#isOver
  }

  get isInEarlyData(): boolean {
    if (this.#isOver) return false
    if (this.#options.client !== undefined && !this.#isEarlyDataOpen) return false
    return this.#options.native.isInEarlyData()
  }

  beforeReceive(): void {
    if (this.#isEarlyDataOpen) this.#wasInEarlyData = this.#options.native.isInEarlyData()
  }

  afterReceive(): HandshakeFault | undefined {
    const { native, events } = this.#options
    const isEstablished = native.isEstablished()
    if (this.#isEarlyDataOpen) {
      const outcome = earlyDataVerdict({
        wasInEarlyData: this.#wasInEarlyData,
        isInEarlyData: native.isInEarlyData(),
        isEstablished,
        isResumed: native.isResumed(),
      })
      if (outcome !== undefined) {
        this.#isEarlyDataOpen = false
        events.push({ type: 'early-data', outcome })
        // quiche sends rejected data again when it is lost, after a timeout; an acknowledgement makes that
        // one round trip.
        if (outcome === 'rejected') native.sendAckEliciting()
      }
    }
    return isEstablished ? this.#complete() : undefined
  }

  afterSend(): HandshakeFault | undefined {
    return this.#options.native.isEstablished() ? this.#complete() : undefined
  }

  /**
   * Tickets come when the server likes: at first they are looked for in each turn, later when `isDue` says
   * so. 2 us a look.
   */
  pollTicket(isDue: boolean): void {
    const { client, native, events } = this.#options
    if (client === undefined || this.#result === undefined) return
    if (this.#eagerTurns > 0) this.#eagerTurns -= 1
    else if (!isDue) return
    const session = native.session()
    if (session === null || (this.#lastSession !== undefined && isEqual(session, this.#lastSession))) return
    this.#lastSession = session
    const ticket = sealTicket(client.binding, session)
    if (ticket !== undefined) events.push({ type: 'ticket', ticket })
  }

  #complete(): HandshakeFault | undefined {
    const { native, client, protocols, events } = this.#options
    this.#isOver = true
    const protocol = Buffer.from(native.applicationProto()).toString('latin1')
    if (!protocols.includes(protocol)) {
      // quiche goes on when the peer ignores ALPN, which RFC 9001 8.1 forbids.
      return { code: NO_APPLICATION_PROTOCOL, reason: 'no protocol was agreed on' }
    }
    const certificates = (native.peerCertChain() ?? []).map(der => Buffer.from(der))
    if (client !== undefined && (client.pinned !== undefined || client.rejectUnauthorized)) {
      const { pinned, serverName } = client
      const reason = peerIdentity(certificates[0], pinned ?? serverName, client.wallClock())
      if (reason !== undefined)
        return { code: pinned === undefined ? BAD_CERTIFICATE : CERTIFICATE_UNKNOWN, reason }
    }
    this.#result = { protocol, isResumed: native.isResumed(), certificates }
    events.push({ type: 'established', handshake: this.#result })
    return undefined
  }
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && Buffer.compare(a, b) === 0
}
