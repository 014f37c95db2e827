import type { TimedJob } from './timed-job.ts'

/** How one request ended, by the number with which it began (0 is the first). */
interface TimedEnd {
  readonly number: number
  readonly ms: number
  readonly isLearning: boolean
  /** Undefined: it ended well. */
  readonly error: unknown
}

/** Begins request `number`; calls `done` once. */
export type SendTimed = (number: number, done: (error?: unknown) => void) => void

export interface TimedDrive {
  /** In the order of their ends, when the last one has ended. */
  readonly ended: Promise<readonly TimedEnd[]>
  /** Begins no more. */
  stop(): void
}

/** A closed loop: each of `concurrency` requests is followed by the next one when it ended. `now` in ms. */
export function driveTimed(
  job: Pick<TimedJob, 'concurrency' | 'learning' | 'seconds'>,
  send: SendTimed,
  now: () => number = () => performance.now(),
): TimedDrive {
  const ends: TimedEnd[] = []
  const startedAt = now()
  let begun = 0
  let running = job.concurrency
  let learnedAt: number | undefined
  let isStopped = false
  let onIdle: () => void = () => {}
  const idle = new Promise<void>(resolve => {
    onIdle = resolve
  })

  const isLearning = (at: number): boolean => {
    if (learnedAt !== undefined) return false
    if (begun < job.learning.requests && at - startedAt < job.learning.seconds * 1000) return true
    learnedAt = at
    return false
  }
  const next = (): void => {
    const at = now()
    const learning = isLearning(at)
    if (isStopped || (learnedAt !== undefined && at - learnedAt >= job.seconds * 1000)) {
      if (--running === 0) onIdle()
      return
    }
    const number = begun++
    send(number, error => {
      ends.push({ number, ms: now() - at, isLearning: learning, error })
      // An end may be told from within send(): a row of those must neither overflow the stack nor starve the
      // process.
      if (error === undefined) setImmediate(next)
      else setTimeout(next, 1)
    })
  }
  for (let i = 0; i < job.concurrency; i++) next()
  return {
    ended: idle.then(() => ends),
    stop() {
      isStopped = true
    },
  }
}
