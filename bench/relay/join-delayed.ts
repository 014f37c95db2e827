import type { Socket } from 'node:net'
import { DelayLine } from './delay-line.ts'

/** What one direction of one connection may hold: at 20 ms, 1.6 GB/s. Beyond it the sender waits, as it would for a full pipe. */
const MAX_HELD_BYTES = 33_554_432

/**
 * Passes on what arrives on `from` to `to`, `delayMs` later; the other direction is another call. Nothing leaves as if it had been
 * sent before `opensAt` (performance.now()).
 */
export function joinDelayed(from: Socket, to: Socket, delayMs: number, opensAt: number): void {
  const line = new DelayLine(delayMs, MAX_HELD_BYTES, opensAt)
  let timer: NodeJS.Timeout | undefined
  let isBlocked = false

  const deliver = (): void => {
    timer = undefined
    const now = performance.now()
    while (!isBlocked) {
      const parcel = line.take(now)
      if (parcel === undefined) break
      if (parcel === 'end') to.end()
      else isBlocked = !to.write(parcel)
    }
    if (!line.isFull && from.isPaused()) from.resume()
    arm(now)
  }
  const arm = (now: number): void => {
    if (isBlocked || timer !== undefined || line.nextDueAt === Number.POSITIVE_INFINITY) return
    // Node's timers count whole milliseconds and are up to one late. One that is early finds nothing and sets another.
    timer = setTimeout(deliver, Math.max(0, Math.ceil(line.nextDueAt - now)))
  }

  to.on('drain', () => {
    isBlocked = false
    deliver()
  })
  from.on('data', (chunk: Buffer) => {
    const now = performance.now()
    line.put(chunk, now)
    if (line.isFull) from.pause()
    arm(now)
  })
  from.on('end', () => {
    const now = performance.now()
    line.put('end', now)
    arm(now)
  })
  // A connection that broke is broken for both; what was under way is lost, as it would be.
  from.on('error', () => to.destroy())
  to.on('close', () => {
    clearTimeout(timer)
    from.destroy()
  })
}
