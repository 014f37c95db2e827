import { formatEndpoint, type Resolution } from '../endpoint.ts'
import { asTransportError } from '../errors.ts'
import { protocolVerdicts } from '../select/protocol-verdicts.ts'
import type { RaceEntrant } from '../select/race-state.ts'
import type { Explanation } from './api.ts'
import { BUILT_PROTOCOLS } from './built-protocols.ts'
import type { OriginEntry } from './origin-entry.ts'

/** What this version leaves out, for people who look for it. */
const NO_INTERFACE = 'Node has no interface for it, and ours is not built in this version'
const UNAVAILABLE: Explanation['unavailable'] = [
  { feature: 'early data over TCP', because: NO_INTERFACE },
  { feature: 'TCP Fast Open', because: NO_INTERFACE },
]

/** What is known of an origin, and what a connect made now would try. Resolves the host, connects nowhere. */
export async function explain(
  entry: OriginEntry,
  http3Fault: string | undefined,
  now: number,
  signal: AbortSignal,
): Promise<Explanation> {
  entry.refreshRecord()
  const { origin, settings, record, lanes } = entry
  const known = record.facts(now)
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
      built:
        http3Fault === undefined ? BUILT_PROTOCOLS : BUILT_PROTOCOLS.filter(protocol => protocol !== 'h3'),
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
    unavailable:
      http3Fault === undefined ? UNAVAILABLE : [{ feature: 'h3', because: http3Fault }, ...UNAVAILABLE],
    pool: entry.stats(),
  }
}

/** The attempts of one lane of the race, from the start of the race. The first one bears the reason of the lane as well. */
async function attemptsOf(
  entry: OriginEntry,
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
