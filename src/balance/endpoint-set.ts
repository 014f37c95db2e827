import type { BalancedEndpoint } from './balancer.ts'

/** Where an endpoint is. */
export interface EndpointPlace {
  /** `address` or `address:port`, as it is shown. */
  readonly address: string
  /** The same for all spellings of one address and port. */
  readonly key: string
  readonly family: 4 | 6
}

/**
 * How much of a name an answer has: all of it; the addresses of one family, where nobody answered for the
 * other; or what it had once.
 */
export type AnswerScope = 'all' | 'one-family' | 'outdated'

/** What the configuration says of one entry of `endpoints`. */
export interface EndpointEntry extends Pick<BalancedEndpoint, 'weight' | 'tier' | 'zone'> {
  /** An address, or a host name whose addresses are found out. */
  readonly at:
    | { readonly kind: 'address'; readonly place: EndpointPlace }
    | { readonly kind: 'name'; readonly name: string }
}

/** What came of a change of the set. */
export interface EndpointSetChange {
  /** All of now, in the order of the configuration. */
  readonly endpoints: readonly BalancedEndpoint[]
  readonly added: readonly BalancedEndpoint[]
  readonly removed: readonly BalancedEndpoint[]
}

/** What is known of one name. */
interface KnownName {
  /** Those that became endpoints, unless another entry has them. */
  readonly kept: readonly EndpointPlace[]
  /** Beyond a bound. */
  readonly ignored: number
}

export interface EndpointBounds {
  readonly perName: number
  readonly total: number
}

const NOTHING: KnownName = { kept: [], ignored: 0 }

/**
 * The endpoints of an origin: the addresses of its configuration, and every address that its host names have
 * now, each an endpoint of its own with the weight, tier and zone of its entry (Envoy's STRICT_DNS). One that
 * stays keeps its number, whatever else changes; a number is given once. Where two entries have the same
 * address the first one counts. Pure.
 */
export class EndpointSet {
  readonly #total: number
  #perName: number
  #entries: readonly EndpointEntry[] = []
  #names = new Map<string, KnownName>()
  /** By the key of its place. */
  #byKey = new Map<string, BalancedEndpoint>()
  #endpoints: readonly BalancedEndpoint[] = []
  #next = 0
  /** Of each name: addresses beyond the bound of all. */
  readonly #beyond = new Map<string, number>()

  constructor({ perName, total }: EndpointBounds) {
    this.#perName = perName
    this.#total = total
  }

  get endpoints(): readonly BalancedEndpoint[] {
    return this.#endpoints
  }

  /** Host names of the configuration. */
  get names(): readonly string[] {
    return [...this.#names.keys()]
  }

  /** How many of the name's addresses are endpoints, or would be, and how many are beyond a bound. */
  figures(name: string): { readonly addresses: number; readonly ignored: number } {
    const { kept, ignored } = this.#names.get(name) ?? NOTHING
    const beyond = this.#beyond.get(name) ?? 0
    return { addresses: kept.length - beyond, ignored: ignored + beyond }
  }

  /** Another configuration. What is known of names that stay is kept. Undefined: nothing has changed. */
  configure(entries: readonly EndpointEntry[], perName: number): EndpointSetChange | undefined {
    const names = new Map<string, KnownName>()
    for (const { at } of entries)
      if (at.kind === 'name') names.set(at.name, this.#names.get(at.name) ?? NOTHING)
    this.#names = names
    this.#entries = entries
    this.#perName = perName
    return this.#rebuild()
  }

  /** What a name has now; what the answer says nothing of stays. Undefined: nothing has changed. */
  onAnswer(
    name: string,
    places: readonly EndpointPlace[],
    scope: AnswerScope,
  ): EndpointSetChange | undefined {
    const known = this.#names.get(name)
    // An empty answer is more likely a mistake in the zone than a wish to have none.
    if (known === undefined || places.length === 0) return undefined
    const now = new Map(places.map(place => [place.key, place]))
    const families = new Set(places.map(({ family }) => family))
    const stay = known.kept.filter(({ key, family }) => {
      if (scope === 'outdated' || now.has(key)) return true
      return scope === 'one-family' && !families.has(family)
    })
    for (const { key } of stay) now.delete(key)
    // Those that are known come first: with more addresses than the bound an answer in another order would
    // else be another choice. New ones by their address, so that processes agree.
    const fresh = [...now.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
    const all = [...stay, ...fresh]
    const kept = all.slice(0, this.#perName)
    this.#names.set(name, { kept, ignored: all.length - kept.length })
    return this.#rebuild()
  }

  #rebuild(): EndpointSetChange | undefined {
    const before = this.#byKey
    const byKey = new Map<string, BalancedEndpoint>()
    const added: BalancedEndpoint[] = []
    let isSame = true
    this.#beyond.clear()
    for (const entry of this.#entries) {
      for (const { address, key } of this.#placesOf(entry)) {
        if (byKey.has(key)) continue
        if (byKey.size >= this.#total) {
          this.#ignore(entry)
          continue
        }
        const known = before.get(key)
        const endpoint = asEntrySays(entry, address, known?.index ?? this.#next)
        if (known === undefined) {
          this.#next += 1
          added.push(endpoint)
        }
        if (known === undefined || !isEqual(known, endpoint)) isSame = false
        byKey.set(key, endpoint)
      }
    }
    const removed = [...before].flatMap(([key, endpoint]) => (byKey.has(key) ? [] : [endpoint]))
    if (isSame && removed.length === 0) return undefined
    this.#byKey = byKey
    this.#endpoints = [...byKey.values()]
    return { endpoints: this.#endpoints, added, removed }
  }

  #ignore({ at }: EndpointEntry): void {
    if (at.kind === 'name') this.#beyond.set(at.name, (this.#beyond.get(at.name) ?? 0) + 1)
  }

  #placesOf({ at }: EndpointEntry): readonly EndpointPlace[] {
    return at.kind === 'address' ? [at.place] : (this.#names.get(at.name) ?? NOTHING).kept
  }
}

function asEntrySays({ at, weight, tier, zone }: EndpointEntry, address: string, index: number) {
  return { index, address, weight, tier, zone, name: at.kind === 'name' ? at.name : undefined }
}

function isEqual(a: BalancedEndpoint, b: BalancedEndpoint): boolean {
  return (
    a.address === b.address &&
    a.weight === b.weight &&
    a.tier === b.tier &&
    a.zone === b.zone &&
    a.name === b.name
  )
}
