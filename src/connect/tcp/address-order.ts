import type { ResolvedAddress } from '../../base/http/endpoint.ts'

export interface AddressOrderOptions {
  /** The family to begin with. Default: that of the first address. */
  firstFamily?: 4 | 6
  /** How many of the first family come before the first of the other (RFC 8305 section 4: 1). */
  firstFamilyCount?: number
}

/**
 * The order in which addresses are tried (RFC 8305 section 4): the families alternate, so that one family
 * that does not work costs one delay and not one per address. Within a family the resolver's order stays:
 * getaddrinfo has sorted by RFC 6724 already, with the machine's own routes and policy table, which we could
 * only imitate. Repeated addresses are dropped.
 */
export function orderAddresses<T extends ResolvedAddress>(
  addresses: readonly T[],
  options: AddressOrderOptions = {},
): T[] {
  const seen = new Set<string>()
  const unique = addresses.filter(({ address, port = 0 }) => {
    const key = `${address} ${port}`
    return !seen.has(key) && seen.add(key)
  })
  const firstFamily = options.firstFamily ?? unique[0]?.family
  const first = unique.filter(({ family }) => family === firstFamily)
  const second = unique.filter(({ family }) => family !== firstFamily)

  const headStart = Math.max(1, options.firstFamilyCount ?? 1)
  const ordered = first.slice(0, headStart)
  const turns = Math.max(second.length, first.length - headStart)
  for (let i = 0; i < turns; i++)
    ordered.push(...second.slice(i, i + 1), ...first.slice(headStart + i, headStart + i + 1))
  return ordered
}
