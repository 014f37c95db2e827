import { describe, expect, it } from 'vitest'
import { LaneEstimates } from '../../../../src/select/choice/lane-estimates.ts'
import {
  changeFactor,
  contends,
  costRelation,
  isConclusive,
  isHopeless,
  type PolicyOptions,
  policyBest,
} from '../../../../src/select/choice/lane-preference.ts'
import { standingOf, warmEstimates } from '../../../support/lane-figures.ts'

const auto: PolicyOptions = { policy: 'auto', minGain: 0.1 }
const latency: PolicyOptions = { policy: 'latency', minGain: 0.1 }
const efficiency: PolicyOptions = { policy: 'efficiency', minGain: 0.1 }

const noisy = (lane: 'h3' | 'tcp', ms: number, errorMs: number, samples = 6) => {
  const estimates = warmEstimates(ms, samples)
  return standingOf(lane, ms, { prediction: { ms, errorMs, isBorrowed: false }, estimates })
}

describe('the best lane by policy', () => {
  it.each([
    [latency, 40, 39.9, 'h3'],
    [latency, 40, 40.1, 'tcp'],
    [auto, 40, 36.1, 'tcp'],
    [auto, 40, 35.9, 'h3'],
    [efficiency, 40, 20.1, 'tcp'],
    [efficiency, 40, 19.9, 'h3'],
  ] as const)('of %j with tcp %d ms and h3 %d ms is %s', (policyOptions, tcpMs, h3Ms, best) => {
    const tcp = standingOf('tcp', tcpMs)
    expect(policyBest([tcp, standingOf('h3', h3Ms)], tcp, policyOptions).lane).toBe(best)
    expect(policyBest([standingOf('h3', h3Ms), tcp], undefined, policyOptions).lane).toBe(best)
  })

  it('is the one that carries, where others cost the same and are as fast, and the fastest of those otherwise', () => {
    const [tcp, spread, http1] = [
      standingOf('tcp', 40),
      standingOf('h2-spread', 38, { cost: 1.2 }),
      standingOf('http/1.1', 37),
    ]
    expect(policyBest([tcp, spread, http1], tcp, auto).lane).toBe('tcp')
    expect(policyBest([tcp, spread, http1], spread, auto).lane).toBe('h2-spread')
    expect(policyBest([tcp, spread, http1], undefined, auto).lane).toBe('http/1.1')
    expect(policyBest([standingOf('tcp', 50), spread, http1], tcp, auto).lane).toBe('http/1.1')
  })
})

describe('replacing the lane that carries', () => {
  it.each([
    [latency, 'h3', 35.9, true],
    [latency, 'h3', 36.1, false],
    [auto, 'h3', 35.9, true],
    [auto, 'h3', 36.1, false],
    [efficiency, 'h3', 17.9, true],
    [efficiency, 'h3', 18.1, false],
  ] as const)(
    'by %j, with %s at %d ms in place of tcp at 40 ms, is allowed: %s',
    (policyOptions, lane, ms, isTaken) => {
      expect(contends(standingOf(lane, ms), standingOf('tcp', 40), policyOptions)).toBe(isTaken)
    },
  )

  it('is easier for a cheaper lane, but not at the bound at which it was left', () => {
    const h3 = standingOf('h3', 40)
    expect(contends(standingOf('tcp', 42), h3, auto)).toBe(true)
    expect(contends(standingOf('tcp', 43), h3, auto)).toBe(false)
    expect(contends(standingOf('tcp', 75), h3, efficiency)).toBe(true)
    expect(contends(standingOf('tcp', 77), h3, efficiency)).toBe(false)
    expect(contends(standingOf('tcp', 39), h3, latency)).toBe(false)
  })

  it('requires more than chance explains', () => {
    expect(contends(noisy('h3', 34, 3), noisy('tcp', 40, 3), latency)).toBe(true)
    expect(contends(noisy('h3', 34, 6), noisy('tcp', 40, 6), latency)).toBe(false)
    expect(contends(noisy('tcp', 41, 1), noisy('h3', 40, 1), auto)).toBe(true)
    expect(contends(noisy('tcp', 41, 4), noisy('h3', 40, 4), auto)).toBe(false)
  })

  it('leaves room between the bounds of being used and being left, under each policy', () => {
    for (const policyOptions of [auto, latency, efficiency])
      expect(changeFactor('dearer', policyOptions) * changeFactor('cheaper', policyOptions)).toBeLessThan(1)
  })
})

describe('comparing two lanes', () => {
  it('treats costs that are close to each other as equal', () => {
    expect(costRelation(standingOf('tcp', 1), standingOf('http/1.1', 1, { cost: 1.2 }), auto)).toBe('same')
    expect(costRelation(standingOf('tcp', 1), standingOf('http/1.1', 1, { cost: 1.3 }), auto)).toBe('cheaper')
    expect(costRelation(standingOf('h3', 1), standingOf('tcp', 1, { cost: 1.1 }), auto)).toBe('dearer')
  })

  it('ends when the bound is two errors away, to either side', () => {
    expect(isConclusive(noisy('h3', 30, 2), noisy('tcp', 40, 2), latency)).toBe(true)
    expect(isConclusive(noisy('h3', 50, 2), noisy('tcp', 40, 2), latency)).toBe(true)
    expect(isConclusive(noisy('h3', 38, 2), noisy('tcp', 40, 2), latency)).toBe(false)
    // 36 ms is the bound for what costs more.
    expect(isConclusive(noisy('h3', 36, 1), noisy('tcp', 40, 1), auto)).toBe(false)
    expect(isConclusive(noisy('h3', 40, 1), noisy('tcp', 40, 1), auto)).toBe(true)
  })

  it('does not end with fewer than six samples of either, however far apart they are', () => {
    expect(isConclusive(noisy('h3', 3, 0, 5), noisy('tcp', 40, 0), latency)).toBe(false)
    expect(isConclusive(noisy('h3', 3, 0), noisy('tcp', 40, 0, 5), latency)).toBe(false)
    expect(isConclusive(noisy('h3', 3, 0), noisy('tcp', 40, 0), latency)).toBe(true)
  })
})

describe('a lane that carries over cold connections', () => {
  it('is not judged by a difference that cold connections explain', () => {
    const cold = new LaneEstimates()
    for (let index = 0; index < 6; index += 1) cold.ttfb.add(400, index)
    const tcp = { ...noisy('tcp', 400, 1), estimates: cold }
    expect(isConclusive(noisy('h3', 101, 1), tcp, latency)).toBe(false)
    expect(isConclusive(noisy('h3', 100, 1), tcp, latency)).toBe(true)
    expect(isConclusive(noisy('h3', 101, 1), noisy('tcp', 400, 1), latency)).toBe(true)
  })
})

describe('a lane without any chance', () => {
  it('is slower by half and seven round trips, by three samples or more', () => {
    // A round trip of 40 ms.
    const incumbent = { ...noisy('tcp', 40, 1), prediction: { ms: 100, errorMs: 1, isBorrowed: false } }
    const slow = (ms: number, samples = 3) => ({
      ...noisy('h3', 60, 1, samples),
      prediction: { ms, errorMs: 1, isBorrowed: false },
    })
    expect([isHopeless(slow(431), incumbent), isHopeless(slow(429), incumbent)]).toEqual([true, false])
    expect(isHopeless(slow(9_999, 2), incumbent)).toBe(false)
  })
})

describe('on a path that may lose packets', () => {
  const tcp = (ms: number, errorMs = 0) => ({ ...noisy('tcp', ms, errorMs), isRisky: true })

  it('auto prefers the lane that tolerates it, unless the other one is faster by the bound and beyond chance', () => {
    const best = (tcpMs: number, errorMs = 0) =>
      policyBest([tcp(tcpMs, errorMs), noisy('h3', 40, errorMs)], undefined, auto).lane
    expect([best(37), best(35.9), best(35.9, 1), best(30, 1), best(50)]).toEqual([
      'h3',
      'tcp',
      'h3',
      'tcp',
      'h3',
    ])
  })

  it('auto switches to it from one that does not, and leaves it for more than the bound only', () => {
    expect(contends(noisy('h3', 41, 1), tcp(40, 1), auto)).toBe(true)
    expect(contends(tcp(37), noisy('h3', 40, 0), auto)).toBe(false)
    expect(contends(tcp(35.9), noisy('h3', 40, 0), auto)).toBe(true)
  })

  it('other policies follow their own rule', () => {
    expect(policyBest([tcp(39.9), noisy('h3', 40, 0)], undefined, latency).lane).toBe('tcp')
    expect(policyBest([tcp(60), noisy('h3', 40, 0)], undefined, efficiency).lane).toBe('tcp')
  })
})
