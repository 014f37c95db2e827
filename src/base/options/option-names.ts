import { TransportError } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'
import type { AddressGuardOptions } from './address-guard-options.ts'
import { DEFAULT_BREAKER_OPTIONS, DEFAULT_CONCURRENCY_OPTIONS } from './admission-options.ts'
import { DEFAULT_BALANCE_OPTIONS } from './balance-options.ts'
import type { EgressOptions } from './egress-options.ts'
import { DEFAULT_HEALTH_OPTIONS, DEFAULT_OUTLIER_OPTIONS } from './health-options.ts'
import { DEFAULT_HEDGE_OPTIONS } from './hedge-options.ts'
import { DEFAULT_OBJECTIVE_OPTIONS } from './objective-options.ts'
import {
  DEFAULT_POOL_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_TICKET_STORE_OPTIONS,
  DEFAULT_TIMEOUTS,
  type OriginOptions,
  type TlsOptions,
} from './options.ts'
import { DEFAULT_PROTECTION_OPTIONS } from './protection-options.ts'
import {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
} from './protocol-options.ts'
import { DEFAULT_RESOLVER_OPTIONS } from './resolver-options.ts'
import { DEFAULT_SELECT_OPTIONS } from './select-options.ts'
import { DEFAULT_SOCKET_OPTIONS } from './socket-options.ts'
import { DEFAULT_GLOBAL_LIMITS, type StateOptions, type TransportOptions } from './transport-options.ts'

/** Every name that a group of options has; the type sees to it that none is missing. */
export type Names<Options> = Readonly<Record<keyof Options & string, unknown>>

const TLS_NAMES: Names<TlsOptions> = {
  ca: 1,
  cert: 1,
  key: 1,
  passphrase: 1,
  serverName: 1,
  rejectUnauthorized: 1,
  certificateHashes: 1,
  minVersion: 1,
  maxVersion: 1,
  ciphers: 1,
  groups: 1,
  resumption: 1,
}

const STATE_NAMES: Names<StateOptions> = { directory: 1, keyFile: 1 }

const ADDRESS_GUARD_NAMES: Names<AddressGuardOptions> = { allowPrivate: 1, refuse: 1 }

const EGRESS_NAMES: Names<EgressOptions> = { addresses: 1, proxies: 1, stickyMs: 1, ca: 1, udpTemplate: 1 }

const TRANSPORT_NAMES: Names<TransportOptions> = {
  defaults: 1,
  origins: 1,
  egress: 1,
  limits: 1,
  tickets: 1,
  state: 1,
  resolver: 1,
  dnsServers: 1,
  addressGuard: 1,
  resolve: 1,
  publicHosts: 1,
  observer: 1,
  keylog: 1,
}

/** The names of each group; undefined: a plain value. */
const ORIGIN_GROUPS: Readonly<Record<keyof OriginOptions, object | undefined>> = {
  protocols: undefined,
  select: DEFAULT_SELECT_OPTIONS,
  pool: DEFAULT_POOL_OPTIONS,
  reuse: undefined,
  objective: DEFAULT_OBJECTIVE_OPTIONS,
  protection: DEFAULT_PROTECTION_OPTIONS,
  timeouts: DEFAULT_TIMEOUTS,
  retry: DEFAULT_RETRY_OPTIONS,
  breakers: DEFAULT_BREAKER_OPTIONS,
  concurrency: DEFAULT_CONCURRENCY_OPTIONS,
  limits: DEFAULT_RESPONSE_LIMITS,
  http2: DEFAULT_HTTP2_OPTIONS,
  quic: DEFAULT_QUIC_OPTIONS,
  http3: DEFAULT_HTTP3_OPTIONS,
  liveness: DEFAULT_LIVENESS_OPTIONS,
  tls: TLS_NAMES,
  socket: DEFAULT_SOCKET_OPTIONS,
  endpoints: undefined,
  balance: DEFAULT_BALANCE_OPTIONS,
  health: DEFAULT_HEALTH_OPTIONS,
  outlier: DEFAULT_OUTLIER_OPTIONS,
  hedge: DEFAULT_HEDGE_OPTIONS,
  earlyData: undefined,
  trusted: undefined,
  tfo: undefined,
  earlyDataOverTcp: undefined,
  coalesce: undefined,
  certificateNames: undefined,
  preconnectHints: undefined,
  egress: undefined,
  webTransport: undefined,
}

/** What others call things that we do otherwise. */
const INSTEAD: Readonly<Record<string, string>> = {
  bodyTimeout: 'say bodyTimeoutMs',
  headersTimeout: 'say headersTimeoutMs',
  expectContinue: 'bodies are sent at once; an answer that comes first ends the upload',
  maxRedirections: "compose undici's redirect interceptor with dispatcher()",
  maxResponseSize: 'bytes(), text() and json() take a bound',
  path: 'it is part of the URL',
  query: 'it is part of the URL',
  reset: 'pool.maxRequests: 1 ends connections after one request',
  retryOptions:
    "say retry in the options of the origin, or compose undici's retry interceptor with dispatcher()",
  throwOnError: 'look at status',
  timeout: 'say timeouts in the options of the origin',
  upgrade: 'use dispatch() or dispatcher()',
}

/** Throws MM_INVALID_ARGUMENT for an option of a transport, or of a group in it, that there is not. */
export function checkTransportNames(options: TransportOptions): void {
  checkNames('a transport', options, TRANSPORT_NAMES)
  checkNames('limits', options.limits, DEFAULT_GLOBAL_LIMITS)
  checkNames('tickets', options.tickets, DEFAULT_TICKET_STORE_OPTIONS)
  checkNames('resolver', options.resolver, DEFAULT_RESOLVER_OPTIONS)
  checkNames('state', options.state, STATE_NAMES)
  checkNames('addressGuard', options.addressGuard, ADDRESS_GUARD_NAMES)
  for (const [name, egress] of Object.entries(options.egress ?? {}))
    checkNames(`egress.${name}`, egress, EGRESS_NAMES)
  checkOriginNames('defaults', options.defaults)
  for (const [url, origin] of Object.entries(options.origins ?? {}))
    checkOriginNames(`origins[${url}]`, origin)
}

function checkOriginNames(where: string, options: OriginOptions | undefined): void {
  checkNames(where, options, ORIGIN_GROUPS)
  for (const [name, group] of Object.entries(options ?? {})) {
    const known = ORIGIN_GROUPS[name as keyof OriginOptions] // checkNames has seen to it
    if (known !== undefined) checkNames(`${where}.${name}`, group as object, known) // likewise: it is a group
  }
}

/** Throws MM_INVALID_ARGUMENT for a name that is not among `known`. What is undefined is not given. */
export function checkNames(where: string, options: object | undefined, known: object): void {
  for (const name in options) {
    if (Object.hasOwn(known, name) || options[name as keyof typeof options] === undefined) continue // a key
    const nearest = nearestName(name, Object.keys(known))
    const meant = nearest === undefined ? '' : `did you mean ${nearest}? `
    const instead = Object.hasOwn(INSTEAD, name)
      ? INSTEAD[name]
      : `${meant}${meant === '' ? 'there' : 'There'} are ${Object.keys(known).sort().join(', ')}`
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `${where} has no option ${JSON.stringify(name)}: ${instead}`,
    )
  }
}
