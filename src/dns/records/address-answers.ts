import { followCnames } from './cname-chain.ts'
import type { DnsReply } from './dns-message.ts'
import { boundedTtlSeconds } from './dns-ttl.ts'

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
