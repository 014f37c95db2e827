import { describe, expect, it } from 'vitest'
import { jobOf, type LoadCase } from '../../../../bench/load/load-case.ts'
import { get } from '../../../../bench/load/load-tables.ts'

const CASE: LoadCase = {
  name: 'case',
  subjects: [],
  requests: [get('1k')],
  arrival: { kind: 'closed', concurrency: 2 },
}
const SETTINGS = {
  rounds: 1,
  seconds: 4,
  warmUpSeconds: 1,
  sizes: [],
  subjects: [],
  cases: [],
  seed: 1,
  isQuick: false,
  log: () => undefined,
}

describe('jobOf', () => {
  it('measures for the seconds of the command line through a client that is kept, and warms up nothing', () => {
    expect(jobOf(CASE, SETTINGS, 9)).toEqual({
      requests: CASE.requests,
      arrival: CASE.arrival,
      client: 'kept',
      warmUp: { requests: 0, seconds: 30 },
      measure: { requests: Number.POSITIVE_INFINITY, seconds: 4 },
      deadlineSeconds: 34,
      seed: 9,
    })
  })

  it('warms up for a time where that is asked for', () => {
    const { warmUp } = jobOf({ ...CASE, warmUpSeconds: 0.2 }, SETTINGS, 1)
    expect(warmUp).toEqual({ requests: Number.POSITIVE_INFINITY, seconds: 0.2 })
  })

  it('gives what takes longer its multiple of them, and ends where all requests were begun', () => {
    const job = jobOf(
      { ...CASE, timeFactor: 2.5, maxRequests: 20, warmUpRequests: 5, client: 'fresh' },
      SETTINGS,
      1,
    )
    expect(job).toMatchObject({
      client: 'fresh',
      warmUp: { requests: 5 },
      measure: { requests: 20, seconds: 10 },
      deadlineSeconds: 40,
    })
  })
})
