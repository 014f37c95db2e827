import { guardedImmediate } from './guard.ts'

/**
 * Calls back when everything that waits in the kernel now was read. Two turns of the event loop: the first
 * may still be in the middle of a poll whose events were gathered before.
 */
export function afterPoll(callback: () => void): void {
  setImmediate(guardedImmediate, 'a callback behind a poll', callback)
}
