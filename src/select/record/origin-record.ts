import type { ErrorCode } from '../../base/error-codes.ts'
import { TransportError } from '../../base/errors.ts'
import type { AttemptRecord, HandshakeInfo, KeepAliveHint } from '../../base/events/connection.ts'
import type { ProbedTickets, QuicFinding } from '../../base/events/probe-report.ts'
import type { Resolution } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { DEFAULT_SELECT_OPTIONS } from '../../base/options/select-options.ts'
import type { ServiceAnswer } from '../../dns/records/service-lookup.ts'
import { type Alternative, alternativeKey, known } from '../evidence/alternative-sets.ts'
import { Alternatives, type Http3Prospect } from '../evidence/alternatives.ts'
import { age, type Evidence, type KnownFact } from '../evidence/evidence.ts'
import { EndpointMemories, type EndpointMemory, endpointKey } from './endpoint-memories.ts'
import type { Http3Status, Http3StatusOptions } from './h3-status.ts'
import type { FactName, FactValues, KeptDemand, KeptHorizon } from './origin-facts.ts'
import { boundedJson, type KeptEstimates, type OriginSnapshot, readSnapshot } from './origin-snapshot.ts'
import { FactStore, recordFacts } from './record-facts.ts'
import { freshSnapshot, makeSnapshot, mergeSnapshots, newsOf, restoreParts } from './snapshot-parts.ts'

/** A connection that was made. */
export interface ConnectedEvidence {
  /** Undefined: the origin was left no choice, so that it says nothing of what it would speak. */
  readonly protocol: Protocol | undefined
  /** `address:port`. */
  readonly endpoint: string
  readonly handshake: HandshakeInfo
  readonly offeredTicket: boolean
}

/** An origin set with more members is remembered in part: a peer wrote it. */
const MAX_ORIGINS = 64
const NOWHERE = { host: '', port: 443 }
/** Neither was the origin reached, nor did anything else speak of it. */
const UNKNOWN_HTTP3: Http3Prospect = {
  alternative: undefined,
  status: undefined,
  because: 'unknown whether the origin speaks it: nobody has looked',
}

/**
 * What is known of one origin, each fact with its evidence and its expiry (evidence.ts). It receives what
 * happened and never asks; plan.ts and the lanes read it. It holds no trust: nothing here makes a certificate
 * acceptable.
 *
 * Getters take no time: they answer as of the last time that the record was notified of, by whatever call.
 * onTime() moves it on without news.
 */
export class OriginRecord {
  readonly #facts = new FactStore()
  readonly #endpoints = new EndpointMemories()
  readonly #alternatives: Alternatives
  readonly #place: Pick<Alternative, 'host' | 'port'>
  readonly #options: Http3StatusOptions
  #networkChangedAt: number | undefined
  #estimates: KeptEstimates | undefined
  #wallOffset = 0
  /** The latest time that it received. */
  #now = Number.NEGATIVE_INFINITY

  /** `place`: the origin's own, for alternatives that name no other. */
  constructor(
    place: Pick<Alternative, 'host' | 'port'> = NOWHERE,
    options: Http3StatusOptions = DEFAULT_SELECT_OPTIONS,
  ) {
    this.#place = place
    this.#options = options
    this.#alternatives = new Alternatives({ ...options, ...place })
  }

  /**
   * From what was kept: any JSON, since anyone may have damaged it. What is not right, has expired, comes
   * from the future or from another network is left out. Never throws.
   *
   * @param wallNow ms since 1970; `now` on the clock of all other calls
   */
  static restore(
    kept: unknown,
    place: Pick<Alternative, 'host' | 'port'>,
    options: Http3StatusOptions,
    now: number,
    wallNow: number,
  ): OriginRecord {
    const record = new OriginRecord(place, options)
    record.#wallOffset = wallNow - now
    const snapshot = readSnapshot(kept)
    if (snapshot === undefined) return record
    record.onTime(now)
    const parts = {
      facts: record.#facts,
      endpoints: record.#endpoints,
      alternatives: record.#alternatives,
      options,
    }
    const fresh = freshSnapshot(snapshot, wallNow)
    restoreParts(parts, fresh, wallNow - now, now)
    const { networkChangedAt, estimates } = fresh
    if (networkChangedAt !== undefined) record.#networkChangedAt = networkChangedAt - record.#wallOffset
    if (estimates !== undefined) record.#estimates = { ...estimates, at: estimates.at - record.#wallOffset }
    return record
  }

  /**
   * What two processes know together; see snapshot-parts.ts. Throws MM_INVALID_ARGUMENT when one of them is
   * no snapshot of a version that we know.
   *
   * @param wallNow ms since 1970: what has expired, or comes from the future, is left out. Without it
   * everything stays.
   */
  static mergeSnapshots(a: unknown, b: unknown, wallNow?: number): OriginSnapshot {
    const [ofA, ofB] = [readSnapshot(a), readSnapshot(b)]
    if (ofA === undefined || ofB === undefined) {
      throw new TransportError('MM_INVALID_ARGUMENT', 'not what is kept of an origin, or of another version')
    }
    if (wallNow === undefined) return mergeSnapshots(ofA, ofB)
    return mergeSnapshots(freshSnapshot(ofA, wallNow), freshSnapshot(ofB, wallNow))
  }

  /**
   * What another process of this machine has kept: of each thing what is newer than what is known here. Any
   * JSON; what is none of ours is left alone. Never throws. Returns whether it says something new of HTTP/3.
   */
  learn(kept: unknown, now: number, wallNow: number): boolean {
    const snapshot = readSnapshot(kept)
    if (snapshot === undefined) return false
    this.onTime(now)
    const own = this.snapshot(now, wallNow)
    // What it saw before our network changed is void here, even if it has not noticed.
    const networkChangedAt = Math.max(own.networkChangedAt ?? 0, snapshot.networkChangedAt ?? 0)
    const others = networkChangedAt === 0 ? snapshot : { ...snapshot, networkChangedAt }
    const parts = { ...this.#parts(), options: this.#options }
    const news = newsOf(freshSnapshot(others, wallNow), own)
    restoreParts(parts, news, wallNow - now, now)
    return Object.keys(news.http3).length + Object.keys(news.alternatives).length > 0
  }

  /** The protocol that was negotiated last. */
  get protocol(): Evidence<Protocol> | undefined {
    return this.#get('protocol')
  }
  /** The same over TCP. */
  get tcpProtocol(): Evidence<Protocol> | undefined {
    return this.#get('tcpProtocol')
  }
  get tlsVersion(): Evidence<string> | undefined {
    return this.#get('tlsVersion')
  }
  /** Concurrent streams that the origin allowed on its last connection. */
  get capacity(): Evidence<number> | undefined {
    return this.#get('capacity')
  }
  get keepAlive(): Evidence<KeepAliveHint> | undefined {
    return this.#get('keepAlive')
  }
  get idleHorizon(): Evidence<KeptHorizon> | undefined {
    return this.#get('idleHorizon')
  }
  get demand(): Evidence<KeptDemand> | undefined {
    return this.#get('demand')
  }
  /**
   * Whether the origin offers extended CONNECT (RFC 8441, RFC 9220), as its last HTTP/2 or HTTP/3 connection
   * said.
   */
  get extendedConnect(): Evidence<boolean> | undefined {
    return this.#get('extendedConnect')
  }
  /** The drafts of WebTransport that the origin offers, as its last HTTP/3 connection said; empty: none. */
  get webTransport(): Evidence<readonly string[]> | undefined {
    return this.#get('webTransport')
  }
  /** The origins that the peer says its connection is good for (ORIGIN, RFC 8336). Kept, not acted on. */
  get originSet(): Evidence<readonly string[]> | undefined {
    return this.#get('originSet')
  }
  get addresses(): Evidence<readonly string[]> | undefined {
    return this.#get('addresses')
  }
  /** Of a whole connect, not of one address. Undefined again when a connect succeeded. */
  get lastFailure(): Evidence<ErrorCode> | undefined {
    return this.#get('lastFailure')
  }
  /** Averages, weighted towards the present: of TCP's connect, and of TLS over it. */
  get connectMs(): Evidence<number> | undefined {
    return this.#get('connectMs')
  }
  get tlsMs(): Evidence<number> | undefined {
    return this.#get('tlsMs')
  }
  /** What became of the last ticket that was offered. */
  get resumption(): Evidence<'accepted' | 'refused'> | undefined {
    return this.#get('resumption')
  }
  /**
   * The smoothed round trip of QUIC; where none was measured, its handshake, which takes one and some work.
   */
  get http3RoundTripMs(): number | undefined {
    return (this.#get('quicRoundTripMs') ?? this.#get('quicMs'))?.value
  }
  get networkChangedAt(): number | undefined {
    return this.#networkChangedAt
  }
  /** What onEstimates() was given last, or what was kept of it. */
  get estimates(): unknown {
    return this.#estimates?.value
  }
  /** What the wall clock was ahead of `now` when it was restored; 0: it was not. */
  get wallOffset(): number {
    return this.#wallOffset
  }
  /** The ways to HTTP/3. What it receives directly counts as received by the record. */
  get alternatives(): Alternatives {
    return this.#alternatives
  }

  /** That a probe saw the origin take data with a SYN. Undefined: none did lately, or not on this network. */
  fastOpenTaken(now: number): Evidence<true> | undefined {
    const evidence = this.#facts.get('fastOpen', now)
    return evidence?.value.taken === true ? { ...evidence, value: true } : undefined
  }

  /** Any fact by its name. */
  fact<Name extends FactName>(name: Name): Evidence<FactValues[Name]> | undefined {
    return this.#get(name)
  }

  /** How the last attempt at what endpointKey names went. */
  endpoint(endpoint: string): EndpointMemory | undefined {
    const memory = this.#endpoints.attempts.get(endpoint)
    if (memory === undefined || memory.expiresAt <= this.#now) return undefined
    return { ...memory.value, at: memory.at }
  }

  /** How long a TCP connect to this `address:port` takes, averaged. */
  connectMsOf(endpoint: string): number | undefined {
    const memory = this.#endpoints.connectMs.get(endpoint)
    return memory === undefined || memory.expiresAt <= this.#now ? undefined : memory.value
  }

  /** Whether a probe has found out what this `address:port` makes of QUIC. */
  knowsQuicOf(endpoint: string): boolean {
    const memory = this.#endpoints.quic.get(endpoint)
    return memory !== undefined && memory.expiresAt > this.#now
  }

  /** Where HTTP/3 would go, and what is thought of it there. */
  http3(now: number): Http3Prospect {
    this.onTime(now)
    const prospect = this.#alternatives.http3(now)
    const isUnknown = prospect.alternative === undefined && this.protocol === undefined
    return isUnknown && !this.#alternatives.hasAnySource ? UNKNOWN_HTTP3 : prospect
  }

  /**
   * Where a connection of HTTP/3 goes that somebody has asked for. `isWanted`: though nothing says that it is
   * spoken, as who asks for a session of WebTransport means it. What has failed is left alone for a while.
   */
  http3ToDial(now: number, isWanted: boolean): Http3Prospect {
    const prospect = this.http3(now)
    if (!isWanted || prospect.alternative !== undefined) return prospect
    const status = this.http3Status(alternativeKey(this.#place))
    if (status.isBroken(now)) return { ...prospect, because: status.because(now) }
    return { ...prospect, alternative: known([this.#place], 'configuration', now).list[0] }
  }

  /** By alternativeKey. */
  http3Status(key: string): Http3Status {
    return this.#alternatives.status(key)
  }

  /** When http3() may answer something else without news. Infinity: never. */
  http3ChangesAt(now: number): number {
    return this.#alternatives.changesAt(now)
  }

  /** It is so late now. */
  onTime(now: number): void {
    if (now > this.#now) this.#now = now
  }

  onResolved(resolution: Resolution, now: number): void {
    const addresses = resolution.addresses.map(({ address }) => address)
    this.#set('addresses', addresses, `resolver: ${resolution.source}`, now)
  }

  onConnected({ protocol, endpoint, handshake, offeredTicket }: ConnectedEvidence, now: number): void {
    const { tlsVersion, timings, kind } = handshake
    const isHttp3 = protocol === 'h3'
    if (protocol !== undefined) {
      const source = tlsVersion === undefined ? 'configuration' : 'ALPN'
      this.#set('protocol', protocol, source, now)
      if (!isHttp3) this.#set('tcpProtocol', protocol, source, now)
    }
    this.#facts.drop('lastFailure')
    const source = `average, last with ${endpoint}`
    // QUIC connects and secures in one, and so does a connect that Fast Open has deferred.
    const isInOne = timings.connectMs === 0
    if (!isInOne) {
      this.#facts.sample('connectMs', timings.connectMs, source, now)
      this.#endpoints.onConnectMs(endpoint, timings.connectMs, 'average', now)
    }
    if (tlsVersion === undefined) return
    this.#set('tlsVersion', tlsVersion, `handshake with ${endpoint}`, now)
    if (isHttp3 || !isInOne) this.#facts.sample(isHttp3 ? 'quicMs' : 'tlsMs', timings.tlsMs, source, now)
    if (!offeredTicket) return
    const outcome = kind === 'full' ? 'refused' : 'accepted'
    this.#set('resumption', outcome, `handshake with ${endpoint}`, now)
  }

  onConnectFailed(error: TransportError, now: number): void {
    this.#set('lastFailure', error.code, error.message, now)
  }

  /** The attempts of one dial, in order of their start. */
  onAttempts(attempts: readonly AttemptRecord[], now: number): void {
    this.onTime(now)
    this.#endpoints.onAttempts(attempts, now)
  }

  onCapacity(capacity: number, protocol: Protocol, now: number): void {
    this.#set('capacity', capacity, `${protocol} connection`, now)
  }

  onExtendedConnect(isOffered: boolean, now: number): void {
    this.#set('extendedConnect', isOffered, 'SETTINGS of its last connection', now)
  }

  onWebTransport(drafts: readonly string[], now: number): void {
    this.#set('webTransport', drafts, 'SETTINGS of its last HTTP/3 connection', now)
  }

  onOriginSet(origins: readonly string[], now: number): void {
    this.#set('originSet', origins.slice(0, MAX_ORIGINS), 'ORIGIN frame', now)
  }

  onKeepAlive(hint: KeepAliveHint, now: number): void {
    this.#set('keepAlive', hint, 'Keep-Alive of a response', now)
  }

  /** What its pool has learned and was sized for. */
  onPool(horizon: KeptHorizon | undefined, demand: KeptDemand | undefined, now: number): void {
    if (horizon !== undefined) this.#set('idleHorizon', horizon, 'closes of idle connections', now)
    if (demand !== undefined) this.#set('demand', demand, 'average of the last half minute', now)
  }

  /** As a connection measured it: smoothed already. */
  onRoundTrip(transport: 'tcp' | 'udp', ms: number, now: number): void {
    const name = transport === 'tcp' ? 'tcpRoundTripMs' : 'quicRoundTripMs'
    this.#facts.sample(name, ms, 'average of connections', now)
    this.onTime(now)
  }

  /** The share (0 to 1) of the packets of a connection that were lost. */
  onLossRatio(transport: 'tcp' | 'udp', ratio: number, now: number): void {
    const name = transport === 'tcp' ? 'tcpLossRatio' : 'quicLossRatio'
    this.#facts.sample(name, ratio, 'average of connections', now)
    this.onTime(now)
  }

  /** See Alternatives.onAltSvc: returns whether other places are advertised than before. */
  onAltSvc(value: string, source: 'alt-svc' | 'altsvc-frame', ageSeconds: number, now: number): boolean {
    this.onTime(now)
    return this.#alternatives.onAltSvc(value, source, ageSeconds, now)
  }

  /** What the DNS says about HTTPS records. That nothing could be found out changes nothing. */
  onServiceAnswer(answer: ServiceAnswer, now: number): void {
    if (answer.kind === 'failed') return
    const records = answer.kind === 'found' ? answer.records : []
    const http3 = records.filter(({ alpn }) => alpn.includes('h3')).length
    const { ttlSeconds } = answer
    this.#facts.set('serviceRecords', { records: records.length, http3 }, 'DNS', now, ttlSeconds * 1000)
    this.#alternatives.onServiceRecords(records, ttlSeconds, now)
    this.onTime(now)
  }

  /**
   * What `address:port` made of a packet that asks for QUIC. Faults that say nothing of the port change
   * nothing.
   */
  onQuicProbed(endpoint: string, finding: QuicFinding, now: number): void {
    this.onTime(now)
    if ('found' in finding) {
      const { versions } = finding.found
      this.#endpoints.onQuicReach(endpoint, { kind: 'versions', versions }, 'Version Negotiation', now)
    } else if ('why' in finding && (finding.why === 'refused' || finding.why === 'silent')) {
      this.#endpoints.onQuicReach(endpoint, { kind: finding.why }, 'probe', now)
    }
  }

  /** A probe found that QUIC is spoken there. */
  onHttp3Found(host: string, port: number, now: number): void {
    this.onTime(now)
    this.#alternatives.onProbed([{ host, port }], now)
  }

  /** The origin itself may be spoken to in HTTP/3: the configuration says so. */
  onHttp3Configured(now: number): void {
    this.onTime(now)
    this.#alternatives.onConfigured([this.#place], now)
  }

  /** What only a probe looks at. */
  onProbed(
    found: {
      readonly tlsVersions?: readonly string[]
      readonly alpn?: readonly string[]
      readonly tickets?: ProbedTickets
      readonly fastOpen?: FactValues['fastOpen']
    },
    now: number,
  ): void {
    const { tlsVersions, alpn, tickets, fastOpen } = found
    if (tlsVersions !== undefined) this.#set('tlsVersions', tlsVersions, 'probe', now)
    if (alpn !== undefined) this.#set('alpn', alpn, 'probe', now)
    if (tickets !== undefined) this.#set('tickets', tickets, 'probe', now)
    if (fastOpen !== undefined) {
      const { cookie, taken } = fastOpen
      this.#set('fastOpen', { cookie, taken }, 'probe', now)
    }
  }

  /** `ms`: how long a TCP connect to `address:port` took, of which no connection was made. */
  onConnectProbed(endpoint: string, ms: number, now: number): void {
    this.onTime(now)
    this.#endpoints.onConnectMs(endpoint, ms, 'probe', now)
  }

  /**
   * The origin was reached over TCP: what failed over HTTP/3 just now, or does in a moment, is HTTP/3's
   * fault.
   */
  onTcpWorked(now: number): void {
    this.onTime(now)
    this.#alternatives.onTcpWorked(now)
  }

  /** This machine has other addresses: everything that was learned of the path is void. */
  onNetworkChanged(now: number): void {
    this.onTime(now)
    this.#networkChangedAt = now
    this.#facts.onNetworkChanged()
    this.#endpoints.onNetworkChanged()
    this.#alternatives.onNetworkChanged(now)
  }

  /**
   * What the choice of lanes wants to be kept; opaque here. More than 4 KiB of JSON, or none, is not taken.
   */
  onEstimates(value: unknown, now: number): void {
    const kept = boundedJson(value)
    if (kept !== undefined) this.#estimates = { at: now, value: kept }
  }

  /** Everything that is known, for people. */
  facts(now: number): KnownFact[] {
    return recordFacts(this.#parts(), now)
  }

  /** What is to be kept, as plain JSON. `wallNow`: ms since 1970. */
  snapshot(now: number, wallNow: number): OriginSnapshot {
    return makeSnapshot(this.#parts(), wallNow - now, now)
  }

  #parts() {
    return {
      facts: this.#facts,
      endpoints: this.#endpoints,
      alternatives: this.#alternatives,
      networkChangedAt: this.#networkChangedAt,
      estimates: this.#estimates,
    }
  }

  #get<Name extends FactName>(name: Name): Evidence<FactValues[Name]> | undefined {
    return this.#facts.get(name, this.#now)
  }

  #set<Name extends FactName>(name: Name, value: FactValues[Name], source: string, now: number): void {
    this.onTime(now)
    this.#facts.set(name, value, source, now)
  }
}

// plan.ts and its neighbors speak of endpoints and ages as the record does.
export { age, endpointKey }
