import { asTransportError } from '../base/errors.ts'
import { formatEndpoint, type Resolution } from '../base/http/endpoint.ts'
import type { Protocol } from '../base/http/protocol.ts'
import type { PoolOptions } from '../base/options/options.ts'
import { dscpOf } from '../base/options/socket-options.ts'
import type { EarlyDialer } from '../connect/early-data/early-dialer.ts'
import type { FastOpen } from '../connect/fast-open/fast-open.ts'
import type { UdpStanding } from '../origin/connecting/http3-dialer.ts'
import { missedSavings } from '../origin/economy/missed-savings.ts'
import type { OriginEntry } from '../origin/origin-entry.ts'
import type { PoolStats } from '../origin/stats.ts'
import { offeredProtocols } from '../select/plan.ts'
import type { RaceEntrant } from '../select/race/race-state.ts'
import type { OriginRecord } from '../select/record/origin-record.ts'
import type { ShareFigures } from '../state/shares/share-keeper.ts'
import type { Explanation } from './types.ts'

/** What this machine can do beyond Node. */
export interface Machine {
  /** Why there is no HTTP/3. */
  readonly http3Fault: string | undefined
  /** How the datagrams of HTTP/3 are moved, and what is missing; undefined: HTTP/3 is not spoken. */
  readonly udp?: UdpStanding | undefined
  readonly fastOpen: Pick<FastOpen, 'unavailable' | 'facts'>
  readonly early: Pick<EarlyDialer, 'unavailable'>
}

/** What is explained of an origin. */
export type ExplainedOrigin = Pick<
  OriginEntry,
  | 'origin'
  | 'settings'
  | 'record'
  | 'resolver'
  | 'route'
  | 'locals'
  | 'lanes'
  | 'paths'
  | 'socketSettings'
  | 'fastOpenNews'
  | 'coalescing'
  | 'hints'
  | 'refreshRecord'
  | 'stats'
>

/**
 * What is known of an origin, and what a connect made now would try. Resolves the host, connects nowhere.
 */
export async function explain(
  entry: ExplainedOrigin,
  machine: Machine,
  now: number,
  signal: AbortSignal,
): Promise<Explanation> {
  entry.refreshRecord()
  const { origin, settings, record, lanes } = entry
  const { http3Fault } = machine
  const pool = entry.stats()
  const known = [
    ...record.facts(now),
    ...fastOpenFacts(entry, machine, now),
    ...entry.paths.facts(now),
    ...entry.coalescing.facts(now),
    ...entry.hints.facts(now),
    ...(machine.udp === undefined ? [] : [{ fact: 'how UDP datagrams move', evidence: machine.udp.uses }]),
    ...overloadFacts(settings.pool, pool),
    ...admissionFacts(pool),
    ...hedgingFacts(pool),
    ...endpointFacts(pool),
    ...endpointNameFacts(pool),
    ...protectionFacts(pool),
  ]
  const plan: Explanation['plan'][number][] = []
  for (const entrant of lanes.plan(now)) {
    try {
      plan.push(...(await attemptsOf(entry, entrant, now, signal)))
    } catch (cause) {
      const { code, message } = asTransportError(cause)
      known.push({
        fact: `the addresses of ${entrant.lane} cannot be found now`,
        evidence: `${code}: ${message}`,
      })
    }
  }
  // Behind the plan, with which the proxy or the local address is chosen.
  known.push(...((entry.route ?? entry.locals)?.facts(now) ?? []))
  const verdicts = protocolVerdicts(
    {
      record,
      allowed: settings.protocols,
      http3Fault,
      isSecure: origin.scheme === 'https',
    },
    now,
  )
  return {
    origin: origin.key,
    decision: lanes.decision(now),
    protocols: verdicts.map(({ protocol, isTried, because }) => ({ protocol, allowed: isTried, because })),
    plan,
    known,
    unavailable: unavailable(entry, machine),
    savings: missedSavings(settings, pool, entry.coalescing.missed),
    pool,
  }
}

function endpointFacts({ endpoints = [] }: PoolStats): Explanation['known'] {
  return endpoints.map(({ address, lane, state, because, isUsed, health, healthBecause, chosenBecause }) => {
    const standing = state === 'up' && health !== 'healthy' ? health : state
    return {
      fact: `endpoint ${address} over ${lane} is ${standing}${isUsed ? '' : ', and not used now'}`,
      evidence: because ?? healthBecause ?? chosenBecause ?? 'no request went there yet',
    }
  })
}

function endpointNameFacts({ endpointNames = [] }: PoolStats): Explanation['known'] {
  return endpointNames.map(({ name, addresses, ignored, ageMs, lastError }) => {
    const beyond = ignored === 0 ? '' : `, and ${ignored} more than balance.maxAddressesPerName`
    const found =
      ageMs === undefined ? 'it was not resolved yet' : `resolved ${(ageMs / 1_000).toFixed(1)} s ago`
    return {
      fact: `endpoint name ${name} has ${addresses} addresses${beyond}`,
      evidence: lastError === undefined ? found : `${found}; the last lookup failed: ${lastError}`,
    }
  })
}

function overloadFacts(
  { queueTargetMs, queueIntervalMs }: PoolOptions,
  { overloaded, waiters, shed }: PoolStats,
): Explanation['known'] {
  if (!overloaded) return []
  const evidence =
    `requests waited longer than pool.queueTargetMs = ${queueTargetMs} for pool.queueIntervalMs = ${queueIntervalMs}; ` +
    `${waiters} wait, ${shed} made room so far`
  return [{ fact: 'more requests come than the origin serves: the newest go first', evidence }]
}

function admissionFacts({ breakers, concurrency, retryBudget }: PoolStats): Explanation['known'] {
  const known: Explanation['known'][number][] = []
  const { requests, retries } = breakers
  const bounds = [
    [requests, 'at most so many requests are under way at a time', 'breakers.maxRequests'],
    [retries, 'at most so many of them were sent again', 'breakers.maxRetries'],
  ] as const
  for (const [{ limit, used, refused }, fact, option] of bounds) {
    if (limit === 0) continue
    known.push({
      fact,
      evidence: `${option} = ${limit}; ${used} are now, ${refused} were turned away so far`,
    })
  }
  if (concurrency !== undefined) {
    const { limit, inFlight, refused, recentMs, longMs } = concurrency
    const latency =
      recentMs === undefined || longMs === undefined
        ? 'no latency is known yet'
        : `answers began after ${recentMs.toFixed(1)} ms of late, ${longMs.toFixed(1)} ms in the long run`
    const evidence = `${latency}; ${inFlight} are under way, ${refused} were turned away so far`
    known.push({ fact: `the origin bears ${limit} requests at a time`, evidence })
  }
  if (retryBudget.left === 0) {
    const evidence = `${retryBudget.refused} replays were not made so far (retry.budgetRatio, retry.budgetMin)`
    known.push({ fact: 'the retry budget is empty', evidence })
  }
  return known
}

function hedgingFacts({ hedging }: PoolStats): Explanation['known'] {
  if (hedging === undefined) return []
  const { delayMs, outcomes, refused } = hedging
  const { won, lost, failed } = outcomes
  const when = delayMs === undefined ? 'too few answers came to know when' : `after ${delayMs.toFixed(1)} ms`
  const evidence = `${when}; ${won + lost + failed} were so far, and ${won} answered first that way; ${refused} were not for want of a budget`
  return [{ fact: 'slow requests are sent twice (hedge)', evidence }]
}

function protectionFacts({ protection, waiters, protectedRefusals }: PoolStats): Explanation['known'] {
  if (protection === undefined) return []
  const { ceiling, share, holds, fairBy, shared } = protection
  const order = fairBy === 'none' ? 'in their order' : `in turns by ${fairBy}`
  const evidence =
    `protection.maxConnections = ${ceiling}, ${shareText(share, shared)}${holds} are there; ` +
    `${waiters} wait ${order}, ${protectedRefusals} were refused so far`
  return [{ fact: 'the origin is protected', evidence }]
}

/** Nothing where the ceiling is this process' own. */
function shareText(share: number, shared: ShareFigures | undefined): string {
  if (shared === undefined) return ''
  const { state, all } = shared
  if (state === 'cut-off') return `nobody says how much of it is ours, and it may have ${share}, `
  const others = all === undefined ? '' : ` (${all.members} share ${all.limit} and want ${all.wanted})`
  return `of which this process may have ${share} now${others}, `
}

function unavailable(
  { socketSettings, settings, locals }: ExplainedOrigin,
  machine: Machine,
): Explanation['unavailable'] {
  const { http3Fault, fastOpen, early } = machine
  const missing = (feature: string, because: string | undefined): Explanation['unavailable'] =>
    because === undefined ? [] : [{ feature, because }]
  return [
    ...missing('h3', http3Fault),
    ...missing('UDP in batches', machine.udp?.missing),
    ...missing('early data over TCP', early.unavailable),
    ...missing('TCP Fast Open', fastOpen.unavailable),
    ...socketSettings.faults.flatMap(({ option, because }) => missing(`socket.${option}`, because)),
    ...(dscpOf(settings.socket.dscp) > 0 && machine.udp?.isMarking === false
      ? missing('socket.dscp over HTTP/3', machine.udp.missing)
      : []),
    ...(locals?.unavailable ?? []),
  ]
}

function fastOpenFacts(entry: ExplainedOrigin, { fastOpen }: Machine, now: number): Explanation['known'] {
  const { settings, record, fastOpenNews } = entry
  if (settings.tfo === 'off') return []
  const isHeld = settings.tfo === 'auto' && record.fastOpenTaken(now) === undefined
  const held = {
    fact: 'TCP Fast Open is not used yet',
    evidence: 'tfo is auto, and no probe has seen it work',
  }
  const news = fastOpenNews.facts(now)
  return [...(isHeld ? [held] : []), ...news, ...fastOpen.facts(record.addresses?.value ?? [])]
}

/**
 * The attempts of one lane of the race, from the start of the race. The first one bears the reason of the
 * lane as well.
 */
async function attemptsOf(
  entry: ExplainedOrigin,
  { lane: name, startAfterMs, because }: RaceEntrant,
  now: number,
  signal: AbortSignal,
): Promise<Explanation['plan'][number][]> {
  const { lanes, origin, resolver } = entry
  const { connector, balanced } = lanes.named(name)
  const alternative = name === 'h3' ? connector.alternative(now) : undefined
  const resolution: Resolution =
    alternative === undefined
      ? await resolver.resolve(origin.host, signal)
      : await connector.resolveAlternative(alternative, signal)
  return connector.plan(resolution, alternative?.port).map((attempt, index) => ({
    lane: name,
    protocol: attempt.protocol,
    endpoint: formatEndpoint(attempt.endpoint),
    // Balanced ones do not wait for each other: each request goes to the one that it is given.
    startAfterMs: startAfterMs + (balanced === undefined ? attempt.startAfterMs : 0),
    because:
      balanced === undefined ? whyAttempt(because, attempt, index) : `${because}; one of its endpoints`,
  }))
}

function whyAttempt(laneBecause: string, { because }: { because: string }, index: number): string {
  return index === 0 ? `${laneBecause}; ${because}` : because
}

export interface VerdictInput {
  readonly record: OriginRecord
  /** By configuration, best first. */
  readonly allowed: readonly Protocol[]
  /** Why this machine cannot speak HTTP/3. Undefined: it can. */
  readonly http3Fault?: string | undefined
  /** The origin is reached by TLS, so that ALPN settles the protocol. */
  readonly isSecure: boolean
}

/** Whether a protocol may carry requests to the origin now, and why. */
interface ProtocolVerdict {
  readonly protocol: Protocol
  readonly isTried: boolean
  readonly because: string
}

const PROTOCOLS: readonly Protocol[] = ['h3', 'h2', 'http/1.1']

/** Every protocol that is known to us, with the reason why it is tried or not. */
export function protocolVerdicts(input: VerdictInput, now: number): readonly ProtocolVerdict[] {
  const { allowed, isSecure, record, http3Fault } = input
  const offered = offeredProtocols({ allowed, isSecure, known: record.protocol?.value })
  return PROTOCOLS.map(protocol => {
    if (!allowed.includes(protocol)) return no(protocol, 'not allowed by the configuration')
    if (protocol === 'h3') return http3Fault === undefined ? judgeHttp3(input, now) : no(protocol, http3Fault)
    const place = offered.indexOf(protocol)
    if (place === -1) {
      return no(protocol, 'cleartext has no ALPN: spoken there only when it is the only one that is allowed')
    }
    return { protocol, isTried: true, because: whyOffered(protocol, input, place, offered.length) }
  })
}

function judgeHttp3({ record, isSecure, allowed }: VerdictInput, now: number): ProtocolVerdict {
  if (!isSecure) return no('h3', 'QUIC has no cleartext: HTTP/3 needs an https origin')
  if (allowed.length === 1) return { protocol: 'h3', isTried: true, because: 'the only one that is allowed' }
  const { alternative, because } = record.http3(now)
  return { protocol: 'h3', isTried: alternative !== undefined, because }
}

function no(protocol: Protocol, because: string): ProtocolVerdict {
  return { protocol, isTried: false, because }
}

function whyOffered(protocol: Protocol, input: VerdictInput, place: number, count: number): string {
  const known = input.record.protocol
  if (known?.value === protocol) return `negotiated last time (${known.source})`
  if (!input.isSecure) {
    if (protocol === 'h2') return 'the only one that is allowed: spoken by prior knowledge'
    return 'cleartext has no ALPN: the one that every origin speaks'
  }
  if (count === 1) return 'the only one that is allowed: the origin must agree to it by ALPN'
  return `choice ${place + 1} of ${count} that are offered by ALPN; the origin takes one`
}
