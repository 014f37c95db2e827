import { describe, expect, it } from 'vitest'
import type { Conditions } from '../../../../src/bench/impair/conditions.ts'
import { DatagramLine } from '../../../../src/bench/impair/datagram-line.ts'
import { PacketLossModel } from '../../../../src/bench/impair/packet-loss-model.ts'
import { RateQueue } from '../../../../src/bench/impair/rate-queue.ts'

interface Arrival {
  readonly item: number
  readonly at: number
}

/** Datagrams 0, 1, … of that many bytes, one each `everyMs`; what comes out, and when. */
function travel(
  conditions: Conditions,
  count: number,
  options: { bytes?: number; everyMs?: number; seed?: number } = {},
) {
  const { bytes = 1_200, everyMs = 1, seed = 1 } = options
  const line = new DatagramLine<number>(seed, new RateQueue())
  const arrivals: Arrival[] = []
  const takeUntil = (until: number): void => {
    while (line.nextDueAt <= until) {
      const at = line.nextDueAt
      expect(line.take(at - 0.001)).toBeUndefined()
      arrivals.push({ item: line.take(at) ?? -1, at })
    }
  }
  for (let i = 0; i < count; i++) {
    takeUntil(i * everyMs)
    line.put(i, bytes, i * everyMs, conditions)
  }
  takeUntil(Number.MAX_VALUE)
  return { arrivals, items: arrivals.map(({ item }) => item), counts: line.counts }
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i)

describe('DatagramLine', () => {
  it('delays, and changes nothing else unless asked to', () => {
    const { arrivals, counts } = travel({ delayMs: 20 }, 100)
    expect(arrivals).toEqual(upTo(100).map(i => ({ item: i, at: i + 20 })))
    expect(counts).toMatchObject({
      packets: 100,
      bytes: 120_000,
      delivered: 100,
      deliveredBytes: 120_000,
      lost: 0,
    })
  })

  it('loses of 10,000 datagrams exactly those that the packet loss model of its seed names', () => {
    const conditions = { lossRate: 0.05, delayMs: 5 }
    const fates = new PacketLossModel(42)
    const survivors = upTo(10_000).filter(() => fates.next(conditions).kind === 'passes')
    const { items, counts } = travel(conditions, 10_000, { seed: 42 })
    expect(items).toEqual(survivors)
    expect(counts.lost).toBe(10_000 - survivors.length)
  })

  it('keeps the order under jitter, within the delay and the jitter', () => {
    const { arrivals, items } = travel({ delayMs: 20, jitterMs: 10 }, 1_000)
    expect(items).toEqual(upTo(1_000))
    for (const { item, at } of arrivals) {
      expect(at - item).toBeGreaterThanOrEqual(20)
      expect(at - item).toBeLessThan(30)
    }
  })

  it('holds back a share, by twice the delay or the time that is set, so that later ones overtake', () => {
    for (const [reorderDelayMs, heldMs] of [
      [undefined, 40],
      [7, 7],
    ] as const) {
      const conditions = {
        delayMs: 20,
        reorderRate: 0.1,
        ...(reorderDelayMs !== undefined && { reorderDelayMs }),
      }
      const { arrivals, items, counts } = travel(conditions, 1_000)
      const late = arrivals.filter(({ item, at }) => at - item > 20)
      expect(late.length).toBe(counts.late)
      expect(counts.late).toBeGreaterThan(60)
      for (const { item, at } of late) expect(at - item).toBeCloseTo(20 + heldMs, 6)
      expect(items).not.toEqual(upTo(1_000))
      expect(items.toSorted((a, b) => a - b)).toEqual(upTo(1_000))
    }
  })

  it('duplicates a share, the copy right behind', () => {
    const { items, counts } = travel({ delayMs: 5, duplicateRate: 0.2 }, 1_000)
    expect(items).toHaveLength(1_000 + counts.doubled)
    expect(counts.doubled).toBeGreaterThan(120)
    const copies = items.filter((item, i) => items[i - 1] === item)
    expect(copies).toHaveLength(counts.doubled)
  })

  it('passes the bottleneck at its rate, with a queue before it', () => {
    const { arrivals } = travel({ delayMs: 10, bytesPerSecond: 120_000 }, 50, { everyMs: 0 })
    expect(arrivals.map(({ at }) => at)).toEqual(upTo(50).map(i => (i + 1) * 10 + 10))
  })

  it('loses at the tail what the queue has no room for', () => {
    const { items, counts } = travel({ bytesPerSecond: 120_000, queueBytes: 6_000 }, 50, { everyMs: 0 })
    expect(items).toEqual([0, 1, 2, 3, 4])
    expect(counts.overflowed).toBe(45)
    // One leaves each 10 ms, two come.
    const steady = travel({ bytesPerSecond: 120_000, queueBytes: 6_000 }, 100, { everyMs: 5 })
    expect(steady.items.length).toBeGreaterThan(50)
    expect(steady.counts.overflowed).toBe(100 - steady.items.length)
    expect(steady.counts.lost).toBe(0)
  })

  it('lets what is lost behind the bottleneck take its time there', () => {
    const conditions = { lossRate: 0.5, bytesPerSecond: 120_000 }
    const { arrivals } = travel(conditions, 20, { everyMs: 0 })
    for (const { item, at } of arrivals) expect(at).toBe((item + 1) * 10)
  })

  it('swallows everything in a black hole, while what is under way arrives and the loss model goes on', () => {
    const line = new DatagramLine<number>(3, new RateQueue())
    const conditions = { delayMs: 10, lossRate: 0.3 }
    const fates = new PacketLossModel(3)
    const passes = upTo(300).filter(() => fates.next(conditions).kind === 'passes')
    const items: number[] = []
    for (let i = 0; i < 300; i++) {
      const isBlackHole = i >= 100 && i < 200
      line.put(i, 100, i, { ...conditions, isBlackHole })
      for (let item = line.take(i); item !== undefined; item = line.take(i)) items.push(item)
    }
    for (let item = line.take(999); item !== undefined; item = line.take(999)) items.push(item)
    expect(items).toEqual(passes.filter(i => i < 100 || i >= 200))
    expect(line.counts.swallowed).toBe(100)
  })

  it('has a bound on what is under way without a rate', () => {
    const { items, counts } = travel({ delayMs: 1_000 }, 80, { bytes: 1_048_576, everyMs: 0 })
    expect([items.length, counts.overflowed]).toEqual([64, 16])
  })
})
