import { describe, expect, it } from 'vitest'
import { ProbeBudget, type ProbeOutcome, ProbeSchedule } from '../../../../src/select/probe/probe-schedule.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR

function schedule(options: Partial<ConstructorParameters<typeof ProbeSchedule>[0]> = {}): ProbeSchedule {
  return new ProbeSchedule({ intervalMs: HOUR, budget: new ProbeBudget(), ...options })
}

/** Runs a probe that takes no time. */
function probe(schedule: ProbeSchedule, outcome: ProbeOutcome, now: number): void {
  schedule.onStarted(now)
  schedule.onEnded(outcome, now)
}

describe('the schedule of background probes', () => {
  it('lets the first one start at once', () => {
    expect(schedule().mayStart(0)).toBe(true)
    expect(schedule().mayStart(-5000)).toBe(true)
  })

  it('has one under way at a time', () => {
    const probes = schedule()
    probes.onStarted(0)
    expect([probes.mayStart(DAY), probes.nextAt]).toEqual([false, undefined])
    expect(() => probes.onStarted(DAY)).toThrow('may not start')
    probes.onEnded('found', 10)
    expect(probes.nextAt).toBe(10 + HOUR)
    expect(() => probes.onEnded('found', 10)).toThrow('no probe is under way')
  })

  it('probes again after an interval when something was found', () => {
    const probes = schedule()
    probe(probes, 'found', 100)
    expect(probes.mayStart(99 + HOUR)).toBe(false)
    expect(probes.mayStart(100 + HOUR)).toBe(true)
  })

  it('waits twice as long after each probe in a row that found nothing, up to a day', () => {
    const probes = schedule()
    const waits: number[] = []
    for (let now = 0; waits.length < 8; now = probes.nextAt!) {
      probe(probes, 'nothing', now)
      waits.push((probes.nextAt! - now) / HOUR)
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 24, 24, 24])
    const now = probes.nextAt!
    probe(probes, 'found', now)
    expect(probes.nextAt).toBe(now + HOUR)
  })

  it('never waits for less than its interval, also when that is longer than a day', () => {
    const probes = schedule({ intervalMs: 3 * DAY })
    probe(probes, 'nothing', 0)
    expect(probes.nextAt).toBe(3 * DAY)
  })

  it('learns nothing from a probe that was given up', () => {
    const probes = schedule()
    probe(probes, 'nothing', 0)
    probe(probes, 'given-up', HOUR)
    expect(probes.nextAt).toBe(HOUR + 1000)
    probe(probes, 'nothing', HOUR + 1000)
    expect(probes.nextAt).toBe(HOUR + 1000 + 2 * HOUR)
  })

  it('begins anew on another network', () => {
    const probes = schedule()
    for (let i = 0; i < 5; i++) probe(probes, 'nothing', i * DAY)
    probes.onNetworkChange(5 * DAY)
    expect(probes.mayStart(5 * DAY)).toBe(true)
    probe(probes, 'nothing', 5 * DAY)
    expect(probes.nextAt).toBe(5 * DAY + HOUR)
  })

  it('probes at once again when the network changed under a probe, whatever that found', () => {
    for (const outcome of ['found', 'nothing', 'given-up'] as const) {
      const probes = schedule()
      probes.onStarted(0)
      probes.onNetworkChange(5)
      expect(probes.mayStart(6)).toBe(false)
      probes.onEnded(outcome, 7)
      expect(probes.mayStart(7)).toBe(true)
    }
  })

  it('probes soon when there is new evidence, but not at each piece of it', () => {
    const probes = schedule()
    probe(probes, 'nothing', 0)
    probes.onEvidence(HOUR / 2)
    expect(probes.nextAt).toBe(HOUR / 2)
    probe(probes, 'nothing', HOUR / 2)
    probes.onEvidence(HOUR / 2 + 1)
    expect(probes.nextAt).toBe(HOUR / 2 + 10_000)
    probes.onEvidence(HOUR / 2 + 2)
    expect(probes.nextAt).toBe(HOUR / 2 + 10_000)
  })

  it('does not defer a probe for new evidence, and starts none for evidence that may come from the one under way', () => {
    const probes = schedule()
    probes.onEvidence(50)
    expect(probes.mayStart(0)).toBe(true)
    probes.onStarted(60)
    probes.onEvidence(61)
    probes.onEnded('found', 62)
    expect(probes.nextAt).toBe(62 + HOUR)
  })
})

describe('a snapshot of the schedule', () => {
  it('continues where it was taken, on another clock', () => {
    const probes = schedule()
    for (let i = 0; i < 3; i++) probe(probes, 'nothing', i * DAY)
    const snapshot = JSON.parse(JSON.stringify(probes.snapshot(2 * DAY + HOUR))) as ReturnType<
      typeof probes.snapshot
    >
    expect(snapshot).toEqual({ emptyInRow: 3, dueInMs: 3 * HOUR })
    const later = schedule({ snapshot, snapshotAt: -HOUR })
    expect(later.nextAt).toBe(2 * HOUR)
    probe(later, 'nothing', 2 * HOUR)
    expect(later.nextAt).toBe(10 * HOUR)
  })

  it('of a new one, and of one under way, is due', () => {
    const probes = schedule()
    expect(probes.snapshot(5)).toEqual({ emptyInRow: 0, dueInMs: 0 })
    probes.onStarted(5)
    expect(probes.snapshot(6)).toEqual({ emptyInRow: 0, dueInMs: 0 })
  })

  it.each([
    { emptyInRow: -1, dueInMs: DAY },
    { emptyInRow: 0.5, dueInMs: DAY },
    { emptyInRow: Number.NaN, dueInMs: DAY },
    { emptyInRow: 1, dueInMs: Number.NaN },
    { emptyInRow: 1, dueInMs: Number.POSITIVE_INFINITY },
  ])('is not used when it is invalid: %j', snapshot => {
    expect(schedule({ snapshot }).mayStart(0)).toBe(true)
  })

  it('never makes the schedule wait longer than it would by itself', () => {
    expect(schedule({ snapshot: { emptyInRow: 2, dueInMs: 400 * DAY } }).nextAt).toBe(2 * HOUR)
    expect(schedule({ snapshot: { emptyInRow: 5000, dueInMs: 400 * DAY } }).nextAt).toBe(DAY)
  })
})

describe('the budget of all probes', () => {
  it('bounds how many run at once over all origins', () => {
    const budget = new ProbeBudget(2)
    const [a, b, c] = [schedule({ budget }), schedule({ budget }), schedule({ budget })] as const
    a.onStarted(0)
    b.onStarted(0)
    expect([budget.running, c.mayStart(0), c.nextAt! <= 0]).toEqual([2, false, true])
    expect(() => c.onStarted(0)).toThrow('may not start')
    a.onEnded('given-up', 1)
    expect([budget.running, c.mayStart(1)]).toEqual([1, true])
    c.onStarted(1)
    b.onEnded('nothing', 2)
    c.onEnded('found', 2)
    expect(budget.running).toBe(0)
  })

  it('has room for four by default, and keeps count', () => {
    const budget = new ProbeBudget()
    for (let i = 0; i < 4; i++) budget.onStarted()
    expect(budget.hasRoom).toBe(false)
    expect(() => budget.onStarted()).toThrow('4 probes run already')
    for (let i = 0; i < 4; i++) budget.onEnded()
    expect(() => budget.onEnded()).toThrow('no probe runs')
  })
})
