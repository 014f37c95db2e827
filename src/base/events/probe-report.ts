import type { ErrorCode } from '../error-codes.ts'
import type { ResolvedAddress } from '../http/endpoint.ts'

/**
 * What looking at one thing came to: it is so, it went wrong, or nobody looked.
 *
 * @example
 * ```ts
 * const text = (finding: Finding<boolean>): string =>
 *   'found' in finding ? String(finding.found) : 'fault' in finding ? finding.fault : finding.skipped
 * ```
 */
export type Finding<T> = { readonly found: T } | ProbeFault | { readonly skipped: string }

/** What went wrong while one thing was looked at. */
export interface ProbeFault {
  /** For people; begins with the endpoint where there is one. */
  readonly fault: string
  readonly code?: ErrorCode
  /** What to do about it. */
  readonly hint?: string
}

/**
 * Everything that a capability probe found out about an origin. At most one request is sent: a HEAD, for its
 * Alt-Svc.
 *
 * @example
 * ```ts
 * const report: ProbeReport = await transport.probe('https://origin.example')
 * console.log(report.isReachable, report.roundTripMs.h3)
 * ```
 */
export interface ProbeReport {
  readonly origin: string
  /** How long it took in all, in ms. */
  readonly durationMs: number
  /** Something answered at the origin, in whatever way. */
  readonly isReachable: boolean
  /** All that the name resolves to; no more than four of them are looked at. */
  readonly addresses: Finding<readonly ProbedAddress[]>
  readonly tcp: readonly { readonly endpoint: string; readonly connect: Finding<{ readonly ms: number }> }[]
  /** With the first address that took a TCP connection, like everything up to `altSvc`. */
  readonly tls: readonly {
    readonly version: 'TLSv1.2' | 'TLSv1.3'
    readonly handshake: Finding<ProbedHandshake>
  }[]
  /** As it was checked and accepted. A fault says why it was not. */
  readonly certificate: Finding<ProbedCertificate>
  /** What the origin takes when only this one is offered. */
  readonly alpn: readonly { readonly protocol: string; readonly accepted: Finding<boolean> }[]
  readonly tickets: Finding<ProbedTickets>
  readonly fastOpen: Finding<ProbedFastOpen>
  /** As a HEAD request's response gave them. */
  readonly altSvc: Finding<readonly ProbedAlternative[]>
  readonly httpsRecords: Finding<readonly ProbedServiceRecord[]>
  /** The origin's own addresses, then the alternatives that Alt-Svc and HTTPS records name. */
  readonly quic: readonly (ProbedTarget & { readonly answer: QuicFinding })[]
  /** A whole handshake, where something answers in QUIC or HTTP/3 is advertised. */
  readonly http3: readonly (ProbedTarget & { readonly handshake: Finding<ProbedHandshake> })[]
  /**
   * The shortest by what measured it, in ms: `tcp` a connect, `tls` the handshake behind it (its work
   * included, two round trips before TLS 1.3), `quic` a Version Negotiation, `h3` a whole QUIC handshake.
   * Upper bounds: a process that is busy is notified of an answer late. One that nothing measured is left
   * out.
   */
  readonly roundTripMs: Readonly<Partial<Record<'tcp' | 'tls' | 'quic' | 'h3', number>>>
}

/** An address that the name of the origin resolves to. */
export interface ProbedAddress extends ResolvedAddress {
  /** Seconds that the DNS allows the answer to be kept. Undefined: it did not come from there. */
  readonly ttlSeconds: number | undefined
}

/** A UDP port that was looked at, and who named it. */
export interface ProbedTarget {
  /** `address:port`. */
  readonly endpoint: string
  readonly host: string
  readonly source: 'origin' | 'alt-svc' | 'https-record'
}

/** A handshake that was completed: TLS over TCP, or QUIC. */
export interface ProbedHandshake {
  /** From the first byte of the handshake to its end; over TCP without the connect. */
  readonly ms: number
  /** What ALPN agreed on. Undefined: the peer did not answer to it. */
  readonly protocol: string | undefined
  readonly cipher: string | undefined
  /** HTTP/3: how this machine moves the datagrams, and what is in the way of better. */
  readonly udp?: string
  /** HTTP/3: the drafts of WebTransport that its SETTINGS name. Left out: they did not come in time. */
  readonly webTransport?: readonly string[]
}

/** The certificate that the origin showed, as far as operators ask for it. */
export interface ProbedCertificate {
  /** ISO 8601. */
  readonly validUntil: string
  /** The distinguished name of who signed it, on one line. */
  readonly issuer: string
}

/** Session tickets (RFC 8446 4.6.1) that came behind a handshake. */
export interface ProbedTickets {
  /** Which handshake they came with: the newest version that worked. */
  readonly version: 'TLSv1.2' | 'TLSv1.3'
  /**
   * Within a moment after the handshake. Before TLS 1.3 a session that the server keeps itself (an id and no
   * ticket) counts, too.
   */
  readonly issued: number
  /** Of the last one. Undefined: the server gave no hint. */
  readonly lifetimeSeconds: number | undefined
  /** Of the last one. 0: no early data. */
  readonly maxEarlyDataBytes: number
}

/** TCP Fast Open (RFC 7413), by a connect of its own with a handshake behind it. */
export interface ProbedFastOpen {
  /** The kernel had one of the address, or was handed one. */
  readonly cookie: boolean
  /** The peer took data with the SYN. */
  readonly taken: boolean
  /** The ClientHello, as it is sent. Undefined: not measured. */
  readonly firstFlightBytes: number | undefined
  /** For people. */
  readonly because: string
}

/** An alternative service that the origin advertises (RFC 7838). */
export interface ProbedAlternative {
  readonly protocol: string
  readonly host: string
  readonly port: number
  readonly maxAgeSeconds: number
  readonly persists: boolean
}

/** An HTTPS record of the origin (RFC 9460). */
export interface ProbedServiceRecord {
  /** 0: an alias (RFC 9460 2.4.2). */
  readonly priority: number
  /** A dot, or nothing, stands for the origin's own name. */
  readonly target: string
  readonly ttlSeconds: number
  readonly alpn: readonly string[]
  readonly port: number | undefined
  readonly addressHints: readonly string[]
}

/**
 * What a UDP port made of a QUIC packet. A fault without `why` says nothing of the port: there was no time,
 * or no socket.
 */
export type QuicFinding =
  | { readonly found: ProbedQuic }
  | (ProbeFault & { readonly why?: QuicFault })
  | { readonly skipped: string }

/**
 * - `refused`: the host says that nobody listens there (ICMP port unreachable).
 * - `silent`: no answer at all.
 * - `unreachable`: the host cannot be reached, or this machine does not let us.
 */
export type QuicFault = 'refused' | 'silent' | 'unreachable'

/** What answered in QUIC at a UDP port. */
export interface ProbedQuic {
  /**
   * What Version Negotiation listed (RFC 9000 section 6), as `0x00000001`; versions that are reserved for
   * greasing are left out.
   */
  readonly versions: readonly string[]
  readonly ms: number
}
