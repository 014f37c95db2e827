import { systemClock } from '../../entry/events.ts'
import type { Now } from './fleet-pages.ts'

/** Times of the monotonic clock are shown as those of the wall. */
export function bothClocks(): Now {
  return { now: systemClock.now(), wall: Date.now() }
}
