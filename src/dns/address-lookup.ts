import { lookup } from 'node:dns'
import type { Clock, Timer } from '../base/clock.ts'
import { asTransportError, TransportError } from '../base/errors.ts'
import type { ResolvedAddress } from '../base/http/endpoint.ts'
import type { ResolverOptions } from '../base/options/resolver-options.ts'
import { type FoundAddresses, noAddress, notFound } from './addresses.ts'
import { DnsClient } from './client/dns-client.ts'
import { QueryGate } from './client/shared-query.ts'
import { orderByRoutes } from './destination-order.ts'
import { NameConfig } from './name-config.ts'
import { candidateNames, isLoopbackName, isUnder } from './name-files.ts'
import { type LookedUpAddress, readAddresses } from './records/address-answers.ts'
import type { DnsReply, DnsType } from './records/dns-message.ts'
import { neverAskedBecause, normalName } from './records/dns-name.ts'

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

/**
 * How long the second of two families is waited for when the first one is there. RFC 8305 section 3 has 50 ms
 * for a connection that waits; what is found here is kept, too. A server that never answers one of the types
 * costs no more than this.
 */
const FAMILY_WAIT_MS = 250
/** What nobody says how long it may be believed: until it is asked for again. */
const UNKNOWN_TTL_SECONDS = 0

/** What became of one family. */
type FamilyAnswer =
  | { readonly kind: 'found'; readonly addresses: readonly LookedUpAddress[] }
  | { readonly kind: 'none'; readonly because: string; readonly ttlSeconds: number }
  | { readonly kind: 'failed'; readonly error: TransportError }

/** Asks for both families of one name at once. Never rejects. IPv6 comes first, as for getaddrinfo. */
async function askAddresses(
  client: Pick<DnsClient, 'query'>,
  name: string,
  clock: Clock,
): Promise<FoundAddresses> {
  const over = new AbortController()
  const [v6, v4] = await bothOrOne(
    askFamily(client, name, 'AAAA', over.signal),
    askFamily(client, name, 'A', over.signal),
    clock,
  )
  over.abort()
  const answers = [v6, v4].filter(answer => answer !== undefined)
  const found = answers.flatMap(answer => (answer.kind === 'found' ? answer.addresses : []))
  const failure = answers.find(answer => answer.kind === 'failed')
  const isPartial = failure !== undefined || answers.length < 2
  if (found.length > 0) {
    const ttlMs = Math.min(...found.map(({ ttlSeconds }) => ttlSeconds)) * 1000
    const addresses = found.map(({ address, family }) => ({ address, family }))
    return { kind: 'found', addresses, source: isPartial ? 'dns-partial' : 'dns', ttlMs }
  }
  if (failure !== undefined) return { kind: 'failed', error: failure.error }
  const none = answers.flatMap(answer => (answer.kind === 'none' ? [answer] : []))
  const ttlMs = Math.min(...none.map(({ ttlSeconds }) => ttlSeconds)) * 1000
  const because = none[0]?.because ?? `${name} has no address`
  return noAddress(name, because, ttlMs)
}

async function askFamily(
  client: Pick<DnsClient, 'query'>,
  name: string,
  type: DnsType,
  signal: AbortSignal,
): Promise<FamilyAnswer> {
  let reply: DnsReply
  try {
    reply = await client.query({ name, type }, signal)
  } catch (error) {
    return { kind: 'failed', error: asTransportError(error, 'MM_DNS_FAILED', 'no') }
  }
  const addresses = readAddresses(reply, name)
  if (typeof addresses === 'string')
    return { kind: 'failed', error: new TransportError('MM_DNS_FAILED', addresses) }
  if (addresses.length > 0) return { kind: 'found', addresses }
  const because = reply.doesExist ? `${name} has no address` : `${name} does not exist`
  return { kind: 'none', because, ttlSeconds: reply.negativeTtlSeconds ?? UNKNOWN_TTL_SECONDS }
}

/** Both, or the one that found addresses while the other one takes longer than is waited for. */
function bothOrOne(
  first: Promise<FamilyAnswer>,
  second: Promise<FamilyAnswer>,
  clock: Clock,
): Promise<readonly [FamilyAnswer | undefined, FamilyAnswer | undefined]> {
  return new Promise((resolve, reject) => {
    const answers: [FamilyAnswer | undefined, FamilyAnswer | undefined] = [undefined, undefined]
    let timer: Timer | undefined
    const onAnswer = (index: 0 | 1, answer: FamilyAnswer): void => {
      answers[index] = answer
      if (answers[0] !== undefined && answers[1] !== undefined) {
        timer?.cancel()
        resolve(answers)
      } else if (answer.kind === 'found') {
        timer = clock.setTimer(FAMILY_WAIT_MS, () => {
          // A loop that stood still runs its timers before it reads what has come meanwhile.
          timer = clock.setTimer(0, () => resolve([...answers]))
        })
      }
    }
    first.then(answer => onAnswer(0, answer)).catch(reject)
    second.then(answer => onAnswer(1, answer)).catch(reject)
  })
}

/** Who wait for their turn. */
const MAX_WAITING = 1024
const NEVER = new AbortController().signal

/**
 * Asks getaddrinfo, which knows all that this machine knows. It cannot be stopped, and takes one of libuv's
 * threads (4, of which lookups get 2) while it asks; a server that does not answer holds it for 10 s and
 * more. So there are few at a time, and of names that nobody answered for last time one less.
 */
export class SystemLookup {
  readonly #gate: QueryGate
  readonly #suspectGate: QueryGate
  /** Names whose last lookup failed. No more than are kept by any cache: each is taken out by an answer. */
  readonly #suspects = new Set<string>()
  readonly #ask: (host: string) => Promise<FoundAddresses>

  /** At the least one at a time. `ask`: tests have a system of their own. It never rejects. */
  constructor(maxConcurrent: number, ask: (host: string) => Promise<FoundAddresses> = getAddresses) {
    this.#ask = ask
    const most = Math.max(1, maxConcurrent)
    this.#gate = new QueryGate(most, MAX_WAITING)
    this.#suspectGate = new QueryGate(Math.max(1, most - 1), MAX_WAITING)
  }

  /** Rejects with MM_DNS_FAILED when too many wait. */
  async find(host: string): Promise<FoundAddresses> {
    if (!this.#suspects.has(host)) return this.#askInTurn(host)
    await this.#suspectGate.enter(NEVER)
    try {
      return await this.#askInTurn(host)
    } finally {
      this.#suspectGate.leave()
    }
  }

  async #askInTurn(host: string): Promise<FoundAddresses> {
    await this.#gate.enter(NEVER)
    const found = await this.#ask(host)
    this.#gate.leave()
    this.#suspects.delete(host)
    if (found.kind === 'failed') {
      this.#suspects.add(host)
      const first = this.#suspects.values().next()
      if (this.#suspects.size > MAX_WAITING && first.done !== true) this.#suspects.delete(first.value)
    }
    return found
  }
}

/** In the order of getaddrinfo, which has sorted by RFC 6724. Never rejects. */
function getAddresses(host: string): Promise<FoundAddresses> {
  return new Promise(resolve => {
    lookup(host, { all: true, order: 'verbatim' }, (error, found) => {
      if (error !== null || found.length === 0) return resolve(notFound(host, error))
      const addresses = found.map(
        ({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }) as const,
      )
      resolve({ kind: 'found', addresses, source: 'system', ttlMs: Infinity })
    })
  })
}
