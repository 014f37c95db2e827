import type { BalanceOptions, BalancePolicy } from '../base/options/balance-options.ts'
import type { EndpointHealth, HealthFigures } from '../health/endpoint-health.ts'
import type { EndpointBreakers } from './endpoint-breakers.ts'
import { MaglevTable, maglevSize } from './maglev-table.ts'
import { PeakLatency, SmoothRoundRobin, type TurnTaker } from './policies.ts'
import { EndpointReachability, type Reachability } from './reachability.ts'
import { keyHash } from './request-key.ts'

/** One endpoint. */
export interface BalancedEndpoint {
  /** Its number within the origin, over all lanes. It is given once. */
  readonly index: number
  /** `address:port` or `address`. */
  readonly address: string
  readonly weight: number
  readonly tier: number
  readonly zone: string
  /** The host name that it was found by. Undefined: the configuration says its address. */
  readonly name: string | undefined
}

export interface BalancerParts {
  readonly endpoints: readonly BalancedEndpoint[]
  readonly options: BalanceOptions & { readonly policy: Exclude<BalancePolicy, 'in-order'> }
  readonly backoffBaseMs: number
  readonly backoffMaxMs: number
  readonly random: () => number
  /** Draws the subset: the same endpoints and the same seed have the same one. */
  readonly subsetSeed: number
  /** Requests that the endpoint carries or that wait for it. */
  readonly underWay: (index: number) => number
  /** Of the same endpoints, over all lanes. */
  readonly health: EndpointHealth
  /** Of the same endpoints, over all lanes. Undefined: they have no bounds. */
  readonly breakers: EndpointBreakers | undefined
  /** Health is ignored from now on, or counts again. */
  readonly onPanic: (isOn: boolean, because: string) => void
}

/** A request that an endpoint is chosen for. */
export interface BalancedRequest {
  /** Undefined: it has none, and with `hash` goes where the fewest are under way. */
  readonly key: string | undefined
  /** Not there again. */
  readonly tried: ReadonlySet<number>
  /** Not there, if there is another one. */
  readonly avoided: number | undefined
  /** It is sent again out of the retry budget. */
  readonly isRetry: boolean
}

/** Each endpoint that it could go to has reached a bound. */
export interface BalanceRefusal {
  readonly refused: string
}

/** Where a request goes. */
export interface BalanceChoice {
  readonly index: number
  readonly because: string
}

/** One endpoint, as it stands. */
export interface EndpointFigures
  extends HealthFigures,
    Pick<BalancedEndpoint, 'address' | 'name' | 'weight' | 'tier' | 'zone'> {
  /** `down`: a connect failed, and the pause is not over; `probing`: it is tried again. */
  readonly state: Reachability['kind']
  /** Why it is down. */
  readonly because: string | undefined
  /** Requests go to it now: tier, zone and subset include it. */
  readonly isUsed: boolean
  /** Of first bytes of answers, as `peak-ewma` has it. Undefined: none came. */
  readonly latencyMs: number | undefined
}

/** Who may be chosen. `endpoint` is another object when its weight, tier or zone has changed. */
interface Member {
  readonly index: number
  endpoint: BalancedEndpoint
  readonly reachability: EndpointReachability
  readonly latency: PeakLatency
  /** Of the subset: the lowest are used. */
  readonly place: number
}

interface EligibleMember extends TurnTaker {
  readonly member: Member
}

/** Those that requests go to now. */
interface Eligible {
  readonly members: readonly EligibleMember[]
  readonly because: string
  /**
   * Ejected ones that would be among them, or come before them: one request finds out whether they are
   * back.
   */
  readonly awaiting: readonly Member[]
  /** All have the same weight: one is drawn without a look at the others. */
  readonly isEven: boolean
  /** Weights grow until then: looked at anew. */
  readonly until: number
  /** Of the health that it was made by. */
  readonly version: number
  table: MaglevTable | undefined
}

const NONE: ReadonlySet<number> = new Set()
/** Slow start grows in so many steps. */
const SLOW_START_STEPS = 20
/** What an endpoint that is just back gets of its weight: less could be no request at all. */
const MIN_SHARE = 0.1

/** Of the healthy ones. */
const PROBE = 'it was ejected, and this request finds out whether it is back'

/**
 * Chooses the endpoint of each request. Which ones it chooses from:
 * 1. Those that can be connected to. Where none can: all of them, since a request that fails is no worse
 *    than one refused.
 * 2. Of these the healthy ones of the lowest tier of which a share of `panicShare` is healthy. Where there
 *    is no such tier: all of the lowest one, since the few could not bear the load of all (Envoy's panic
 *    threshold).
 * 3. Of these the nearest zone.
 * 4. Of these as many as the subset, by the hash of their address: of two sets that differ in one endpoint
 *    the subsets differ in one at the most (rendezvous hashing).
 * Among them the policy chooses. Before that, an ejected endpoint whose time is over is sent one request.
 */
export class Balancer {
  readonly #parts: BalancerParts
  #members: ReadonlyMap<number, Member> = new Map()
  /** In the order of 4. */
  #ordered: readonly Member[] = []
  readonly #turns = new SmoothRoundRobin()
  #tableSize = 0
  #eligible: Eligible | undefined
  #down = 0
  #isPanicking = false

  constructor(parts: BalancerParts) {
    this.#parts = parts
    this.#eligible = undefined
    this.setEndpoints(parts.endpoints, -Infinity)
  }

  /**
   * These are the endpoints from now on. What is known of those that stay is kept; new ones begin with
   * little of their weight, as those do that come back, unless nobody is there to bear the rest.
   */
  setEndpoints(endpoints: readonly BalancedEndpoint[], now: number): void {
    const before = this.#members
    const since = before.size === 0 ? -Infinity : now
    this.#members = new Map(
      endpoints.map(endpoint => [
        endpoint.index,
        this.#memberOf(endpoint, before.get(endpoint.index), since),
      ]),
    )
    const { subsetSize } = this.#parts.options
    const members = [...this.#members.values()]
    this.#ordered = subsetSize === 0 ? members : members.sort((a, b) => a.place - b.place)
    this.#down = members.filter(({ reachability }) => !reachability.isUp).length
    this.#tableSize = maglevSize(endpoints.map(({ weight }) => weight))
    this.#turns.reset()
    this.#eligible = undefined
  }

  /** How many there are. */
  get size(): number {
    return this.#members.size
  }

  /** Where a request goes. Undefined: it was everywhere. */
  choose(request: BalancedRequest, now: number): BalanceChoice | BalanceRefusal | undefined {
    const { key, tried, avoided } = request
    const full = this.#fullAt(request, now)
    const isOpen = ({ index }: { index: number }) => !tried.has(index) && !full.has(index)
    const { members } = this.#eligibleAt(now)
    if (avoided !== undefined && members.some(one => one.index !== avoided && isOpen(one)))
      return this.#chooseAmong(key, new Set([...tried, ...full, avoided]), now)
    if (full.size > 0 && !members.some(isOpen) && members.some(({ index }) => !tried.has(index)))
      return { refused: this.#parts.breakers?.refuse([...full], request.isRetry) ?? '' }
    return this.#chooseAmong(key, full.size === 0 ? tried : new Set([...tried, ...full]), now)
  }

  /** Whether an endpoint that could be used has a place for one more that is sent again. */
  admitRetry(now: number): boolean {
    const { breakers } = this.#parts
    if (breakers === undefined) return true
    const indexes = this.used(now)
    if (indexes.some(index => !breakers.isFull(index, true))) return true
    breakers.refuse(indexes, true)
    return false
  }

  /** Those in use that have reached a bound: the request goes elsewhere. */
  #fullAt({ tried, isRetry }: BalancedRequest, now: number): ReadonlySet<number> {
    const { breakers } = this.#parts
    if (breakers === undefined) return NONE
    const full = this.#eligibleAt(now).members.filter(
      ({ index }) => !tried.has(index) && breakers.isFull(index, isRetry),
    )
    for (const { index } of full) breakers.passOver(index)
    return full.length === 0 ? NONE : new Set(full.map(({ index }) => index))
  }

  #chooseAmong(key: string | undefined, tried: ReadonlySet<number>, now: number): BalanceChoice | undefined {
    const eligible = this.#eligibleAt(now)
    const probe = eligible.awaiting.length === 0 ? undefined : this.#dueProbe(eligible, tried, now)
    if (probe !== undefined) return { index: probe.index, because: PROBE }
    const left =
      tried.size === 0 ? eligible.members : eligible.members.filter(({ index }) => !tried.has(index))
    if (left.length === 0) return this.#lastResort(tried)
    const { policy } = this.#parts.options
    const index =
      policy === 'hash' && key !== undefined
        ? this.#hashed(eligible, key, tried)
        : this.#pick(left, eligible.isEven, now)
    if (index === undefined) return undefined
    return {
      index,
      because: tried.size === 0 ? eligible.because : 'another failed it, is full, or has a copy of it',
    }
  }

  /** An endpoint that is to be connected to beside the requests, since its pause is over; each once. */
  takeProbe(now: number): number | undefined {
    if (this.#down === 0) return undefined
    for (const { index, reachability } of this.#members.values())
      if (reachability.takeProbe(now)) return index
    return undefined
  }

  onConnectFailed(index: number, because: string, now: number): void {
    const member = this.#members.get(index)
    if (member === undefined) return
    if (member.reachability.isUp) this.#down += 1
    member.reachability.onConnectFailed(because, now)
    this.#eligible = undefined
  }

  onConnected(index: number, now: number): void {
    if (this.#members.get(index)?.reachability.onConnected(now) !== true) return
    this.#down -= 1
    this.#parts.health.onReconnected(index, now)
    this.#turns.reset()
    this.#eligible = undefined
  }

  /** The first bytes of an answer came after so long. */
  onAnswered(index: number, ms: number, now: number): void {
    this.#members.get(index)?.latency.onAnswered(ms, now)
  }

  /** Those that requests go to now. */
  used(now: number): number[] {
    return this.#eligibleAt(now).members.map(({ index }) => index)
  }

  /** By their numbers, in the order in which they were given. */
  figures(now: number): Map<number, EndpointFigures> {
    const used = new Set(this.used(now))
    const figures = new Map<number, EndpointFigures>()
    for (const { index, endpoint, reachability, latency } of this.#members.values()) {
      const { address, name, weight, tier, zone } = endpoint
      const { state } = reachability
      figures.set(index, {
        address,
        name,
        weight,
        tier,
        zone,
        state: state.kind,
        because: state.kind === 'up' ? undefined : state.because,
        isUsed: used.has(index),
        latencyMs: latency.ms,
        ...this.#parts.health.figures(index),
      })
    }
    return figures
  }

  /** From now on its request is under way. */
  #dueProbe({ awaiting }: Eligible, tried: ReadonlySet<number>, now: number): Member | undefined {
    const { health } = this.#parts
    const due = awaiting.find(({ index }) => !tried.has(index) && health.isProbeDue(index, now))
    if (due !== undefined) health.onProbeSent(due.index, now)
    return due
  }

  /** By configured weights: keys that moved with a slow start would move twice. */
  #hashed(eligible: Eligible, key: string, tried: ReadonlySet<number>): number | undefined {
    eligible.table ??= new MaglevTable(
      eligible.members.map(({ index, member }) => ({
        name: member.endpoint.address,
        index,
        weight: member.endpoint.weight,
      })),
      this.#tableSize,
    )
    if (tried.size === 0) return eligible.table.lookup(key)
    for (const index of eligible.table.candidates(key)) if (!tried.has(index)) return index
    return undefined
  }

  #pick(left: Eligible['members'], isEven: boolean, now: number): number | undefined {
    const { policy } = this.#parts.options
    if (policy === 'round-robin') return this.#turns.next(left)
    const first = isEven ? this.#drawEvenly(left) : this.#draw(left)
    if (policy === 'random' || left.length === 1 || first === undefined) return first?.index
    const second = isEven ? this.#drawEvenly(left, first) : this.#draw(left, first)
    if (second === undefined) return first.index
    return this.#cost(second, now) < this.#cost(first, now) ? second.index : first.index
  }

  #drawEvenly(from: Eligible['members'], except?: EligibleMember): EligibleMember | undefined {
    const last = from.length - 1
    if (except === undefined) return from[Math.floor(this.#parts.random() * from.length)]
    // The last one stands in for the exception, which is among the others or is the last one itself.
    const one = from[Math.floor(this.#parts.random() * last)]
    return one === except ? from[last] : one
  }

  /** By weight. On the hot path: it makes no lists. */
  #draw(from: Eligible['members'], except?: EligibleMember): EligibleMember | undefined {
    let total = 0
    for (const one of from) if (one !== except) total += one.weight
    let at = this.#parts.random() * total
    let last: EligibleMember | undefined
    for (const one of from) {
      if (one === except) continue
      last = one
      at -= one.weight
      if (at < 0) break
    }
    return last
  }

  #cost({ index, weight, member }: EligibleMember, now: number): number {
    const underWay = this.#parts.underWay(index)
    if (this.#parts.options.policy === 'peak-ewma') return member.latency.cost(underWay, now) / weight
    return underWay / weight
  }

  #lastResort(tried: ReadonlySet<number>): BalanceChoice | undefined {
    for (const { index, endpoint, reachability } of this.#members.values())
      if (!tried.has(index) && reachability.isUp)
        return { index, because: `tier ${endpoint.tier}: the others failed` }
    return undefined
  }

  #eligibleAt(now: number): Eligible {
    const known = this.#eligible
    if (known !== undefined && now < known.until && known.version === this.#parts.health.version) return known
    this.#eligible = this.#select(now)
    return this.#eligible
  }

  #select(now: number): Eligible {
    const { options, health } = this.#parts
    const up = this.#ordered.filter(({ reachability }) => reachability.isUp)
    const reachable = up.length === 0 ? this.#ordered : up // 1
    const healthy = this.#healthyTier(reachable) // 2
    const lowest = Math.min(...reachable.map(({ endpoint }) => endpoint.tier))
    const inTier = healthy ?? reachable.filter(({ endpoint }) => endpoint.tier === lowest)
    const tier = inTier[0]?.endpoint.tier ?? lowest
    const rank = Math.min(...inTier.map(member => this.#zoneRank(member))) // 3
    const near = inTier.filter(member => this.#zoneRank(member) === rank)
    const chosen = options.subsetSize === 0 ? near : near.slice(0, options.subsetSize) // 4
    const { slowStartMs } = options
    const shares = new Map(chosen.map(member => [member, this.#share(member, now)]))
    const grows = chosen.some(member => shares.get(member) !== 1)
    const isBefore = (member: Member): boolean =>
      member.endpoint.tier < tier || (member.endpoint.tier === tier && this.#zoneRank(member) <= rank)
    if (up.length > 0)
      this.#notePanic(
        healthy === undefined,
        reachable.filter(({ endpoint }) => endpoint.tier === tier),
      )
    const members = chosen.map(member => ({
      index: member.index,
      weight: member.endpoint.weight * (shares.get(member) ?? 1),
      member,
    }))
    return {
      members,
      isEven: members.every(({ weight }) => weight === members[0]?.weight),
      because: this.#reason(up.length === 0, tier, chosen, near),
      awaiting: reachable.filter(member => health.awaitsProbe(member.index) && isBefore(member)),
      until: grows ? now + slowStartMs / SLOW_START_STEPS : Infinity,
      version: health.version,
      table: undefined,
    }
  }

  /** The healthy endpoints of the lowest tier that has enough of them. */
  #healthyTier(reachable: readonly Member[]): readonly Member[] | undefined {
    const { health, options } = this.#parts
    const tiers = [...new Set(reachable.map(({ endpoint }) => endpoint.tier))].sort((a, b) => a - b)
    for (const tier of tiers) {
      const inTier = reachable.filter(({ endpoint }) => endpoint.tier === tier)
      const healthy = inTier.filter(({ index }) => health.isHealthy(index))
      if (healthy.length > 0 && healthy.length >= inTier.length * options.panicShare) return healthy
    }
    return undefined
  }

  #notePanic(isOn: boolean, inTier: readonly Member[]): void {
    if (isOn === this.#isPanicking) return
    this.#isPanicking = isOn
    const healthy = inTier.filter(({ index }) => this.#parts.health.isHealthy(index)).length
    const because = `${healthy} of ${inTier.length} endpoints of tier ${inTier[0]?.endpoint.tier ?? 0} are healthy`
    this.#parts.onPanic(isOn, because)
  }

  /** `since`: from when on a new one grows to its weight. */
  #memberOf(endpoint: BalancedEndpoint, known: Member | undefined, since: number): Member {
    if (known !== undefined) {
      known.endpoint = endpoint
      return known
    }
    const { backoffBaseMs, backoffMaxMs, random, subsetSeed } = this.#parts
    return {
      index: endpoint.index,
      endpoint,
      reachability: new EndpointReachability({ backoffBaseMs, backoffMaxMs, random }, since),
      latency: new PeakLatency(),
      place: keyHash(endpoint.address, subsetSeed),
    }
  }

  /** The part of its weight that it has: it grows after it came, or came back. */
  #share({ index, reachability }: Member, now: number): number {
    const { slowStartMs } = this.#parts.options
    const { upSince } = reachability
    if (slowStartMs === 0 || upSince === undefined) return 1
    const since = Math.max(upSince, this.#parts.health.healthySince(index))
    return Math.min(1, Math.max(MIN_SHARE, (now - since) / slowStartMs))
  }

  #zoneRank({ endpoint }: Member): number {
    const { zones } = this.#parts.options
    const rank = zones.indexOf(endpoint.zone)
    return rank < 0 ? zones.length : rank
  }

  #reason(isDown: boolean, tier: number, chosen: readonly Member[], near: readonly Member[]): string {
    if (isDown) return 'none can be connected to: all are tried'
    if (this.#isPanicking) return 'too few are healthy: health is ignored'
    const { policy, zones, subsetSize } = this.#parts.options
    const parts = [`${policy} over ${chosen.length} of ${this.#members.size} endpoints`]
    if (this.#ordered.some(({ endpoint }) => endpoint.tier !== tier)) parts.push(`tier ${tier}`)
    const zone = near[0]?.endpoint.zone
    if (zones.length > 0 && zone !== undefined) parts.push(zone === '' ? 'no zone' : `zone ${zone}`)
    if (subsetSize > 0 && chosen.length < near.length) parts.push(`a subset of ${subsetSize}`)
    return parts.join(', ')
  }
}
