import type { ResolvedAddress } from '../endpoint.ts'

/** What looking at one thing came to. */
export type Finding<T> = { readonly found: T } | { readonly fault: string } | { readonly skipped: string }

/** Everything that a capability probe found out about an origin. `get`s nothing: no request is sent. */
export interface ProbeReport {
  readonly origin: string
  /** How long it took in all, in ms. */
  readonly durationMs: number
  readonly addresses: Finding<readonly ProbedAddress[]>
  readonly tcp: readonly { readonly endpoint: string; readonly connect: Finding<{ readonly ms: number }> }[]
  readonly tls: readonly {
    readonly version: 'TLSv1.2' | 'TLSv1.3'
    readonly handshake: Finding<ProbedHandshake>
  }[]
  /** What the origin takes when only this one is offered. */
  readonly alpn: readonly { readonly protocol: string; readonly accepted: Finding<boolean> }[]
  readonly tickets: Finding<ProbedTickets>
  /** Whether the kernel has, or was handed, a cookie (RFC 7413). */
  readonly fastOpen: Finding<{ readonly cookie: boolean }>
  /** As a HEAD request's response gave them, if `request` was allowed; else what is remembered. */
  readonly altSvc: Finding<readonly ProbedAlternative[]>
  readonly httpsRecords: Finding<readonly ProbedServiceRecord[]>
  readonly quic: readonly { readonly endpoint: string; readonly answer: Finding<ProbedQuic> }[]
  readonly http3: readonly { readonly endpoint: string; readonly handshake: Finding<ProbedHandshake> }[]
  /** Round trips by what measured them, in ms. */
  readonly roundTripMs: Readonly<Record<string, number>>
}

export interface ProbedAddress extends ResolvedAddress {
  /** Seconds that the DNS allows the answer to be kept. Undefined: it did not come from there. */
  readonly ttlSeconds: number | undefined
}

export interface ProbedHandshake {
  readonly ms: number
  readonly protocol: string | undefined
  readonly cipher: string | undefined
}

export interface ProbedTickets {
  readonly issued: number
  readonly lifetimeSeconds: number | undefined
  /** 0: no early data. */
  readonly maxEarlyDataBytes: number
}

export interface ProbedAlternative {
  readonly protocol: string
  readonly host: string
  readonly port: number
  readonly maxAgeSeconds: number
  readonly persists: boolean
}

export interface ProbedServiceRecord {
  readonly priority: number
  readonly target: string
  readonly ttlSeconds: number
  readonly alpn: readonly string[]
  readonly port: number | undefined
  readonly addressHints: readonly string[]
}

/** `versions`: what Version Negotiation listed (RFC 9000 section 6), as hex. */
export interface ProbedQuic {
  readonly versions: readonly string[]
  readonly ms: number
}
