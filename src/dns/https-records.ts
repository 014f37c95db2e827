import type { Clock } from '../base/clock.ts'
import { abortError, asTransportError } from '../base/errors.ts'
import type { DnsClient } from './client/dns-client.ts'
import { neverAskedBecause, normalName } from './records/dns-name.ts'
import { type ServiceAnswer, ServiceLookup } from './records/service-lookup.ts'

export interface ServiceRecordResolverOptions {
  readonly clock: Clock
  /** Numbers from 0 to 1 (exclusive), for the order of records with equal priority. */
  readonly random: () => number
  readonly client: Pick<DnsClient, 'query'>
  /** Answers that are kept; the longest unused makes room. 0: none. */
  readonly maxEntries: number
}

/** After a failure, nobody is asked again for so long. */
const FAILURE_MS = 30_000
/** What is never asked stays so: a day. */
const NEVER_TTL_SECONDS = 86_400

interface Kept {
  readonly answer: ServiceAnswer
  readonly since: number
  readonly expiresAt: number
}

/** HTTPS records (RFC 9460) of origins, kept as long as the DNS allows; that there are none as well. */
export class ServiceRecordResolver {
  readonly #clock: Clock
  readonly #random: () => number
  readonly #client: Pick<DnsClient, 'query'>
  readonly #maxEntries: number
  readonly #kept = new Map<string, Kept>()
  /** Goes up when everything is forgotten: what was asked before is not kept. */
  #generation = 0

  constructor({ clock, random, client, maxEntries }: ServiceRecordResolverOptions) {
    this.#clock = clock
    this.#random = random
    this.#client = client
    this.#maxEntries = maxEntries
  }

  /** Answers that are kept now, those that have expired since they were asked for included. */
  get size(): number {
    return this.#kept.size
  }

  /**
   * What the DNS says about `https://host:port`. A failure is an answer, too; it only rejects after an abort,
   * with its reason. Times to live are those that are left.
   */
  async lookup(host: string, port: number, signal: AbortSignal): Promise<ServiceAnswer> {
    if (signal.aborted) throw abortError(signal, 'the lookup of HTTPS records')
    const name = normalName(host)
    const because = neverAskedBecause(name)
    if (because !== undefined) {
      return { kind: 'none', because, ttlSeconds: NEVER_TTL_SECONDS, aliasTo: undefined }
    }
    const key = `${name}:${port}`
    const kept = this.#recall(key)
    if (kept !== undefined) return kept
    const generation = this.#generation
    const answer = await this.#ask(name, port, signal)
    if (generation === this.#generation) this.#keep(key, answer)
    return answer
  }

  /** Forgets every answer: the network has changed. */
  clear(): void {
    this.#kept.clear()
    this.#generation++
  }

  async #ask(name: string, port: number, signal: AbortSignal): Promise<ServiceAnswer> {
    const lookup = new ServiceLookup(name, port, this.#random)
    try {
      for (;;) {
        const reply = await this.#client.query({ name: lookup.asking, type: 'HTTPS' }, signal)
        const answer = lookup.receive(reply)
        if (answer !== undefined) return answer
      }
    } catch (error) {
      if (signal.aborted) throw abortError(signal, 'the lookup of HTTPS records')
      return { kind: 'failed', because: asTransportError(error, 'MM_DNS_FAILED', 'no').message }
    }
  }

  #recall(key: string): ServiceAnswer | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const now = this.#clock.now()
    this.#kept.delete(key)
    if (kept.expiresAt <= now) return undefined
    this.#kept.set(key, kept)
    return aged(kept.answer, Math.floor((now - kept.since) / 1000))
  }

  #keep(key: string, answer: ServiceAnswer): void {
    if (this.#maxEntries === 0) return
    const since = this.#clock.now()
    const lifetimeMs = answer.kind === 'failed' ? FAILURE_MS : answer.ttlSeconds * 1000
    this.#kept.delete(key)
    this.#kept.set(key, { answer, since, expiresAt: since + lifetimeMs })
    if (this.#kept.size <= this.#maxEntries) return
    const first = this.#kept.keys().next()
    if (first.done !== true) this.#kept.delete(first.value)
  }
}

/**
 * The same with the time to live that is left. An answer that has expired is not asked for, so that it is at
 * least a second.
 */
function aged(answer: ServiceAnswer, seconds: number): ServiceAnswer {
  if (answer.kind === 'failed' || seconds === 0) return answer
  const ttlSeconds = answer.ttlSeconds - seconds
  if (answer.kind === 'none') return { ...answer, ttlSeconds }
  return { ...answer, ttlSeconds, records: answer.records.map(record => ({ ...record, ttlSeconds })) }
}
