import { TransportError } from '../base/errors.ts'
import { type Origin, originUrl, parseOrigin } from '../base/http/origin.ts'
import type { Protocol } from '../base/http/protocol.ts'
import {
  type BreakerOptions,
  type ConcurrencyOptions,
  checkBreakerOptions,
  checkConcurrencyOptions,
  DEFAULT_BREAKER_OPTIONS,
  DEFAULT_CONCURRENCY_OPTIONS,
} from '../base/options/admission-options.ts'
import {
  checkBalanceOptions,
  checkEndpoints,
  DEFAULT_BALANCE_OPTIONS,
} from '../base/options/balance-options.ts'
import { checkFlag, checkNumber, checkNumbers, checkWord } from '../base/options/check-options.ts'
import {
  checkHealthOptions,
  checkOutlierOptions,
  DEFAULT_HEALTH_OPTIONS,
  DEFAULT_OUTLIER_OPTIONS,
  type HealthOptions,
  type OutlierOptions,
} from '../base/options/health-options.ts'
import { checkHedgeOptions, DEFAULT_HEDGE_OPTIONS, type HedgeOptions } from '../base/options/hedge-options.ts'
import {
  DEFAULT_OBJECTIVE_OPTIONS,
  OBJECTIVE_RANGES,
  type ObjectiveOptions,
} from '../base/options/objective-options.ts'
import { checkTransportNames } from '../base/options/option-names.ts'
import {
  CERTIFICATE_NAME,
  DEFAULT_POOL_OPTIONS,
  DEFAULT_RESPONSE_LIMITS,
  DEFAULT_RETRY_OPTIONS,
  DEFAULT_TIMEOUTS,
  isRetryableStatus,
  layered,
  type OriginOptions,
  type PoolOptions,
  REUSE_MODES,
  type ResponseLimits,
  type RetryOptions,
  type ReuseMode,
  type TimeoutOptions,
  type TlsOptions,
} from '../base/options/options.ts'
import { checkPinned } from '../base/options/pinned-hashes.ts'
import {
  DEFAULT_PROTECTION_OPTIONS,
  FAIR_BY,
  type ProtectionOptions,
} from '../base/options/protection-options.ts'
import {
  checkHttp2Options,
  checkHttp3Options,
  checkLivenessOptions,
  checkQuicOptions,
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type Http2Options,
  type Http3Options,
  type LivenessOptions,
  type QuicOptions,
} from '../base/options/protocol-options.ts'
import {
  checkSelectOptions,
  DEFAULT_SELECT_OPTIONS,
  type SelectOptions,
} from '../base/options/select-options.ts'
import {
  checkSocketOptions,
  DEFAULT_SOCKET_OPTIONS,
  type SocketOptions,
} from '../base/options/socket-options.ts'
import type { TransportOptions } from '../base/options/transport-options.ts'
import { tcpTimes } from './connecting/tcp-liveness.ts'
import { carriesTcpOnly, type EgressSettings, egressSettings } from './egress/egress-settings.ts'
import { type EndpointBalance, endpointBalance, fixedFor } from './endpoints/endpoint-balance.ts'

/** What calls ask for, over the options of an origin. */
export interface AskedSettings extends Pick<OriginOptions, 'webTransport'> {
  readonly httpDatagrams?: boolean
}

/** Everything that applies to one origin, with nothing left to default. */
export interface OriginSettings {
  /** Undefined: connections go directly. */
  readonly egress: EgressSettings | undefined
  readonly protocols: readonly Protocol[]
  readonly select: SelectOptions
  readonly pool: PoolOptions
  readonly reuse: ReuseMode
  readonly objective: ObjectiveOptions
  readonly protection: ProtectionOptions
  readonly timeouts: TimeoutOptions
  readonly retry: RetryOptions
  readonly breakers: BreakerOptions
  readonly concurrency: ConcurrencyOptions
  readonly limits: ResponseLimits
  readonly http2: Http2Options
  readonly quic: QuicOptions
  readonly http3: Http3Options
  readonly liveness: LivenessOptions
  readonly tls: TlsOptions
  readonly socket: SocketOptions
  readonly earlyData: 'off' | 'safe'
  readonly earlyDataOverTcp: boolean
  readonly tfo: 'off' | 'auto' | 'on'
  readonly trusted: boolean
  readonly coalesce: 'auto' | 'never'
  readonly certificateNames: readonly string[]
  readonly preconnectHints: 'auto' | 'never'
  readonly endpoints: readonly string[]
  /** Undefined: there is no endpoint, or each connect tries them in order. */
  readonly balance: EndpointBalance | undefined
  readonly health: HealthOptions
  readonly outlier: OutlierOptions
  readonly hedge: HedgeOptions
  readonly webTransport: boolean
  /** Its tunnels carry HTTP datagrams (RFC 9297): see PooledTunnels. */
  readonly httpDatagrams: boolean
  /** Fixed addresses of this origin and of host names among its endpoints, as `HOST:PORT` to IP. */
  readonly resolve: Readonly<Record<string, string>>
  /**
   * Equal fingerprints mean equal settings, but for the endpoints that requests are balanced over: decides
   * which pools survive configure().
   */
  readonly fingerprint: string
  /** The same of these endpoints. '': there are none. */
  readonly endpointsFingerprint: string
}

/** Protocols in order of preference when the caller names none. */
const ALL_PROTOCOLS: readonly Protocol[] = ['h3', 'h2', 'http/1.1']

/** Reads a transport's options once; answers per origin. */
export class SettingsBook {
  readonly #defaults: OriginOptions
  readonly #byOrigin = new Map<string, OriginOptions>()
  readonly #resolve: Readonly<Record<string, string>>
  readonly #egress: ReadonlyMap<string, EgressSettings>

  /** Throws MM_INVALID_ARGUMENT for an origin that is no URL or a value that makes no sense. */
  constructor(options: TransportOptions) {
    checkTransportNames(options)
    this.#defaults = options.defaults ?? {}
    const origins = Object.entries(options.origins ?? {}).map(([url, own]) => ({ at: parseOrigin(url), own }))
    for (const { at, own } of origins) this.#byOrigin.set(at.key, own)
    this.#resolve = options.resolve ?? {}
    this.#egress = egressSettings(options.egress ?? {})
    if (options.addressGuard !== undefined && this.#egress.size > 0)
      throw new TransportError(
        'MM_INVALID_ARGUMENT',
        'addressGuard and egress exclude each other: a proxy dials, and what it dials is not seen here',
      )
    mergeSettings(this.#defaults, {}, { ...ANYWHERE, resolve: {} }, this.#egress)
    for (const { at, own } of origins)
      mergeSettings(this.#defaults, own, { ...at, resolve: this.#resolve }, this.#egress)
  }

  /** It has options of its own, however few. */
  names(origin: Origin): boolean {
    return this.#byOrigin.has(originUrl(origin))
  }

  /** It is not reached through an egress that there is not. */
  hasEgress({ egress }: Origin): boolean {
    return egress === undefined || this.#egress.has(egress)
  }

  /**
   * `asked`: what a call has asked for, over the options of the origin. Throws MM_INVALID_ARGUMENT where it
   * has an egress that there is not, or that its options forbid.
   */
  settingsFor(origin: Origin, asked: AskedSettings = {}): OriginSettings {
    const place = { host: origin.host, port: origin.port, resolve: this.#resolve }
    const options = this.#byOrigin.get(originUrl(origin)) ?? {}
    const { egress = options.egress } = origin
    return mergeSettings(this.#defaults, { ...options, ...asked, egress }, place, this.#egress)
  }
}

/** An origin, as far as settings hang on it, and the fixed addresses of the whole transport. */
interface Place extends Pick<Origin, 'host' | 'port'> {
  readonly resolve: OriginSettings['resolve']
}

const ANYWHERE = { host: '', port: 443 }

function mergeSettings(
  defaults: OriginOptions,
  own: OriginOptions & AskedSettings,
  place: Place,
  ways: ReadonlyMap<string, EgressSettings>,
): OriginSettings {
  for (const options of [defaults, own]) {
    checkWords(options)
  }
  const liveness = checkLivenessOptions(layered(DEFAULT_LIVENESS_OPTIONS, defaults.liveness, own.liveness))
  const socket = layered<Partial<SocketOptions>>({}, defaults.socket, own.socket)
  checkSocketOptions({ ...DEFAULT_SOCKET_OPTIONS, ...socket })
  const balance = checkBalanceOptions(layered(DEFAULT_BALANCE_OPTIONS, defaults.balance, own.balance))
  const endpoints = checkEndpoints(own.endpoints ?? defaults.endpoints ?? [], balance.policy)
  const fixed = fixedFor(place, endpoints, place.resolve)
  const egress = egressOf(own.egress ?? defaults.egress, ways)
  const webTransport = own.webTransport ?? defaults.webTransport ?? false
  const settings = {
    egress,
    protocols: own.protocols ?? defaults.protocols ?? ALL_PROTOCOLS,
    select: checkSelectOptions(layered(DEFAULT_SELECT_OPTIONS, defaults.select, own.select)),
    pool: checkNumbers('pool', layered(DEFAULT_POOL_OPTIONS, defaults.pool, own.pool)),
    reuse: own.reuse ?? defaults.reuse ?? 'always',
    objective: checkObjective(layered(DEFAULT_OBJECTIVE_OPTIONS, defaults.objective, own.objective)),
    protection: checkProtection(layered(DEFAULT_PROTECTION_OPTIONS, defaults.protection, own.protection)),
    timeouts: checkNumbers('timeouts', layered(DEFAULT_TIMEOUTS, defaults.timeouts, own.timeouts)),
    retry: checkRetry(layered(DEFAULT_RETRY_OPTIONS, defaults.retry, own.retry)),
    breakers: checkBreakerOptions(layered(DEFAULT_BREAKER_OPTIONS, defaults.breakers, own.breakers)),
    concurrency: checkConcurrencyOptions(
      layered(DEFAULT_CONCURRENCY_OPTIONS, defaults.concurrency, own.concurrency),
    ),
    limits: checkNumbers('limits', layered(DEFAULT_RESPONSE_LIMITS, defaults.limits, own.limits)),
    http2: checkHttp2Options('http2', layered(DEFAULT_HTTP2_OPTIONS, defaults.http2, own.http2)),
    quic: quicFor(
      checkQuicOptions('quic', layered(DEFAULT_QUIC_OPTIONS, defaults.quic, own.quic)),
      webTransport,
    ),
    http3: checkHttp3Options('http3', layered(DEFAULT_HTTP3_OPTIONS, defaults.http3, own.http3)),
    liveness,
    tls: layered<TlsOptions>({}, defaults.tls, own.tls),
    socket: { ...DEFAULT_SOCKET_OPTIONS, ...tcpTimes(liveness, socket) },
    earlyData: own.earlyData ?? defaults.earlyData ?? 'off',
    earlyDataOverTcp: own.earlyDataOverTcp ?? defaults.earlyDataOverTcp ?? false,
    tfo: own.tfo ?? defaults.tfo ?? 'off',
    trusted: own.trusted ?? defaults.trusted ?? false,
    coalesce: own.coalesce ?? defaults.coalesce ?? 'auto',
    certificateNames: own.certificateNames ?? defaults.certificateNames ?? [],
    preconnectHints: own.preconnectHints ?? defaults.preconnectHints ?? 'auto',
    endpoints: endpoints.map(({ address }) => address),
    balance: endpointBalance(balance, endpoints, place.port),
    health: checkHealthOptions(layered(DEFAULT_HEALTH_OPTIONS, defaults.health, own.health)),
    outlier: checkOutlierOptions(layered(DEFAULT_OUTLIER_OPTIONS, defaults.outlier, own.outlier)),
    hedge: checkHedgeOptions(layered(DEFAULT_HEDGE_OPTIONS, defaults.hedge, own.hedge)),
    webTransport,
    httpDatagrams: own.httpDatagrams ?? false,
    resolve: { ...fixed.own, ...fixed.named },
  }
  checkProtocols(settings.protocols)
  checkPinned(settings.tls, settings.protocols)
  if (carriesTcpOnly({ egress }) && settings.protocols.every(protocol => protocol === 'h3'))
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `egress ${egress?.name} needs h2 or http/1.1 among protocols: HTTP/3 goes through h2 and h3 proxies only`,
    )
  if (egress?.kind === 'proxies' && settings.balance !== undefined)
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `balance.policy ${balance.policy} and egress ${egress.name} exclude each other: a proxy connects to the origin`,
    )
  if (settings.pool.maxConnections < 1)
    throw new TransportError('MM_INVALID_ARGUMENT', 'pool.maxConnections must be at least 1')
  if (settings.pool.maxStreamsPerConnection < 1) {
    throw new TransportError('MM_INVALID_ARGUMENT', 'pool.maxStreamsPerConnection must be at least 1')
  }
  return { ...settings, ...fingerprints(settings, fixed) }
}

/** A server that speaks WebTransport opens streams of its own, and those of HTTP/3 come beside them. */
function quicFor(quic: QuicOptions, webTransport: boolean): QuicOptions {
  const { maxUnidirectionalStreams: most, maxConcurrentStreams } = quic
  return webTransport
    ? { ...quic, maxUnidirectionalStreams: Math.max(most, maxConcurrentStreams + HTTP3_STREAMS) }
    : quic
}

/** RFC 9114 6.2. */
const HTTP3_STREAMS = 3

/** What of the endpoints may change while requests go on to those that stay counts by itself. */
function fingerprints(
  settings: Omit<OriginSettings, 'fingerprint' | 'endpointsFingerprint'>,
  fixed: ReturnType<typeof fixedFor>,
): Pick<OriginSettings, 'fingerprint' | 'endpointsFingerprint'> {
  const { balance } = settings
  if (balance === undefined) return { fingerprint: JSON.stringify(settings), endpointsFingerprint: '' }
  const others = { ...settings, endpoints: [], balance: balance.options, resolve: fixed.own }
  return {
    fingerprint: JSON.stringify(others),
    endpointsFingerprint: JSON.stringify([balance.entries, fixed.named]),
  }
}

function egressOf(
  name: string | undefined,
  ways: ReadonlyMap<string, EgressSettings>,
): EgressSettings | undefined {
  const egress = name === undefined ? undefined : ways.get(name)
  if (name === undefined || egress !== undefined) return egress
  const known = ways.size === 0 ? 'there are none' : `there are ${[...ways.keys()].join(', ')}`
  throw new TransportError('MM_INVALID_ARGUMENT', `no egress is called ${JSON.stringify(name)}: ${known}`)
}

/** What is no number and no list: callers without types may hand over anything. */
function checkWords(options: OriginOptions): void {
  const {
    earlyData = 'off',
    trusted = false,
    earlyDataOverTcp = false,
    tfo = 'off',
    reuse = 'always',
    webTransport = false,
  } = options
  const { coalesce = 'auto', certificateNames = [], preconnectHints = 'auto' } = options
  checkWord('reuse', reuse, REUSE_MODES)
  checkWord('coalesce', coalesce, ['auto', 'never'])
  checkWord('preconnectHints', preconnectHints, ['auto', 'never'])
  checkCertificateNames(certificateNames)
  checkWord('earlyData', earlyData, ['off', 'safe'])
  checkWord('tfo', tfo, ['off', 'auto', 'on'])
  checkFlag('trusted', trusted)
  checkFlag('webTransport', webTransport)
  checkFlag('earlyDataOverTcp', earlyDataOverTcp)
}

function checkRetry(retry: RetryOptions): RetryOptions {
  const { statuses, ...numbers } = retry
  checkNumbers('retry', numbers)
  if (!Array.isArray(statuses) || !statuses.every(isRetryableStatus)) {
    const message = 'retry.statuses must be a list of 429 and 500 to 599, such as [502, 503]'
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return retry
}

function checkObjective(objective: ObjectiveOptions): ObjectiveOptions {
  checkNumbers('objective', objective)
  for (const [name, { min, max }] of Object.entries(OBJECTIVE_RANGES)) {
    const value = objective[name as keyof ObjectiveOptions] // its keys
    if (value >= min && value <= max) continue
    const message = `objective.${name} must be from ${min} to ${max}, not ${value}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return objective
}

function checkProtection(protection: ProtectionOptions): ProtectionOptions {
  const { fairBy, maxConnections, floor } = protection
  checkWord('protection.fairBy', fairBy, FAIR_BY)
  for (const [name, value] of Object.entries({ maxConnections, floor })) {
    checkNumber(`protection.${name}`, value)
    if (Number.isInteger(value)) continue
    const message = `protection.${name} must be a whole number, not ${value}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return protection
}

function checkCertificateNames(names: readonly string[]): void {
  const isList = Array.isArray(names)
  if (!isList || !names.every(name => typeof name === 'string' && CERTIFICATE_NAME.test(name))) {
    const message = 'certificateNames must be a list of host names, such as a.example or *.internal.example'
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
}

function checkProtocols(protocols: readonly Protocol[]): void {
  if (!Array.isArray(protocols) || protocols.length === 0)
    throw new TransportError('MM_INVALID_ARGUMENT', 'protocols must name at least one protocol, in a list')
  for (const protocol of protocols) checkWord('each of protocols', protocol, ALL_PROTOCOLS)
}
