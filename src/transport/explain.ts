import { formatEndpoint } from '../endpoint.ts'
import { asTransportError } from '../errors.ts'
import type { Explanation } from './api.ts'
import type { OriginEntry } from './origin-entry.ts'

/** What this version leaves out, for people who look for it. */
const UNAVAILABLE: Explanation['unavailable'] = [
  { feature: 'h3', because: 'HTTP/3 is not built in this version' },
  { feature: 'early data', because: 'Node has no interface for it, and ours is not built in this version' },
  {
    feature: 'TCP Fast Open',
    because: 'Node has no interface for it, and ours is not built in this version',
  },
]

/** What is known of an origin, and what a connect made now would try. Resolves the host, connects nowhere. */
export async function explain(entry: OriginEntry, now: number, signal: AbortSignal): Promise<Explanation> {
  entry.refreshRecord()
  const known = entry.record.facts(now)
  let plan: ReturnType<OriginEntry['connector']['plan']> | undefined
  try {
    plan = entry.connector.plan(await entry.resolver.resolve(entry.origin.host, signal))
  } catch (cause) {
    const error = asTransportError(cause)
    known.push({ fact: 'its addresses cannot be found now', evidence: `${error.code}: ${error.message}` })
  }
  plan ??= entry.connector.plan({ addresses: [], source: 'none' })
  return {
    origin: entry.origin.key,
    protocols: plan.protocols.map(({ protocol, isTried, because }) => ({
      protocol,
      allowed: isTried,
      because,
    })),
    plan: plan.attempts.map(({ protocol, endpoint, startAfterMs, because }) => ({
      protocol,
      endpoint: formatEndpoint(endpoint),
      startAfterMs,
      because,
    })),
    known,
    unavailable: UNAVAILABLE,
    pool: entry.stats(),
  }
}
