import { asTransportError } from '../base/errors.ts'
import { formatEndpoint, type Resolution } from '../base/http/endpoint.ts'
import type { PoolOptions } from '../base/options/options.ts'
import type { EarlyDialer } from '../connect/early-data/early-dialer.ts'
import type { FastOpen } from '../connect/fast-open/fast-open.ts'
import { missedSavings } from '../origin/economy/missed-savings.ts'
import type { OriginEntry } from '../origin/origin-entry.ts'
import type { PoolStats } from '../origin/stats.ts'
import { protocolVerdicts } from '../select/protocol-verdicts.ts'
import type { RaceEntrant } from '../select/race/race-state.ts'
import type { Explanation } from './types.ts'

/** What this machine can do beyond Node. */
export interface Machine {
  /** Why there is no HTTP/3. */
  readonly http3Fault: string | undefined
  /** How the datagrams of HTTP/3 are moved, and what is missing; undefined: HTTP/3 is not spoken. */
  readonly udp?: { readonly uses: string; readonly missing: string | undefined } | undefined
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
  | 'lanes'
  | 'paths'
  | 'socketSettings'
  | 'fastOpenNews'
  | 'coalescingFacts'
  | 'refreshRecord'
  | 'stats'
>

/** What is known of an origin, and what a connect made now would try. Resolves the host, connects nowhere. */
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
    ...entry.coalescingFacts(now),
    ...(machine.udp === undefined ? [] : [{ fact: 'how UDP datagrams move', evidence: machine.udp.uses }]),
    ...overloadFacts(settings.pool, pool),
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
    savings: missedSavings(settings, pool),
    pool,
  }
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

function unavailable({ socketSettings }: ExplainedOrigin, machine: Machine): Explanation['unavailable'] {
  const { http3Fault, fastOpen, early } = machine
  const missing = (feature: string, because: string | undefined): Explanation['unavailable'] =>
    because === undefined ? [] : [{ feature, because }]
  return [
    ...missing('h3', http3Fault),
    ...missing('UDP in batches', machine.udp?.missing),
    ...missing('early data over TCP', early.unavailable),
    ...missing('TCP Fast Open', fastOpen.unavailable),
    ...socketSettings.faults.flatMap(({ option, because }) => missing(`socket.${option}`, because)),
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
  const { connector } = lanes.named(name)
  const alternative = name === 'h3' ? connector.alternative(now) : undefined
  const resolution: Resolution =
    alternative === undefined
      ? await resolver.resolve(origin.host, signal)
      : await connector.resolveAlternative(alternative, signal)
  return connector.plan(resolution, alternative?.port).map((attempt, index) => ({
    lane: name,
    protocol: attempt.protocol,
    endpoint: formatEndpoint(attempt.endpoint),
    startAfterMs: startAfterMs + attempt.startAfterMs,
    because: index === 0 ? `${because}; ${attempt.because}` : attempt.because,
  }))
}
