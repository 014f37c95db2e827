import { boundedTtlSeconds, type DnsAnswer, type DnsReply } from './dns-message.ts'

/** An address from the DNS itself, with how long it may be kept. */
export interface LookedUpAddress {
  readonly address: string
  readonly family: 4 | 6
  readonly ttlSeconds: number
}

/** CNAME records in one answer: the chains of content networks have four or five. */
const MAX_HOPS = 8

/**
 * The addresses that one answer has for a name. A text says why it has none that could be used; an empty
 * list: it has none.
 */
export function readAddresses(reply: DnsReply, name: string): readonly LookedUpAddress[] | string {
  const chain = followCnames(reply, name, MAX_HOPS)
  if (typeof chain === 'string') return chain
  return reply.answers.flatMap(answer => {
    if ((answer.type !== 'A' && answer.type !== 'AAAA') || answer.name !== chain.owner) return []
    const ttlSeconds = boundedTtlSeconds(chain.ttlSeconds, answer.ttlSeconds)
    return [{ address: answer.address, family: answer.type === 'A' ? 4 : 6, ttlSeconds }]
  })
}

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
