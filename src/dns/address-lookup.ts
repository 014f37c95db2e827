import type { Clock } from '../base/clock.ts'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import type { ResolverOptions } from '../base/options/resolver-options.ts'
import { askAddresses } from './ask-addresses.ts'
import { DnsClient } from './client/dns-client.ts'
import { type FoundAddresses, noAddress } from './found-addresses.ts'
import { NameConfig } from './name-config.ts'
import { isLoopbackName, isUnder } from './name-sources.ts'
import { neverAskedBecause, normalName } from './records/dns-name.ts'
import { candidateNames } from './resolv-conf.ts'
import { orderByRoutes } from './source-address.ts'
import { SystemLookup } from './system-lookup.ts'

export interface AddressLookupOptions {
  readonly clock: Clock
  readonly options: Pick<ResolverOptions, 'addresses' | 'dnsQueryMs' | 'maxDnsQueries' | 'maxSystemLookups'>
  /** Servers instead of the system's. */
  readonly servers?: readonly string[] | undefined
  /** Tests have files of their own. */
  readonly config?: NameConfig
}

/** One try with one server; the second round waits this many times as long, for names that are far away. */
const TRY_MS = 1_000
const LATER_TRY_TIMES = 3
const LOOPBACK: readonly ResolvedAddress[] = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
]

/**
 * Finds the addresses of a host, without occupying libuv's threads where that can be had: getaddrinfo blocks
 * one for as long as a name hangs, so that a few dead names stop every other lookup of the process. In this
 * order:
 * 1. by getaddrinfo: where the machine resolves names otherwise than by /etc/hosts and the DNS, or the
 *    options say so, and names that only it knows;
 * 2. /etc/hosts;
 * 3. localhost is this machine;
 * 4. the DNS, with the search domains of resolv.conf, by sockets of our own. A name that does not exist leads
 *    on to the next candidate; that nobody answers does not, since what another name has is no answer to this
 *    one.
 */
export class AddressLookup {
  readonly #mode: ResolverOptions['addresses']
  readonly #config: NameConfig
  readonly #system: SystemLookup
  readonly #client: DnsClient
  readonly #clock: Clock
  readonly #hasOwnServers: boolean

  /** Throws MM_INVALID_ARGUMENT for a server that is no address. */
  constructor({ clock, options, servers, config = new NameConfig(clock) }: AddressLookupOptions) {
    this.#clock = clock
    this.#mode = options.addresses
    this.#config = config
    this.#hasOwnServers = servers !== undefined
    this.#system = new SystemLookup(options.maxSystemLookups)
    this.#client = new DnsClient({
      clock,
      servers: servers ?? (() => config.servers),
      tryTimeoutMs: TRY_MS,
      laterTryTimes: LATER_TRY_TIMES,
      timeoutMs: options.dnsQueryMs,
      maxConcurrent: Math.max(1, options.maxDnsQueries),
    })
  }

  readonly find = async (host: string): Promise<FoundAddresses> => {
    const name = normalName(host)
    if (this.#isForSystem(name)) return this.#system.find(host) // 1
    const listed = this.#config.hosts.get(name)
    if (listed !== undefined) return this.#found(listed, 'hosts', Infinity) // 2
    if (isLoopbackName(name)) return this.#found(LOOPBACK, 'hosts', Infinity) // 3
    // Who gets here has no multicast for it.
    const never = isUnder(name, 'local') ? undefined : neverAskedBecause(name)
    if (never !== undefined) return noAddress(name, never, Infinity)
    let first: FoundAddresses | undefined
    for (const candidate of candidateNames(host, this.#config.search)) {
      const answer = await askAddresses(this.#client, candidate, this.#clock)
      if (answer.kind === 'found') return this.#found(answer.addresses, answer.source, answer.ttlMs) // 4
      if (answer.kind === 'failed') return answer
      if (first === undefined || candidate === name) first = answer
    }
    return first ?? noAddress(name, `${name} has no address`, 0)
  }

  #isForSystem(name: string): boolean {
    if (this.#mode === 'system') return true
    if (this.#mode === 'dns') return false
    if (this.#config.isForSystem(name)) return true
    return !this.#hasOwnServers && this.#config.systemOnlyBecause !== undefined
  }

  async #found(
    addresses: readonly ResolvedAddress[],
    source: string,
    ttlMs: number,
  ): Promise<FoundAddresses> {
    return { kind: 'found', addresses: await orderByRoutes(addresses), source, ttlMs }
  }
}
