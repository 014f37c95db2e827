/** What became of the POSTs, by their ids. */
export interface PostAccounts {
  /** The origin processed it more than once: a request that must not be repeated was. */
  readonly duplicates: readonly string[]
  /** The client got a 200, and no origin has processed it. */
  readonly lost: readonly string[]
  readonly processed: number
  readonly answered: number
}

/** `processed`: how many times each was processed; `answered`: those whose clients got a 200. */
export function accountForPosts(
  processed: readonly ReadonlyMap<string, number>[],
  answered: readonly string[],
): PostAccounts {
  const duplicates: string[] = []
  const seen = new Set<string>()
  let total = 0
  for (const counts of processed) {
    for (const [id, count] of counts) {
      total += count
      seen.add(id)
      if (count > 1) duplicates.push(id)
    }
  }
  return {
    duplicates,
    lost: answered.filter(id => !seen.has(id)),
    processed: total,
    answered: answered.length,
  }
}
