import type { Pool } from './pool.ts'

/**
 * The pool that was idle for longest gives up a connection. None is idle: a reader that stalls gives up its
 * place. Where none does, the first connection that becomes idle goes (settle.ts).
 */
export function makeRoom(pools: Iterable<Pool>): void {
  const all = [...pools]
  if (!evictLongestIdle(all)) all.some(pool => pool.setStalledAside())
}

/** False: none is idle. */
export function evictLongestIdle(pools: Iterable<Pool>): boolean {
  const idle = [...pools].filter(pool => pool.idleSince < Infinity)
  if (idle.length === 0) return false
  return idle.reduce((a, b) => (b.idleSince < a.idleSince ? b : a)).evictIdle()
}
