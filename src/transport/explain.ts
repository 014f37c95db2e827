import { formatEndpoint } from '../endpoint.ts'
import { asTransportError } from '../errors.ts'
import type { Explanation } from './api.ts'
import type { OriginEntry } from './origin-entry.ts'

/** What this version leaves out, for people who look for it. */
const NO_INTERFACE = 'Node has no interface for it, and ours is not built in this version'
const UNAVAILABLE: Explanation['unavailable'] = [
  { feature: 'early data over TCP', because: NO_INTERFACE },
  { feature: 'TCP Fast Open', because: NO_INTERFACE },
]

/** What is known of an origin, and what a connect made now would try. Resolves the host, connects nowhere. */
export async function explain(entry: OriginEntry, now: number, signal: AbortSignal): Promise<Explanation> {
  entry.refreshRecord()
  const known = entry.record.facts(now)
  let plan: ReturnType<OriginEntry['connector']['plan']> | undefined
  try {
    plan = entry.connector.plan(await entry.resolver.resolve(entry.origin.host, signal), 'explain')
  } catch (cause) {
    const error = asTransportError(cause)
    known.push({ fact: 'its addresses cannot be found now', evidence: `${error.code}: ${error.message}` })
  }
  plan ??= entry.connector.plan({ addresses: [], source: 'none' }, 'explain')
  const { http3Fault } = entry.connector
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
    unavailable:
      http3Fault === undefined ? UNAVAILABLE : [{ feature: 'h3', because: http3Fault }, ...UNAVAILABLE],
    pool: entry.stats(),
  }
}
