import { isDeepStrictEqual } from 'node:util'
import type { FairBy, RequestRetry, ResolverOptions } from '../../entry/options.ts'
import type { Origin, Protocol, StateOptions, TransportOptions } from '../../index.ts'
import type { IngressLimitsInput } from '../../ingress/ingress-limits.ts'
import type { IngressProtocol } from '../../ingress/ingress-stats.ts'
import type { RetryRule } from '../../ingress/quic-listener.ts'
import type { CertificatePair } from '../../ingress/tls/server-certificates.ts'
import type { SyslogFacility, SyslogServer } from '../access-log/syslog-message.ts'
import type { AdminAccess } from '../admin/admin-access.ts'
import type { ForwardSettings } from '../forward-proxy/proxy-settings.ts'
import type { BufferOptions } from '../forwarding/buffer-options.ts'
import type { TrustedPeers } from '../forwarding/forwarded-chain.ts'
import type { ErrorDetail } from '../forwarding/own-response.ts'
import type { CertificateOptions } from '../lifecycle/certificate-watch.ts'
import type { MemoryOptions } from '../lifecycle/unused-memory.ts'
import type { FieldEdits } from '../routes/field-edits.ts'
import type { RewriteSettings } from '../routes/rewrite.ts'
import type { RedirectSettings, RespondSettings } from '../routes/route-answer.ts'
import type { RouteMatcher } from '../routes/route-table.ts'
import type { PathRules } from '../routes/router.ts'
import type { ConfigPath } from './config-fault.ts'
import type { ListenAddress } from './fields/listen-address.ts'
import type { ListenTls } from './fields/tls-fields.ts'

/** A configuration that was validated: what the service runs on. */
export interface ServiceSettings {
  readonly workers: WorkersSettings
  readonly listen: readonly ListenSettings[]
  readonly certificates: CertificateOptions
  readonly ingress: IngressLimitsInput
  readonly admin: AdminSettings
  readonly log: LogSettings
  /** Undefined: there is none. */
  readonly accessLog: AccessLogSettings | undefined
  readonly forwarding: ForwardingSettings
  /** How much of an error clients receive. */
  readonly errors: ErrorDetail
  readonly memory: MemoryOptions
  readonly shutdown: ShutdownSettings
  readonly transport: TransportOptions
  readonly state: StateOptions | undefined
  /** Where hosts share the ceilings of protected origins. Undefined: each has its own. */
  readonly redis: RedisSettings | undefined
  /** Where a qlog trace is written. */
  readonly qlog: { readonly directory: string } | undefined
  /** Asked for HTTPS records. Undefined: those of the system. */
  readonly dnsServers: readonly string[] | undefined
  /** How names are looked up. Undefined: by the defaults. */
  readonly resolver: Partial<ResolverOptions> | undefined
  readonly origins: readonly OriginSettings[]
  readonly routes: readonly RouteSettings[]
  /** What was understood but will not be done. */
  readonly warnings: readonly string[]
}

/** The processes of a service that is started from a file. */
export interface WorkersSettings {
  /** `auto`: as many as there are processors; `off`: no others, this process does the work. */
  readonly count: number | 'auto' | 'off'
  /** Without a sign from it for so long a worker is ended and replaced. */
  readonly hangTimeoutMs: number
  /** Resident memory with which a worker is replaced. Undefined: by the memory of the machine. */
  readonly maxMemoryBytes: number | undefined
}

export interface ListenSettings {
  readonly address: ListenAddress
  /** Of the file of a Unix socket. Undefined: it is of TCP. */
  readonly mode: number | undefined
  readonly tls: ListenTls | undefined
  /** Over TCP; none: UDP alone. */
  readonly protocols: readonly IngressProtocol[]
  /** Undefined: no HTTP/3. */
  readonly http3: Http3ListenSettings | undefined
  /** Undefined: clients are offered no WebTransport. */
  readonly webTransport: WebTransportListenSettings | undefined
  /** How many clients may wait whose data came with their SYN (TCP Fast Open); 0: off. */
  readonly fastOpen: number
  /** Who sends the PROXY protocol, and has to. */
  readonly proxyProtocol: TrustedPeers
}

/** HTTP/3 at the UDP port of a listener. */
export interface Http3ListenSettings {
  readonly retry: RetryRule
  /** Safe requests are served from 0-RTT. */
  readonly earlyData: boolean
  /** See ListenQuicOptions. */
  readonly allowsMigration: boolean
  /** What responses announce (RFC 7838): the port at which clients reach it, and for how long. */
  readonly altSvc: { readonly port: number | undefined; readonly maxAgeMs: number }
}

/** Sessions of WebTransport with the clients of a listener. */
export interface WebTransportListenSettings {
  /** At once, in this process. */
  readonly maxSessions: number
  /** At once on one connection. Undefined: as `ingress.http3.maxSessions` says. */
  readonly maxSessionsPerConnection: number | undefined
  /** 0: none is closed for being idle. */
  readonly idleTimeoutMs: number
}

export interface AdminSettings {
  /** Undefined: no admin server. */
  readonly address: ListenAddress | undefined
  /** Of the file of a Unix socket. */
  readonly mode: number | undefined
  /** Undefined: plain HTTP. */
  readonly tls: CertificatePair | undefined
  readonly access: AdminAccess
  /**
   * It was written down. A default address that is taken is replaced by a free one, a written one is an
   * error.
   */
  readonly isExplicit: boolean
}

/** What a fleet shares its ceilings in. The URL may hold a password, and is shown nowhere. */
export interface RedisSettings {
  readonly url: string
  /** All keys begin with it. */
  readonly prefix: string
  /** PEM. Undefined: plain TCP, or what Node trusts. */
  readonly tls: { readonly ca?: string[]; readonly cert?: string; readonly key?: string } | undefined
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  /** After so long without a sign from a host it counts as gone. */
  readonly leaseMs: number
}

/** How a service ends. */
interface ShutdownSettings {
  /** How long listeners go on taking connections while `/readyz` says already that they will not. */
  readonly delayMs: number
  /** How long a drain waits for exchanges to end before it closes what is left. 0: as long as they take. */
  readonly drainTimeoutMs: number
  /** Whether the admin port is kept while a drain lasts. */
  readonly keepAdmin: boolean
  /** So many defects within `faultWindowMs` end the process; see FaultBudgetOptions. 0: none do. */
  readonly maxFaults: number
  readonly faultWindowMs: number
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

export interface LogSettings {
  readonly level: LogLevel
  readonly format: 'text' | 'json'
  /**
   * What waits for a slow reader of the log at the most, in bytes and in lines; what is more is dropped and
   * counted.
   */
  readonly maxQueuedBytes: number
  readonly maxQueuedLines: number
  /** A request that took this long or longer has a line of its own. 0: none has. */
  readonly slowRequestMs: number
}

export interface AccessLogSettings {
  /** A format that lineFormat() takes. */
  readonly format: string
  readonly to: 'stdout' | { readonly file: string } | { readonly syslog: SyslogServer }
  /** Of messages to syslog. */
  readonly facility: SyslogFacility
  /** The share of requests that have a line. */
  readonly sample: number
  /** The field that names a request; undefined: none does. */
  readonly requestId: string | undefined
  readonly maxQueuedBytes: number
}

/** Which fields tell an origin about the client: RFC 7239, the older X-Forwarded-*, both, or none. */
export type ForwardedMode = 'rfc7239' | 'x-forwarded' | 'both' | 'off'

interface ForwardingSettings {
  /** Our name in Via and Proxy-Status. */
  readonly pseudonym: string
  readonly forwarded: ForwardedMode
  /** Whose Forwarded and X-Forwarded-* are believed and added to, instead of dropped. */
  readonly trustForwarded: TrustedPeers
  /** The `by` of Forwarded. */
  readonly by: string | undefined
  /** What slow clients may hold. */
  readonly buffering: BufferOptions
  readonly paths: PathRules
}

interface OriginSettings {
  readonly name: string
  readonly origin: Origin
  /** `origin`: the origin's own authority. `preserve`: the client's. Else this very value. */
  readonly hostHeader: string
  /** Who takes turns while requests wait; `none` where the origin is not protected. */
  readonly fairBy: FairBy
}

export interface RouteSettings extends RouteMatcher {
  /** What the access log calls it. */
  readonly name: string
  /** Where it is written. */
  readonly at: ConfigPath
  readonly action: RouteAction
}

/** What becomes of the requests of a route. */
export interface RouteAction {
  /** The name of the origin that they go to; undefined: there is an answer. */
  readonly origin: string | undefined
  /** The name of the egress that its connections leave through. Undefined: that of the origin. */
  readonly egress: string | undefined
  readonly rewrite: RewriteSettings | undefined
  readonly requestFields: FieldEdits | undefined
  readonly responseFields: FieldEdits | undefined
  readonly redirect: RedirectSettings | undefined
  readonly respond: RespondSettings | undefined
  readonly limits: RouteLimits
  readonly mirror: MirrorSettings | undefined
  /** Its requests name their origins themselves. */
  readonly forward: ForwardSettings | undefined
}

/** What the requests of a route have otherwise than those of its origin; undefined: the same. */
export interface RouteLimits {
  readonly headersTimeoutMs: number | undefined
  readonly bodyTimeoutMs: number | undefined
  readonly requestTimeoutMs: number | undefined
  readonly retry: RequestRetry | undefined
  readonly protocols: readonly Protocol[] | undefined
  readonly earlyData: boolean | undefined
  /** Larger bodies are refused. 0: as large as the listener lets them be. */
  readonly maxBodyBytes: number
}

/** Copies of a share of the requests of a route, for another origin. */
export interface MirrorSettings {
  /** The name of the origin. */
  readonly origin: string
  /** From 0 to 1. */
  readonly share: number
  /** Requests with larger bodies are not copied. */
  readonly maxBodyBytes: number
  /** Copies at once; while there are as many, no more are made. */
  readonly maxUnderWay: number
}

export const DEFAULT_ADMIN_ADDRESS: ListenAddress = { host: '127.0.0.1', port: 9901 }
/** Who may connect: the user of the service, and its group. */
export const DEFAULT_UNIX_MODE = 0o660
export const DEFAULT_WORKERS: WorkersSettings = {
  count: 'auto',
  hangTimeoutMs: 3_000,
  maxMemoryBytes: undefined,
}
export const DEFAULT_SHUTDOWN: ShutdownSettings = {
  delayMs: 0,
  drainTimeoutMs: 30_000,
  keepAdmin: false,
  maxFaults: 10,
  faultWindowMs: 60_000,
}
export const DEFAULT_REDIS: Omit<RedisSettings, 'url' | 'tls'> = {
  prefix: 'middlemile:',
  connectTimeoutMs: 2_000,
  answerTimeoutMs: 1_000,
  leaseMs: 15_000,
}
export const DEFAULT_LISTEN_HTTP3: Http3ListenSettings = {
  retry: 'under-load',
  earlyData: false,
  allowsMigration: false,
  altSvc: { port: undefined, maxAgeMs: 86_400_000 },
}
export const DEFAULT_LISTEN_WEB_TRANSPORT: WebTransportListenSettings = {
  maxSessions: 1_000,
  maxSessionsPerConnection: undefined,
  idleTimeoutMs: 600_000,
}
export const DEFAULT_LOG: LogSettings = {
  level: 'info',
  format: 'text',
  maxQueuedBytes: 1_048_576,
  maxQueuedLines: 10_000,
  slowRequestMs: 0,
}
export const DEFAULT_ACCESS_LOG: AccessLogSettings = {
  format: 'json',
  to: 'stdout',
  facility: 'local7',
  sample: 1,
  requestId: 'x-request-id',
  maxQueuedBytes: 4_194_304,
}
export const DEFAULT_FORWARDING: Omit<ForwardingSettings, 'buffering'> = {
  pseudonym: 'middlemile',
  forwarded: 'both',
  trustForwarded: false,
  by: undefined,
  paths: { normalize: true, ambiguous: 'refuse' },
}

/** Parts of a configuration that open sockets and files, and so take effect at a restart only. */
const RESTART_ONLY: readonly (keyof ServiceSettings)[] = [
  'workers',
  'ingress',
  'admin',
  'log',
  'accessLog',
  'state',
  'redis',
  'qlog',
  'dnsServers',
  'resolver',
]

/** What a reload leaves as it was when the service started, though the new configuration says otherwise. */
export function restartWarnings(started: ServiceSettings, after: ServiceSettings): string[] {
  const parts: string[] = RESTART_ONLY.filter(part => !isDeepStrictEqual(started[part], after[part]))
  const isSame =
    started.listen.length === after.listen.length &&
    started.listen.every((listener, index) => isSameListener(listener, after.listen[index]))
  if (!isSame) parts.unshift('listen')
  const warnings = parts.map(
    part => `${part === 'redis' ? 'state.redis' : part}: the change takes effect at the next start`,
  )
  if (started.forwarding.pseudonym !== after.forwarding.pseudonym)
    warnings.push('forwarding.via: what a listener refuses by itself has the new name from the next start on')
  return warnings
}

/** Whether they differ in their own certificates at the most, which a running listener takes. */
export function isSameListener(a: ListenSettings | undefined, b: ListenSettings | undefined): boolean {
  if (a === undefined || b === undefined || (a.tls === undefined) !== (b.tls === undefined)) return false
  // Tickets prove what a client has shown: other rules for that have other tickets.
  const compared = ({ tls, ...rest }: ListenSettings) => [
    rest,
    // With several who is asked for is read before TLS begins.
    tls && { ...tls, certificates: tls.certificates.length > 1 },
  ]
  return isDeepStrictEqual(compared(a), compared(b))
}
