import { randomInt } from 'node:crypto'
import type { Clock, Timer } from '../../base/clock.ts'
import { abortError, asTransportError, TransportError } from '../../base/errors.ts'
import { guardedListener, guardedPromise } from '../../base/guard.ts'
import { type LookedUpAddress, readAddresses } from '../records/address-answers.ts'
import { type DnsQuestion, type DnsReply, encodeQuery, RCODE } from '../records/dns-message.ts'
import { isDnsName, neverAskedBecause, normalName } from '../records/dns-name.ts'
import { type DnsServer, formatDnsServer, parseDnsServer, systemDnsServers } from './dns-server.ts'
import { askOverTcp, askOverUdp, type DnsTryOutcome } from './server-query.ts'
import { QueryGate, SharedQuery } from './shared-query.ts'

export interface DnsClientOptions {
  readonly clock: Clock
  /**
   * `address`, `address:port` or `[v6]:port`; or what says where to ask, at each query. Default: those of the
   * system.
   */
  readonly servers?: readonly string[] | (() => readonly DnsServer[])
  /** One try with one server. Default: 1000. */
  readonly tryTimeoutMs?: number
  /** How often the servers are gone through. Default: 2. */
  readonly rounds?: number
  /** How many times as long a try takes in each later round. Default: 1. */
  readonly laterTryTimes?: number
  /** A query as a whole, waiting for its turn included. 0: as long as its tries take. Default: 5000. */
  readonly timeoutMs?: number
  /** Queries that run at once. Default: 64. */
  readonly maxConcurrent?: number
  /** Queries that wait for their turn. Default: 1024. */
  readonly maxWaiting?: number
}

/**
 * A stub resolver: asks recursive servers, over UDP and where an answer does not fit over TCP, and hands on
 * what they say, with times to live. It is there because node:dns of Node 20 has no HTTPS records and no
 * times to live of CNAME records. Nothing is kept: who asks twice is answered twice, but who asks while the
 * same is being asked shares the query. Sockets and timers never keep the process alive.
 */
export class DnsClient {
  readonly #clock: Clock
  readonly #servers: () => readonly DnsServer[]
  readonly #tries: Pick<AskOptions, 'tryTimeoutMs' | 'rounds' | 'laterTryTimes'>
  readonly #timeoutMs: number
  readonly #gate: QueryGate
  readonly #shared = new Map<string, SharedQuery<DnsReply>>()

  /** Throws MM_INVALID_ARGUMENT for a server that is no address. */
  constructor(options: DnsClientOptions) {
    this.#clock = options.clock
    const { servers = systemDnsServers } = options
    const given = typeof servers === 'function' ? undefined : servers.map(parseDnsServer)
    this.#servers = typeof servers === 'function' ? servers : () => given ?? []
    const { tryTimeoutMs = 1000, rounds = 2, laterTryTimes = 1 } = options
    this.#tries = { tryTimeoutMs, rounds, laterTryTimes }
    this.#timeoutMs = options.timeoutMs ?? 5000
    this.#gate = new QueryGate(options.maxConcurrent ?? 64, options.maxWaiting ?? 1024)
  }

  /** Queries that are being answered or wait for their turn. */
  get pending(): number {
    return this.#shared.size
  }

  /**
   * Asks for the records of one type. That there are none is an answer. Rejects with MM_INVALID_ARGUMENT for
   * what is no name, MM_DNS_FAILED or MM_DNS_TIMEOUT when no server answers, or after an abort with its
   * reason.
   */
  query(question: DnsQuestion, signal: AbortSignal): Promise<DnsReply> {
    if (signal.aborted) return Promise.reject(abortError(signal, 'the DNS query'))
    const name = normalName(question.name)
    if (!isDnsName(name)) {
      const message = `no name for the DNS: ${JSON.stringify(name.slice(0, 300))}`
      return Promise.reject(new TransportError('MM_INVALID_ARGUMENT', message))
    }
    const key = `${question.type} ${name}`
    const shared = this.#shared.get(key) ?? this.#start(key, { type: question.type, name })
    return shared.join(signal)
  }

  /**
   * The addresses of a host, IPv4 before IPv6, with how long they may be kept. They are what the DNS says:
   * /etc/hosts is not looked at. Rejects with MM_DNS_FAILED when there are none (or the DNS is never asked
   * for such a name), MM_DNS_TIMEOUT, or after an abort with its reason.
   */
  async lookupAddresses(host: string, signal: AbortSignal): Promise<readonly LookedUpAddress[]> {
    const name = normalName(host)
    const never = neverAskedBecause(name)
    if (never !== undefined) throw new TransportError('MM_DNS_FAILED', never)
    const answers = await Promise.allSettled([
      this.query({ name, type: 'A' }, signal),
      this.query({ name, type: 'AAAA' }, signal),
    ])
    const addresses: LookedUpAddress[] = []
    let failure = new TransportError('MM_DNS_FAILED', `${name} has no address`)
    for (const answer of answers) {
      if (answer.status === 'rejected') failure = asTransportError(answer.reason, 'MM_DNS_FAILED', 'no')
      else {
        const found = readAddresses(answer.value, name)
        if (typeof found === 'string') failure = new TransportError('MM_DNS_FAILED', found)
        else addresses.push(...found)
      }
    }
    if (signal.aborted) throw abortError(signal, 'the DNS query')
    if (addresses.length === 0) throw failure
    return addresses
  }

  #start(key: string, question: DnsQuestion): SharedQuery<DnsReply> {
    const shared = new SharedQuery<DnsReply>(() => {
      this.#shared.delete(key)
      deadline?.cancel()
    })
    const onOver = (): void => {
      this.#shared.delete(key)
      const message = `${question.name} (${question.type}) was not answered within ${this.#timeoutMs} ms, by ${this.#names()}`
      shared.fail(new TransportError('MM_DNS_TIMEOUT', message))
    }
    const deadline = this.#setDeadline(
      guardedListener('the deadline of a DNS query', onOver, fault => shared.fail(fault)),
    )
    this.#shared.set(key, shared)
    const answered = this.#run(question, shared.signal).then(answer => {
      deadline?.cancel()
      // After a desertion, another query may be under way for the same.
      if (this.#shared.get(key) === shared) this.#shared.delete(key)
      shared.settle(answer)
    })
    guardedPromise('an answer of a DNS server', answered)
    return shared
  }

  /** Never rejects. */
  async #run(question: DnsQuestion, signal: AbortSignal): Promise<{ value: DnsReply } | TransportError> {
    try {
      await this.#gate.enter(signal)
      try {
        const options: AskOptions = { servers: this.#servers(), clock: this.#clock, ...this.#tries }
        return { value: await askServers(question, options, signal) }
      } finally {
        this.#gate.leave()
      }
    } catch (error) {
      return asTransportError(error, 'MM_DNS_FAILED', 'no')
    }
  }

  #setDeadline(onOver: () => void): Timer | undefined {
    return this.#timeoutMs > 0 ? this.#clock.setTimer(this.#timeoutMs, onOver) : undefined
  }

  #names(): string {
    return this.#servers().map(formatDnsServer).join(', ')
  }
}

interface AskOptions {
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
async function askServers(
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
