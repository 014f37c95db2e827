import type { Clock } from '../clock.ts'
import { abortError, asTransportError, TransportError } from '../errors.ts'
import { type LookedUpAddress, readAddresses } from '../select/dns/address-answers.ts'
import type { DnsQuestion, DnsReply } from '../select/dns/dns-message.ts'
import { isDnsName, neverAskedBecause, normalName } from '../select/dns/dns-name.ts'
import { askServers } from './ask-servers.ts'
import { type DnsServer, parseDnsServer, systemDnsServers } from './dns-server.ts'
import { QueryGate } from './query-gate.ts'
import { SharedQuery } from './shared-query.ts'

export interface DnsClientOptions {
  readonly clock: Clock
  /** `address`, `address:port` or `[v6]:port`. Default: those of the system, as they are at each query. */
  readonly servers?: readonly string[]
  /** One try with one server. Default: 1000. */
  readonly tryTimeoutMs?: number
  /** How often the servers are gone through. Default: 2. */
  readonly rounds?: number
  /** A query as a whole, waiting for its turn included. Default: 5000. */
  readonly timeoutMs?: number
  /** Queries that run at once. Default: 64. */
  readonly maxConcurrent?: number
  /** Queries that wait for their turn. Default: 1024. */
  readonly maxWaiting?: number
}

/**
 * A stub resolver: asks recursive servers, over UDP and where an answer does not fit over TCP, and hands on what they say, with times to live. It is
 * there because node:dns of Node 20 has no HTTPS records and no times to live of CNAME records. Nothing is kept: who asks twice is answered twice, but
 * who asks while the same is being asked shares the query. Sockets and timers never keep the process alive.
 */
export class DnsClient {
  readonly #clock: Clock
  readonly #servers: readonly DnsServer[] | undefined
  readonly #tryTimeoutMs: number
  readonly #rounds: number
  readonly #timeoutMs: number
  readonly #gate: QueryGate
  readonly #shared = new Map<string, SharedQuery<DnsReply>>()

  /** Throws MM_INVALID_ARGUMENT for a server that is no address. */
  constructor(options: DnsClientOptions) {
    this.#clock = options.clock
    this.#servers = options.servers?.map(parseDnsServer)
    this.#tryTimeoutMs = options.tryTimeoutMs ?? 1000
    this.#rounds = options.rounds ?? 2
    this.#timeoutMs = options.timeoutMs ?? 5000
    this.#gate = new QueryGate(options.maxConcurrent ?? 64, options.maxWaiting ?? 1024)
  }

  /** Queries that are being answered or wait for their turn. */
  get pending(): number {
    return this.#shared.size
  }

  /**
   * Asks for the records of one type. That there are none is an answer. Rejects with MM_INVALID_ARGUMENT for what is no name, MM_DNS_FAILED or
   * MM_DNS_TIMEOUT when no server answers, or after an abort with its reason.
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
   * The addresses of a host, IPv4 before IPv6, with how long they may be kept. They are what the DNS says: /etc/hosts is not looked at. Rejects with
   * MM_DNS_FAILED when there are none (or the DNS is never asked for such a name), MM_DNS_TIMEOUT, or after an abort with its reason.
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
      deadline.cancel()
    })
    const deadline = this.#clock.setTimer(this.#timeoutMs, () => {
      const message = `${question.name} (${question.type}) was not answered within ${this.#timeoutMs} ms`
      this.#shared.delete(key)
      shared.fail(new TransportError('MM_DNS_TIMEOUT', message))
    })
    this.#shared.set(key, shared)
    void this.#run(question, shared.signal).then(answer => {
      deadline.cancel()
      // After a desertion, another query may be under way for the same.
      if (this.#shared.get(key) === shared) this.#shared.delete(key)
      shared.settle(answer)
    })
    return shared
  }

  /** Never rejects. */
  async #run(question: DnsQuestion, signal: AbortSignal): Promise<{ value: DnsReply } | TransportError> {
    try {
      await this.#gate.enter(signal)
      try {
        const servers = this.#servers ?? systemDnsServers()
        const options = {
          servers,
          clock: this.#clock,
          tryTimeoutMs: this.#tryTimeoutMs,
          rounds: this.#rounds,
        }
        return { value: await askServers(question, options, signal) }
      } finally {
        this.#gate.leave()
      }
    } catch (error) {
      return asTransportError(error, 'MM_DNS_FAILED', 'no')
    }
  }
}
