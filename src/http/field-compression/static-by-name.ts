export interface StaticValue {
  readonly value: string
  readonly index: number
}

export interface StaticName {
  /** The lowest index with this name, for literals. */
  readonly nameIndex: number
  /** The entries that have a value. */
  readonly values: readonly StaticValue[]
}

/**
 * The way back from a name to its entries in a static table, whose columns these are; the first entry is at
 * `first`.
 */
export function staticByName(
  names: readonly string[],
  values: readonly string[],
  first: number,
): ReadonlyMap<string, StaticName> {
  const byName = new Map<string, { nameIndex: number; values: StaticValue[] }>()
  for (let index = first; index < names.length; index++) {
    const name = names[index] as string // index < length
    const value = values[index] as string // likewise
    const known = byName.get(name) ?? { nameIndex: index, values: [] }
    if (value !== '') known.values.push({ value, index })
    byName.set(name, known)
  }
  return byName
}
