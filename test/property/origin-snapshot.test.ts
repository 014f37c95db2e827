import { describe, expect, it } from 'vitest'
import { OriginRecord } from '../../src/select/record/origin-record.ts'
import { fc } from '../support/property.ts'
import { history, OPTIONS, PLACE } from './origin-histories.ts'

// A longer look: RUNS=20000 SEED=7 npx vitest run test/property/origin-snapshot.test.ts
const RUNS = Number(process.env['RUNS'] ?? 500)

/** Ms since 1970, somewhen. */
const WALL = 1_800_000_000_000

/** As a file gives it back. */
const throughFile = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

const snapshots = history.map(({ record, now }) => throughFile(record.snapshot(now, WALL + now)))

/** The value with something in it put in the place of something else. */
function damage(value: unknown, at: number, instead: unknown): unknown {
  let left = at
  const walk = (part: unknown): unknown => {
    if (left-- === 0) return instead
    if (Array.isArray(part)) return part.map(walk)
    if (typeof part !== 'object' || part === null) return part
    return Object.fromEntries(Object.entries(part).map(([name, member]) => [name, walk(member)]))
  }
  return walk(value)
}

describe('the snapshot of an origin', () => {
  it('is plain JSON, and restores the same after a restart on another clock', () => {
    const seen = { facts: 0, attempts: 0, connectMs: 0, quic: 0, alternatives: 0, http3: 0 }
    fc.assert(
      fc.property(history, fc.nat(1e9), ({ record, now }, bootAt) => {
        const wallNow = WALL + now
        const kept = record.snapshot(now, wallNow)
        const file = throughFile(kept)
        expect(file).toEqual(kept)
        const restored = OriginRecord.restore(file, PLACE, OPTIONS, bootAt, wallNow)
        expect(restored.snapshot(bootAt, wallNow)).toEqual(kept)
        for (const name of ['protocol', 'connectMs', 'tlsVersion', 'quicMs', 'capacity'] as const) {
          record.onTime(now)
          const value = record.fact(name)?.value
          expect(restored.fact(name)?.value).toEqual(value === Infinity ? undefined : value)
        }
        expect(restored.http3(bootAt).alternative?.host).toBe(record.http3(now).alternative?.host)
        expect(restored.http3(bootAt).status).toBe(record.http3(now).status)
        expect(restored.estimates).toEqual(record.estimates)
        for (const part of Object.keys(seen) as (keyof typeof seen)[])
          seen[part] += Object.keys(kept[part]).length
      }),
      { numRuns: RUNS },
    )
    for (const count of Object.values(seen)) expect(count).toBeGreaterThan(RUNS / 10)
  })

  it('may be any JSON at all', () => {
    let taken = 0
    fc.assert(
      fc.property(
        fc.oneof(
          fc.jsonValue(),
          fc.record({
            version: fc.constant(1),
            facts: fc.jsonValue(),
            alternatives: fc.jsonValue(),
            http3: fc.jsonValue(),
          }),
          fc
            .tuple(
              snapshots,
              fc.nat(150),
              fc.oneof(fc.jsonValue(), fc.constantFrom(-1, 1e300, '', null, WALL * 2)),
            )
            .map(([snapshot, at, instead]) => damage(snapshot, at, instead)),
        ),
        value => {
          const record = OriginRecord.restore(value, PLACE, OPTIONS, 0, WALL)
          record.facts(0)
          record.http3(0)
          const kept = record.snapshot(0, WALL)
          if (Object.keys(kept.facts).length > 0) taken++
          // What was taken is right: it is taken again as it is.
          expect(OriginRecord.restore(throughFile(kept), PLACE, OPTIONS, 0, WALL).snapshot(0, WALL)).toEqual(
            kept,
          )
        },
      ),
      { numRuns: RUNS * 2 },
    )
    expect(taken).toBeGreaterThan(RUNS / 10)
  })

  it('merges in any order, any number of times', () => {
    const merge = (a: unknown, b: unknown) => OriginRecord.mergeSnapshots(a, b)
    let conflicts = 0
    fc.assert(
      fc.property(snapshots, snapshots, snapshots, (a, b, c) => {
        const ab = merge(a, b)
        expect(merge(a, a)).toEqual(a)
        expect(merge(ab, a)).toEqual(ab)
        expect(merge(b, a)).toEqual(ab)
        expect(merge(ab, c)).toEqual(merge(a, merge(b, c)))
        if (JSON.stringify(ab.facts) !== JSON.stringify(merge(a, a).facts)) conflicts++
      }),
      { numRuns: RUNS },
    )
    expect(conflicts).toBeGreaterThan(RUNS / 4)
  })

  it('merges the same in any order where more is known than is kept', () => {
    const merge = (a: unknown, b: unknown) => OriginRecord.mergeSnapshots(a, b)
    const connects = fc
      .uniqueArray(fc.tuple(fc.nat(150), fc.nat(3), fc.nat(2)), {
        selector: ([name]) => name,
        maxLength: 64,
        size: 'max',
      })
      .map(list => {
        const entries = list.map(([name, age, value]): [string, unknown] => [
          `k${name}`,
          { value, at: WALL - age, expiresAt: WALL + 1000, source: '' },
        ])
        return merge({ version: 1, connectMs: Object.fromEntries(entries) }, { version: 1 })
      })
    let full = 0
    fc.assert(
      fc.property(connects, connects, connects, (a, b, c) => {
        const all = merge(merge(a, b), c)
        expect(merge(a, merge(b, c))).toEqual(all)
        expect(merge(b, merge(c, a))).toEqual(all)
        expect(merge(all, b)).toEqual(all)
        if (Object.keys(all.connectMs).length === 64) full++
      }),
      { numRuns: RUNS },
    )
    expect(full).toBeGreaterThan(RUNS / 4)
  })
})
