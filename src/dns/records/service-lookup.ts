import { followCnames } from './address-answers.ts'
import { boundedTtlSeconds, type DnsReply, type HttpsAnswer } from './dns-message.ts'
import { neverAskedBecause, normalName, serviceQueryName } from './dns-name.ts'
import { readServiceRecords, type ServiceRecord } from './https-rr.ts'

/** What the DNS says about the HTTPS service of an origin. */
export type ServiceAnswer =
  | {
      readonly kind: 'found'
      /** At least one, best first. */
      readonly records: readonly ServiceRecord[]
      /** Why other records were left out. */
      readonly skipped: readonly string[]
      /** How long it may be kept: the shortest along the way, between a second and a day. */
      readonly ttlSeconds: number
      readonly aliasTo: string | undefined
    }
  | {
      readonly kind: 'none'
      readonly because: string
      readonly ttlSeconds: number
      /**
       * The name that AliasMode records led to: the service is there, on the origin's port (RFC 9460 section
       * 3).
       */
      readonly aliasTo: string | undefined
    }
  /** Nothing is known. What the DNS did say counts for nothing then (2.2). */
  | { readonly kind: 'failed'; readonly because: string }

/** Aliases and CNAME records in all. Resolvers stop between 8 and 16. */
const MAX_HOPS = 8
/**
 * RFC 2308 section 5 would not keep a negative answer without SOA at all; but it would be asked for with each
 * connection then.
 */
const NO_SOA_TTL_SECONDS = 30

/**
 * The way from an origin to its HTTPS records: CNAME records inside an answer, and from answer to answer the
 * aliases (RFC 9460 sections 2.4.2 and 3). Ask for the records of `asking`, hand the answer to receive(), and
 * do so again until that gives an answer.
 */
export class ServiceLookup {
  readonly #random: () => number
  readonly #seen: Set<string>
  #asking: string
  #hops = 0
  #ttlSeconds = Infinity
  #aliasTo: string | undefined

  /** Of a host that neverAskedBecause() has nothing against. `random`: 0 to 1. */
  constructor(host: string, port: number, random: () => number) {
    this.#random = random
    this.#asking = serviceQueryName(normalName(host), port)
    this.#seen = new Set([this.#asking])
  }

  /** The name whose HTTPS records are wanted next. */
  get asking(): string {
    return this.#asking
  }

  /** Takes what came for `asking`. Undefined: there is another name to ask for. */
  receive(reply: DnsReply): ServiceAnswer | undefined {
    const chain = followCnames(reply, this.#asking, MAX_HOPS - this.#hops)
    if (typeof chain === 'string') return failed(chain)
    const { owner, hops, ttlSeconds } = chain
    this.#hops += hops
    this.#ttlSeconds = Math.min(this.#ttlSeconds, ttlSeconds)
    this.#seen.add(owner)

    const answers = reply.answers.filter(
      (answer): answer is HttpsAnswer => answer.type === 'HTTPS' && answer.name === owner,
    )
    if (answers.length === 0) {
      const because = reply.doesExist ? `${owner} has no HTTPS record` : `${owner} does not exist`
      return this.#none(because, reply.negativeTtlSeconds ?? NO_SOA_TTL_SECONDS)
    }
    const set = readServiceRecords(answers, this.#random)
    if (set.kind === 'malformed') return failed(`an HTTPS record of ${owner} is malformed: ${set.because}`)
    if (set.kind === 'alias') return this.#follow(owner, set.target, set.ttlSeconds)
    if (set.kind === 'incompatible') {
      return this.#none(`no HTTPS record of ${owner} is of use: ${set.because}`, set.ttlSeconds)
    }
    const kept = boundedTtlSeconds(this.#ttlSeconds, set.ttlSeconds)
    const records = set.records.map(record => ({ ...record, ttlSeconds: kept }))
    return { kind: 'found', records, skipped: set.skipped, ttlSeconds: kept, aliasTo: this.#aliasTo }
  }

  #follow(owner: string, target: string, ttlSeconds: number): ServiceAnswer | undefined {
    // 2.5.1: "the service is not available or does not exist".
    if (target === '.') return this.#none(`${owner} says that there is no such service`, ttlSeconds)
    if (this.#seen.has(target)) return failed(circles(target))
    if (this.#hops === MAX_HOPS) return failed(`${owner} leads over too many names`)
    const never = neverAskedBecause(target)
    if (never !== undefined) return this.#none(`${owner} is an alias, but ${never}`, ttlSeconds)
    this.#hops++
    this.#ttlSeconds = Math.min(this.#ttlSeconds, ttlSeconds)
    this.#seen.add(target)
    this.#aliasTo = target
    this.#asking = target
    return undefined
  }

  #none(because: string, ttlSeconds: number): ServiceAnswer {
    const bounded = boundedTtlSeconds(this.#ttlSeconds, ttlSeconds)
    return { kind: 'none', because, ttlSeconds: bounded, aliasTo: this.#aliasTo }
  }
}

function failed(because: string): ServiceAnswer {
  return { kind: 'failed', because }
}

function circles(name: string): string {
  return `aliases go round in circles at ${name}`
}
