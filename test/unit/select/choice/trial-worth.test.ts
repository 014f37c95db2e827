import { describe, expect, it } from 'vitest'
import type { ExchangeSample } from '../../../../src/select/choice/choice-action.ts'
import { streamsPerConnection } from '../../../../src/select/choice/lane-estimates.ts'
import { trialWorth } from '../../../../src/select/choice/trial-worth.ts'
import { Workload } from '../../../../src/select/choice/workload.ts'
import { sampleOf, standingOf } from '../../../support/lane-figures.ts'

/**
 * An origin that was asked over `tcp`, four at a time, by ten exchanges of which the `index`th is
 * `but(index)`.
 */
function origin(but: (index: number) => Partial<ExchangeSample> = () => ({}), laneStreams = 4) {
  const snapshots = [standingOf('tcp', 40), standingOf('h3', 40), standingOf('h2-spread', 40)]
  const workload = new Workload()
  for (let index = 0; index < 10; index += 1) {
    const sample = sampleOf('tcp', { laneStreams, ...but(index) })
    workload.onSample(sample, streamsPerConnection(sample), true, index)
    snapshots[0]!.estimates.onSample(sample, workload.meanLargeBytes, index)
  }
  const judge = (lane: 'h3' | 'tcp' | 'h2-spread' | 'http/1.1', ms = 440) => {
    const current = { ...snapshots[0]!, prediction: { ms, errorMs: 0, isBorrowed: false } }
    const all = [current, ...snapshots.slice(1)]
    const { isWorth, because } = trialWorth(lane, all, workload, current)
    return [isWorth, because()] as const
  }
  return { snapshots, judge }
}

const late = (index: number): Partial<ExchangeSample> => (index % 5 === 4 ? { ttfbMs: 200 } : {})

describe('whether a lane is worth a trial', () => {
  it('is no question for another protocol', () => {
    expect(origin().judge('h3')[0]).toBe(true)
    expect(origin().judge('tcp')[0]).toBe(true)
  })

  it('is answered with no while nothing makes one connection stall', () => {
    for (const lane of ['h2-spread', 'http/1.1'] as const)
      expect(origin().judge(lane)).toEqual([
        false,
        'not worth a trial: no sign that losses make one connection stall (0 % lost)',
      ])
  })

  it('1. is answered with yes when packets are lost, whoever counted them', () => {
    const { snapshots, judge } = origin()
    snapshots[1]!.estimates.loss.add(0.002, 10)
    expect(judge('h2-spread')[0]).toBe(false)
    snapshots[1]!.estimates.loss.add(0.02, 11)
    expect(judge('h2-spread')).toEqual([true, '1.1 % of packets are lost'])
    expect(judge('http/1.1')[0]).toBe(true)
  })

  it('2. is answered with yes when the kernel sees losses on a shared connection', () => {
    const counted = (ratios: readonly number[], laneStreams?: number) => {
      const made = origin(undefined, laneStreams)
      for (const ratio of ratios) made.snapshots[0]!.estimates.segmentLoss.add(ratio, 10)
      return made.judge('h2-spread')
    }
    expect(counted([0, 0.02, 0, 0.02])).toEqual([true, '1.0 % of segments over tcp show a loss'])
    expect(counted([0, 0.01, 0, 0])[0]).toBe(false)
    expect(counted([0.02, 0.02, 0.02])[0], 'too few').toBe(false)
    expect(counted([0.02, 0.02, 0.02, 0.02], 1)[0], 'shared by nobody').toBe(false)
  })

  it('2. is not answered by round trips, which vary with how busy a machine is', () => {
    const { snapshots, judge } = origin()
    for (const rtt of [1, 31, 1, 310, 1]) snapshots[0]!.estimates.rtt.add(rtt, 10)
    expect(judge('h2-spread')[0]).toBe(false)
  })

  it('2. is not answered by first bytes, which say more of what the origin does', () => {
    expect(origin(late).judge('h2-spread')[0]).toBe(false)
  })

  it('3. is answered with yes when a byte takes much longer than over the best lane', () => {
    const { snapshots, judge } = origin(index =>
      index % 3 === 0 ? { responseBytes: 100_000, bodyMs: 400 } : {},
    )
    expect(judge('h2-spread')[0]).toBe(false)
    snapshots[1]!.estimates.msPerByte.add(0.0002, 10)
    expect(judge('h2-spread')).toEqual([
      true,
      'a byte over tcp takes 5.0 times as long as over the best lane',
    ])
  })

  it('4. is answered with yes when large bodies share a connection, and its window', () => {
    const large = { responseBytes: 100_000, bodyMs: 400 }
    expect(origin(() => large).judge('http/1.1')).toEqual([
      true,
      'several large responses share a connection, and its window',
    ])
    expect(origin(() => ({ ...large, laneConnections: 4 })).judge('http/1.1')[0]).toBe(false)
    // Bodies that come with their heads gain nothing from more windows; those of a cold connection tell
    // nothing.
    expect(origin(() => large).judge('http/1.1', 50)[0]).toBe(false)
    expect(origin(() => large).judge('http/1.1', 51)[0]).toBe(true)
    expect(origin(() => ({ ...large, isFirst: true })).judge('http/1.1')[0]).toBe(false)
  })

  it('is answered with no for small responses that no connection over TCP could carry faster', () => {
    const lossy = (but?: (index: number) => Partial<ExchangeSample>) => {
      const { snapshots, judge } = origin(but)
      snapshots[1]!.estimates.loss.add(0.02, 10)
      snapshots[1]!.estimates.rtt.add(40, 10)
      return judge
    }
    // A round trip of 40 ms, and in one request of 25 a time-out of 240 ms.
    expect(lossy()('http/1.1', 49)).toEqual([
      false,
      'not worth a trial: with the losses that there are it would take 49.6 ms at the least',
    ])
    expect(lossy()('http/1.1', 50)[0]).toBe(true)
    expect(lossy(() => ({ responseBytes: 100_000, bodyMs: 5 }))('http/1.1', 45)[0]).toBe(true)
  })

  it('is answered with no where another lane stands losses better, and is about as fast', () => {
    const risky = (h3Ms: number) => {
      const snapshots = [
        standingOf('tcp', 40, { isRisky: true }),
        standingOf('h3', h3Ms),
        standingOf('h2-spread', 40, { isRisky: true, isMeasured: false }),
      ]
      snapshots[0]!.estimates.loss.add(0.02, 0)
      const workload = new Workload()
      workload.onSample(sampleOf('tcp', { laneStreams: 4 }), 4, true, 0)
      const { isWorth, because } = trialWorth('h2-spread', snapshots, workload, snapshots[0])
      return [isWorth, because()]
    }
    expect(risky(60)).toEqual([false, 'not worth a trial: h3 waits less for what is lost, if anything is'])
    expect(risky(61)).toEqual([true, '2.0 % of packets are lost'])
  })

  it('is answered with no when there is nobody to be stalled', () => {
    const { snapshots, judge } = origin(late, 1)
    snapshots[0]!.estimates.loss.add(0.05, 10)
    expect(judge('h2-spread')).toEqual([
      false,
      'not worth a trial: hardly two requests are under way at once',
    ])
  })
})
