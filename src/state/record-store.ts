/**
 * The port to records that several processes write at the same time. A record is a set of siblings, as Dynamo
 * calls versions that nobody has put together yet (DeCandia et al., SOSP 2007, 4.4): each is whole and never
 * changes. Who reads takes all of them together as the record; who writes adds one that holds everything that
 * was read, and removes what was read. So nothing is lost, whoever comes between and wherever a process dies,
 * without a lock that could be left behind, stolen from somebody who merely slept, or waited for: a sibling
 * goes only after another one that holds what it held is there. At rest there is one.
 *
 * Calls are synchronous, rare and small. They throw plain Errors.
 */
export interface RecordStore {
  /** Everything that is there of a record, in no order. Nothing: there is no such record. */
  siblings(name: string): readonly Sibling[]
  /** Adds a sibling, whole or not at all, and removes then what it supersedes. */
  replace(name: string, bytes: Buffer, superseded: readonly string[]): void
  /**
   * Takes a sibling that cannot be used out of the record. Where it lies now, for people; undefined: somebody
   * else did it.
   */
  setAside(name: string, id: string): string | undefined
  remove(name: string): void
  /** Removes the records that were written longest ago, until `count` are left. */
  prune(count: number): void
}

export interface Sibling {
  readonly id: string
  /** This process has written it. */
  readonly isOwn: boolean
  /** Or why it cannot be read, as a string: it is no file, or too large for one of ours. */
  readonly content: Buffer | string
}

/** The most that a sibling may have. */
export const MAX_SIBLING_BYTES = 64 * 1024
