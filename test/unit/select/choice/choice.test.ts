import { describe, expect, it } from 'vitest'
import type { LaneName } from '../../../../src/base/http/protocol.ts'
import { DEFAULT_SELECT_OPTIONS, type SelectOptions } from '../../../../src/base/options/select-options.ts'
import { LaneChooser } from '../../../../src/select/choice/choice.ts'
import type { ChoiceAction, ExchangeSample } from '../../../../src/select/choice/choice-action.ts'
import { candidateOf, sampleOf } from '../../../support/lane-figures.ts'

/** A chooser, and the clock that its exchanges move. */
class Script {
  readonly chooser: LaneChooser
  now = 0

  constructor(options: Partial<SelectOptions> = {}, firstPreference: readonly LaneName[] = ['tcp', 'h3']) {
    this.chooser = new LaneChooser(
      { options: { ...DEFAULT_SELECT_OPTIONS, ...options }, firstPreference },
      this.now,
    )
  }

  candidates(...lanes: LaneName[]): string[] {
    const all = (['h3', 'tcp', 'h2-spread'] as const).map(lane =>
      candidateOf(
        lane,
        lanes.includes(lane),
        lanes.includes(lane) ? 'it works' : 'nothing says that it works',
      ),
    )
    return texts(this.chooser.setCandidates(all, this.now))
  }

  /** One exchange after the other, each over the lane that the chooser names; its time by lane. */
  exchanges(
    count: number,
    times: Partial<Record<LaneName, number>>,
    but: Partial<ExchangeSample> = {},
  ): string[] {
    const all: string[] = []
    for (let index = 0; index < count; index += 1) {
      const lane = this.chooser.next(true, this.now)
      // A little to both sides, the same for all lanes.
      const ttfbMs = (times[lane] ?? 1_000) * (index % 2 === 0 ? 0.95 : 1.05)
      this.now += ttfbMs
      all.push(...texts(this.chooser.onSample(sampleOf(lane, { ttfbMs, ...but }), this.now)))
    }
    return all
  }

  ready(lane: LaneName): void {
    this.chooser.onTrialReady(lane, this.now)
  }
}

function texts(actions: readonly ChoiceAction[]): string[] {
  return actions.map(action =>
    action.type === 'prepareTrial'
      ? `try ${action.lane} over ${action.connections}`
      : `${action.decision.lane}: ${action.decision.rule}`,
  )
}

describe('a lane chooser', () => {
  it('sends requests over tcp before it knows of any lane', () => {
    const { chooser } = new Script()
    expect(chooser.next(true, 0)).toBe('tcp')
    expect(chooser.decision).toMatchObject({ lane: 'tcp', rule: 'only-candidate', candidates: [] })
  })

  it('uses the only candidate, and tries nothing', () => {
    const script = new Script()
    expect(script.candidates('tcp')).toEqual([])
    expect(script.exchanges(1_000, { tcp: 40 })).toEqual([])
    expect(script.chooser.describe(script.now).wouldChange).toEqual([
      'h3 would be a candidate if it might carry requests: nothing says that it works',
      'h2-spread would be a candidate if it might carry requests: nothing says that it works',
    ])
  })

  it('tries another lane when it knows the one that carries, and switches when it is faster', () => {
    const script = new Script()
    script.candidates('tcp')
    expect(script.candidates('tcp', 'h3')).toEqual(['tcp: unmeasured'])
    expect(script.exchanges(6, { tcp: 60 })).toEqual([])
    expect(script.exchanges(1, { tcp: 60 })).toEqual(['try h3 over 1'])
    expect(script.exchanges(5, { tcp: 60 })).toEqual([])
    expect(script.chooser.isTrying).toBe(false)
    script.ready('h3')
    expect(script.chooser.isTrying).toBe(true)
    expect(script.exchanges(10, { tcp: 60, h3: 40 })).toEqual(['tcp: kept'])
    expect(script.chooser.isTrying).toBe(false)
    // Its figures are those of a process that had just begun: it carries another block before it loses.
    expect(script.exchanges(9, { tcp: 60 })).toEqual([])
    expect(script.exchanges(1, { tcp: 60 })).toEqual(['h3: faster'])
    expect(script.chooser.next(false, script.now)).toBe('h3')
  })

  it('does not use requests for trials that may not take part', () => {
    const script = new Script()
    script.candidates('tcp', 'h3')
    script.exchanges(7, { tcp: 60 })
    script.ready('h3')
    for (let index = 0; index < 100; index += 1) expect(script.chooser.next(false, script.now)).toBe('tcp')
    expect(script.chooser.next(true, script.now)).toBe('h3')
  })

  it('leaves a lane that cannot be connected alone for a minute', () => {
    const script = new Script()
    script.candidates('tcp', 'h3')
    expect(script.exchanges(7, { tcp: 60 })).toEqual(['try h3 over 1'])
    expect(texts(script.chooser.onTrialUnavailable('h3', 'refused', script.now))).toEqual([])
    const [h3] = script.chooser.describe(script.now).candidates
    expect(h3?.evidence.at(-1)).toBe('not tried for 60 s: refused')
    expect(script.exchanges(990, { tcp: 60 })).toEqual([])
    expect(script.exchanges(20, { tcp: 60 })).toEqual(['try h3 over 1'])
  })

  it('ends a trial whose lane may not be used any more', () => {
    const script = new Script()
    script.candidates('tcp', 'h3')
    script.exchanges(7, { tcp: 60 })
    script.ready('h3')
    expect(script.chooser.next(true, script.now)).toBe('h3')
    expect(script.candidates('tcp')).toEqual(['tcp: only-candidate'])
    expect(script.chooser.next(true, script.now)).toBe('tcp')
    expect(script.chooser.isTrying).toBe(false)
  })

  it('leaves a lane at once that may not be used any more', () => {
    const script = new Script({}, ['h3', 'tcp'])
    expect(script.candidates('tcp', 'h3')).toEqual(['h3: unmeasured'])
    script.exchanges(5, { h3: 40 })
    expect(script.candidates('tcp')).toEqual(['tcp: only-candidate'])
    expect(script.candidates()).toEqual([])
    expect(script.chooser.next(true, script.now)).toBe('tcp')
  })

  it('does not let a lane without figures displace one with figures', () => {
    const script = new Script({}, ['h3', 'tcp'])
    script.candidates('tcp')
    script.exchanges(5, { tcp: 60 })
    expect(script.candidates('tcp', 'h3')).toEqual(['tcp: unmeasured'])
    const early = new Script({}, ['h3', 'tcp'])
    early.candidates('tcp')
    early.exchanges(2, { tcp: 60 })
    expect(early.candidates('tcp', 'h3')).toEqual(['h3: unmeasured'])
  })

  it('switches when a gain lasts and was shown again, and not before', () => {
    const script = new Script({ policy: 'latency' })
    script.candidates('tcp', 'h3')
    script.exchanges(9, { tcp: 40 })
    script.ready('h3')
    expect(script.exchanges(10, { h3: 60 }).at(-1)).toBe('tcp: faster')
    expect(script.chooser.isLearning).toBe(false)
    script.exchanges(100, { tcp: 40 })
    // It slows down: the lane that looks better now has to show it before anything else.
    const slow = { tcp: 200, h3: 60 }
    const began = script.now
    while (script.exchanges(1, slow)[0] !== 'try h3 over 1') expect(script.now - began).toBeLessThan(5_000)
    script.ready('h3')
    const trial = script.now
    script.exchanges(10, slow)
    expect(script.chooser.next(false, script.now)).toBe('tcp')
    while (script.chooser.next(false, script.now) === 'tcp') script.exchanges(1, slow)
    expect(script.now - trial).toBeGreaterThan(4_000)
    expect(script.now - began).toBeLessThan(8_000)
    expect(script.chooser.decision.because).toMatch(
      /^h3 takes 60\.\d ms, \d\d % less than tcp .*for at least 5\.0 s$/,
    )
  })

  it('leaves a lane that fails', () => {
    const script = new Script({}, ['h3', 'tcp'])
    script.candidates('tcp', 'h3')
    script.exchanges(20, { h3: 40, tcp: 60 })
    const actions = script.exchanges(6, { h3: 40 }, { failed: true })
    expect(actions).toContain('tcp: failing')
    expect(script.chooser.next(true, script.now)).toBe('tcp')
    expect(script.chooser.describe(script.now).wouldChange[0]).toMatch(
      /^h3 would be thought of again after a trial that goes well: \d\d % failed$/,
    )
  })

  it('explains what is known of each lane, and what would change the decision', () => {
    const script = new Script({ policy: 'latency' })
    script.candidates('tcp', 'h3', 'h2-spread')
    const { chooser } = script
    chooser.onHandshake('tcp', 85, 0)
    chooser.onPath('tcp', { rttMs: 40.1, lossRatio: 0.001 }, 0)
    chooser.onCpu('tcp', 0.12, 0)
    script.exchanges(7, { tcp: 40 }, { stallMs: 4 })
    script.ready('h3')
    script.exchanges(10, { h3: 60 }, { stallMs: 0 })
    const { candidates, wouldChange, rule, because } = chooser.describe(script.now + 3_000)
    expect([rule, because]).toEqual(['faster', 'tcp takes 40.4 ms, 33 % less than h3 (60.4 ms)'])
    expect(candidates.find(({ lane }) => lane === 'tcp')).toMatchObject({
      predictedMs: expect.closeTo(40.4, 1),
      cpuMs: 0.12,
      evidence: [
        'first byte after 40.0 ms ± 2.00 ms (4 samples, last 3.6 s ago)',
        '10 % of its time data waited behind a gap',
        'round trip 40.1 ms',
        '0.1 % of packets lost',
        'handshake 85.0 ms',
        'CPU 0.12 ms a request',
      ],
    })
    expect(candidates.find(({ lane }) => lane === 'h2-spread')).toMatchObject({
      predictedMs: undefined,
      cpuMs: undefined,
      evidence: [
        'CPU not measured: counted as 1.2 times that of HTTP/1.1',
        'not worth a trial: hardly two requests are under way at once',
      ],
    })
    expect(wouldChange).toEqual([
      'h3 would be taken if its requests took less than 38.4 ms (60.4 ms now)',
      'a measurement: no request went over h2-spread yet (not worth a trial: hardly two requests are under way at once)',
    ])
  })

  it('learns anew when the network changed', () => {
    const script = new Script({ policy: 'latency' })
    script.candidates('tcp', 'h3')
    script.exchanges(7, { tcp: 60 })
    script.ready('h3')
    script.exchanges(20, { h3: 40, tcp: 60 })
    expect(script.chooser.next(false, script.now)).toBe('h3')
    expect(texts(script.chooser.onNetworkChanged(script.now))).toEqual(['tcp: unmeasured'])
    expect(script.chooser.isLearning).toBe(true)
    expect(script.exchanges(7, { tcp: 60 })).toEqual(['try h3 over 1'])
  })

  it('learns anew after half an hour of silence', () => {
    const script = new Script({ policy: 'latency' })
    script.candidates('tcp', 'h3')
    script.exchanges(7, { tcp: 40 })
    script.ready('h3')
    script.exchanges(12, { tcp: 40, h3: 60 })
    expect(script.chooser.isLearning).toBe(false)
    script.now += 1_900_000
    script.exchanges(1, { tcp: 40 })
    expect(script.chooser.isLearning).toBe(true)
    expect(script.exchanges(6, { tcp: 40 })).toContain('try h3 over 1')
  })

  it('ignores an invalid figure', () => {
    const { chooser } = new Script()
    chooser.onHandshake('tcp', Number.NaN, 0)
    chooser.onPath('tcp', { rttMs: -1, lossRatio: Infinity }, 0)
    chooser.onSegments('tcp', { rttMs: 0, lossRatio: Number.NaN }, 0)
    chooser.onCpu('tcp', Infinity, 0)
    expect(JSON.stringify(chooser.snapshot(0, 0))).toBe('{"version":1,"savedAt":0,"lanes":{},"workload":{}}')
  })
})

describe('the record of a lane chooser', () => {
  function learned(): Script {
    const script = new Script({ policy: 'latency' })
    script.candidates('tcp', 'h3')
    script.exchanges(7, { tcp: 60 })
    script.ready('h3')
    script.exchanges(40, { tcp: 60, h3: 40 })
    return script
  }

  it('lets another process skip the learning', () => {
    const { chooser, now } = learned()
    const saved: unknown = JSON.parse(JSON.stringify(chooser.snapshot(now, 1e12)))
    const next = new Script({ policy: 'latency' })
    next.chooser.restore(saved, next.now, 1e12 + 10_000)
    expect(next.candidates('tcp', 'h3')).toEqual(['h3: faster'])
    expect(next.exchanges(100, { h3: 40 })).toEqual([])
    expect(next.chooser.isLearning).toBe(false)
  })

  it('is a guess after an hour, and worthless after a day', () => {
    const { chooser, now } = learned()
    const saved = chooser.snapshot(now, 1e12)
    const later = new Script()
    later.chooser.restore(saved, 0, 1e12 + 3_600_000)
    expect(later.candidates('tcp', 'h3')).toEqual(['h3: unmeasured'])
    expect(later.exchanges(7, { h3: 40 })).toEqual(['try tcp over 1'])
    const muchLater = new Script()
    muchLater.chooser.restore(saved, 0, 1e12 + 86_400_001)
    expect(muchLater.candidates('tcp', 'h3')).toEqual(['tcp: unmeasured'])
  })

  it('is below 4 KiB, whatever was measured', () => {
    const { chooser } = new Script()
    for (const lane of ['h3', 'tcp', 'h2-spread', 'http/1.1'] as const)
      for (let index = 0; index < 50; index += 1) {
        const odd = 1.2345678901 * 1.1 ** index
        const size = index % 2 === 0 ? 300 : 123_456_789
        const but = { ttfbMs: odd, bodyMs: odd, responseBytes: size, stallMs: 0.777, laneStreams: odd }
        chooser.onSample(sampleOf(lane, but), odd)
        chooser.onHandshake(lane, odd, odd)
        chooser.onPath(lane, { rttMs: odd, lossRatio: 0.0123456 }, odd)
        chooser.onSegments(lane, { rttMs: odd, lossRatio: 0.0123456 }, odd)
        chooser.onCpu(lane, odd / 1_000, odd)
      }
    const { length } = JSON.stringify(chooser.snapshot(86_400_000, 1.7e12))
    expect(length).toBeGreaterThan(1_500)
    expect(length).toBeLessThan(4_096)
  })
})
