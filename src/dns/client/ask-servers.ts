import { randomInt } from 'node:crypto'
import type { Clock } from '../../base/clock.ts'
import { abortError, TransportError } from '../../base/errors.ts'
import { type DnsQuestion, type DnsReply, encodeQuery, RCODE } from '../records/dns-message.ts'
import { type DnsServer, formatDnsServer } from './dns-server.ts'
import type { DnsTryOutcome } from './server-query.ts'
import { askOverTcp, askOverUdp } from './server-query.ts'

export interface AskOptions {
  readonly servers: readonly DnsServer[]
  readonly clock: Clock
  /** For each try: a server, and for TCP after UDP once more. */
  readonly tryTimeoutMs: number
  /** How often the servers are gone through. */
  readonly rounds: number
  /** How many times as long a try takes in each later round. */
  readonly laterTryTimes: number
}

/**
 * Asks one server after the other until one answers. Rejects with MM_DNS_FAILED, with MM_DNS_TIMEOUT when
 * none said anything at all, or after an abort with its reason.
 */
export async function askServers(
  question: DnsQuestion,
  { servers, clock, tryTimeoutMs, rounds, laterTryTimes }: AskOptions,
  signal: AbortSignal,
): Promise<DnsReply> {
  if (servers.length === 0) throw new TransportError('MM_DNS_FAILED', 'there is no DNS server to ask')
  const failures = new Map<string, string>()
  let isSilent = true
  for (let round = 0; round < rounds; round++) {
    for (const server of servers) {
      const ask: Ask = { server, clock, timeoutMs: tryTimeoutMs * laterTryTimes ** round, signal }
      let outcome = await askServer(question, ask, true)
      // From before EDNS(0): RFC 6891 section 7.
      const isOld = outcome.kind === 'refused' && outcome.rcode === RCODE.formatError
      if (isOld && !signal.aborted) outcome = await askServer(question, ask, false)
      if (signal.aborted) throw abortError(signal, 'the DNS query')
      if (outcome.kind === 'reply') return outcome.reply
      if (outcome.kind !== 'silent') isSilent = false
      const because = outcome.kind === 'truncated' ? 'truncated' : outcome.because
      failures.set(formatDnsServer(server), because)
    }
  }
  const code = isSilent ? 'MM_DNS_TIMEOUT' : 'MM_DNS_FAILED'
  const reasons = [...failures].map(([server, because]) => `${server}: ${because}`).join('; ')
  throw new TransportError(code, `no DNS server answers for ${question.name} (${question.type}): ${reasons}`)
}

interface Ask {
  readonly server: DnsServer
  readonly clock: Clock
  readonly timeoutMs: number
  readonly signal: AbortSignal
}

async function askServer(question: DnsQuestion, ask: Ask, hasEdns: boolean): Promise<DnsTryOutcome> {
  if (ask.signal.aborted) return { kind: 'aborted', because: 'given up' }
  const query = encodeQuery(question, randomInt(0x1_0000), hasEdns)
  const overUdp = await askOverUdp({ ...ask, query })
  if (overUdp.kind !== 'truncated' || ask.signal.aborted) return overUdp
  return askOverTcp({ ...ask, query })
}
