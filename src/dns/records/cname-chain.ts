import type { DnsAnswer, DnsReply } from './dns-message.ts'

export interface CnameChain {
  /** The last name: what the records belong to. */
  readonly owner: string
  /** CNAME records on the way. */
  readonly hops: number
  /** The shortest along the way, in seconds; Infinity without a hop. */
  readonly ttlSeconds: number
}

/**
 * Where the CNAME records of one answer lead from a name. A text says why they lead nowhere: in circles, or
 * too far.
 */
export function followCnames({ answers }: DnsReply, name: string, maxHops: number): CnameChain | string {
  const targets = new Map<string, Extract<DnsAnswer, { type: 'CNAME' }>>()
  for (const answer of answers) if (answer.type === 'CNAME') targets.set(answer.name, answer)
  const seen = new Set([name])
  let owner = name
  let ttlSeconds = Infinity
  for (let hops = 0; ; hops++) {
    const next = targets.get(owner)
    if (next === undefined) return { owner, hops, ttlSeconds }
    if (seen.has(next.target)) return `the CNAME records of ${name} go round in circles`
    if (hops === maxHops) return `${name} leads over too many names`
    seen.add(next.target)
    owner = next.target
    ttlSeconds = Math.min(ttlSeconds, next.ttlSeconds)
  }
}
