/** The connections of one pool, where some lead to addresses that have left the answers. */
export interface DrainSituation {
  /** Those that are open, the leaving ones among them. */
  readonly open: number
  /** Those that lead to an address that has left, and still take requests. */
  readonly leaving: number
  /** All that take requests, the leaving ones among them. */
  readonly serving: number
  /** Requests that wait for a connection. */
  readonly waiters: number
  /** The pool may make another connection. */
  readonly hasRoom: boolean
  /** The pool carried requests lately: somebody would wait for a handshake. */
  readonly isInUse: boolean
  /** A connection to replace them was asked for, and did not come. */
  readonly cannotReplace: boolean
}

/**
 * `drain`: so many of the leaving ones get no more requests; `replace`: first make a connection; `wait`: not
 * now, until the next answer.
 */
export type DrainStep =
  | { readonly kind: 'drain'; readonly connections: number }
  | { readonly kind: 'replace' }
  | { readonly kind: 'wait' }

/**
 * At most this share of the open connections is drained in one step, and one at the least. A step takes a
 * second.
 */
const SHARE_PER_STEP = 0.1

/**
 * What is done in one step with connections to addresses that have left. In this order:
 *
 * 1. There is another connection that takes requests: a tenth of the open ones is drained.
 * 2. Nobody uses the pool: likewise, since nobody would wait for a handshake.
 * 3. A connection to an address of now can be made: it is made first, so that nobody waits for it.
 * 4. It could not be made: they stay. What the DNS says is of no use if nobody answers there.
 * 5. The pool is full of leaving ones: they make room, and the last one stays as long as requests wait.
 */
export function drainStep(situation: DrainSituation): DrainStep {
  const { open, leaving, serving, waiters, hasRoom, isInUse, cannotReplace } = situation
  if (leaving === 0) return { kind: 'wait' }
  const quota = Math.min(leaving, Math.max(1, Math.floor(open * SHARE_PER_STEP)))
  if (serving > leaving || !isInUse) return { kind: 'drain', connections: quota } // 1, 2
  if (hasRoom) return cannotReplace ? { kind: 'wait' } : { kind: 'replace' } // 3, 4
  const most = waiters > 0 ? leaving - 1 : leaving // 5
  return most === 0 ? { kind: 'wait' } : { kind: 'drain', connections: Math.min(quota, most) }
}
