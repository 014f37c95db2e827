import { readdirSync, readFileSync } from 'node:fs'

/** How the descriptors of a process are shared out, where nobody has said otherwise. */
export interface DescriptorShares {
  /**
   * Kept free of connections: for what the process opens beside them (names, files, a second dial), and for
   * what it has open anyway.
   */
  readonly reserve: number
  /** For connections to origins. */
  readonly origins: number
  /** For connections of clients. */
  readonly clients: number
}

/** A quarter of few descriptors, an eighth of many, and never more than this. */
const MAX_RESERVE = 1_024
const SMALL_RESERVE = 64
/**
 * A request of a client needs at most one connection to an origin, and many share one; a dial may have two
 * sockets for a moment.
 */
const ORIGINS_SHARE = 1 / 3

export function shareDescriptors(limit: number): DescriptorShares {
  const reserve = Math.min(
    MAX_RESERVE,
    Math.max(Math.floor(limit / 8), Math.min(SMALL_RESERVE, Math.floor(limit / 4))),
  )
  const origins = Math.max(1, Math.floor((limit - reserve) * ORIGINS_SHARE))
  return { reserve, origins, clients: Math.max(1, limit - reserve - origins) }
}

let known: { readonly limit: number | undefined } | undefined

/**
 * How many descriptors this process may have open (RLIMIT_NOFILE; node raises its own to the hard limit when
 * it starts). Undefined: any number, or it cannot be read. Read once.
 */
export function descriptorLimit(): number | undefined {
  known ??= { limit: readLimit(() => readFileSync('/proc/self/limits', 'latin1')) }
  return known.limit
}

/** For tests, which hand in another file. */
export function readLimit(read: () => string): number | undefined {
  try {
    const digits = /^Max open files\s+(\d+)\s/m.exec(read())?.[1]
    return digits === undefined ? undefined : Number(digits)
  } catch {
    return undefined // another system
  }
}

/**
 * How many are open now, the one that finds out not among them. Undefined: it cannot be read. Takes time with
 * each that is open.
 */
export function openDescriptors(): number | undefined {
  try {
    return readdirSync('/proc/self/fd').length - 1
  } catch {
    return undefined
  }
}
