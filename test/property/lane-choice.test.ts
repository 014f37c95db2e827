import { describe, expect, it } from 'vitest'
import { LANE_NAMES, type LaneName } from '../../src/base/http/protocol.ts'
import { DEFAULT_SELECT_OPTIONS } from '../../src/base/options/select-options.ts'
import { LaneChooser } from '../../src/select/choice/choice.ts'
import type { ChoiceAction } from '../../src/select/choice/choice-action.ts'
import { candidateOf, sampleOf } from '../support/lane-figures.ts'
import { fc } from '../support/property.ts'

const lane = fc.constantFrom<LaneName>(...LANE_NAMES)
const anyNumber = fc.oneof(fc.double({ min: 0, max: 2_000, noNaN: true }), fc.double())

const options = fc.record({
  policy: fc.constantFrom('auto' as const, 'latency' as const, 'efficiency' as const),
  exploreShare: fc.constantFrom(0, 0.02, 0.5, 1),
  trialRequests: fc.integer({ min: 1, max: 20 }),
  minGain: fc.constantFrom(0, 0.1, 1),
  sustainMs: fc.constantFrom(0, 50, 5_000),
  spreadConnections: fc.integer({ min: 1, max: 8 }),
})

const step = fc.oneof(
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('candidates' as const), lanes: fc.uniqueArray(lane) }),
  },
  {
    weight: 20,
    arbitrary: fc.record({
      type: fc.constant('exchanges' as const),
      count: fc.integer({ min: 1, max: 30 }),
      mayTry: fc.boolean(),
      ttfbMs: anyNumber,
      bodyMs: anyNumber,
      responseBytes: fc.nat(1_000_000),
      laneStreams: anyNumber,
      laneConnections: anyNumber,
      failed: fc.boolean(),
      isFirst: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('wait' as const), ms: fc.constantFrom(1, 500, 1e5, 1e7) }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant('ready' as const), lane }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('unavailable' as const), lane }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant('path' as const), lane, loss: anyNumber, cpu: anyNumber }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('network' as const) }) },
)

describe('a lane chooser, whatever happens,', () => {
  it('names only lanes that may carry, tries only those, and keeps its decision in step', () => {
    fc.assert(
      fc.property(options, fc.array(lane), fc.array(step, { maxLength: 60 }), (some, preference, steps) => {
        const chooser = new LaneChooser(
          { options: { ...DEFAULT_SELECT_OPTIONS, ...some }, firstPreference: preference },
          0,
        )
        let now = 0
        let eligible: readonly LaneName[] = []
        const mayCarry = (name: LaneName): boolean =>
          eligible.length === 0 ? name === 'tcp' : eligible.includes(name)
        const obey = (actions: readonly ChoiceAction[]): void => {
          for (const action of actions) {
            if (action.type === 'decided') {
              expect(action.decision).toBe(chooser.decision)
              continue
            }
            expect(mayCarry(action.lane)).toBe(true)
            expect(action.lane).not.toBe(chooser.decision.lane)
            expect(action.connections).toBeGreaterThanOrEqual(1)
            expect(action.connections).toBeLessThanOrEqual(16)
            expect(Number.isInteger(action.connections)).toBe(true)
            if (now % 2 < 1) chooser.onTrialReady(action.lane, now)
          }
        }
        for (const one of steps) {
          if (one.type === 'candidates') {
            eligible = one.lanes
            obey(
              chooser.setCandidates(
                LANE_NAMES.map(name => candidateOf(name, eligible.includes(name))),
                now,
              ),
            )
          } else if (one.type === 'exchanges') {
            for (let index = 0; index < one.count; index += 1) {
              const name = chooser.next(one.mayTry, now)
              expect(mayCarry(name)).toBe(true)
              now += 0.5
              obey(chooser.onSample(sampleOf(name, one), now))
            }
          } else if (one.type === 'wait') now += one.ms
          else if (one.type === 'ready') obey(chooser.onTrialReady(one.lane, now))
          else if (one.type === 'unavailable') obey(chooser.onTrialUnavailable(one.lane, 'gone', now))
          else if (one.type === 'network') obey(chooser.onNetworkChanged(now))
          else {
            chooser.onPath(one.lane, { rttMs: one.loss, lossRatio: one.loss }, now)
            chooser.onHandshake(one.lane, one.loss, now)
            chooser.onCpu(one.lane, one.cpu, now)
          }
          expect(mayCarry(chooser.decision.lane)).toBe(true)
          expect(chooser.next(false, now)).toBe(chooser.decision.lane)
          const described = chooser.describe(now)
          expect(described.lane).toBe(chooser.decision.lane)
          expect(JSON.stringify(described)).not.toMatch(/NaN|Infinity|null/)
          expect(JSON.stringify(chooser.snapshot(now, 1e12)).length).toBeLessThan(4_096)
        }
      }),
      { numRuns: 300 },
    )
  })

  it('accepts any JSON as a snapshot without a fault, and goes on', () => {
    const damaged = fc.record(
      {
        version: fc.constantFrom(1, 1, 1, 2, '1'),
        savedAt: fc.oneof(fc.constant(1e12), fc.double(), fc.jsonValue()),
        lane: fc.oneof(lane, fc.jsonValue()),
        lanes: fc.oneof(
          fc.dictionary(
            lane,
            fc.dictionary(
              fc.constantFrom('ttfb', 'errors', 'msPerByte', 'smallBody', 'cpu', 'loss', 'connections', 'x'),
              fc.oneof(fc.array(anyNumber, { minLength: 5, maxLength: 5 }), fc.jsonValue()),
            ),
          ),
          fc.jsonValue(),
        ),
        workload: fc.oneof(
          fc.dictionary(
            fc.constantFrom('concurrency', 'largeShare', 'largeBytes', 'streamsPerConnection'),
            fc.array(anyNumber, { minLength: 5, maxLength: 5 }),
          ),
          fc.jsonValue(),
        ),
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(damaged, fc.jsonValue(), fc.anything()), value => {
        const chooser = new LaneChooser({ options: DEFAULT_SELECT_OPTIONS, firstPreference: ['tcp'] }, 0)
        chooser.restore(value, 0, 1e12)
        chooser.setCandidates(
          LANE_NAMES.map(name => candidateOf(name)),
          0,
        )
        for (let index = 0; index < 30; index += 1)
          chooser.onSample(sampleOf(chooser.next(true, index)), index * 50)
        expect(LANE_NAMES).toContain(chooser.next(true, 2_000))
        expect(JSON.stringify(chooser.describe(2_000))).not.toMatch(/NaN|Infinity|null/)
        expect(JSON.stringify(chooser.snapshot(2_000, 1e12)).length).toBeLessThan(4_096)
      }),
      { numRuns: 500 },
    )
  })
})
