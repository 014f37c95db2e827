import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../src/base/seeded-random.ts'
import { AddressChanges, drainStep, MAX_PATIENCE, MIN_PATIENCE } from '../../src/select/address-changes.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'

// A longer look: RUNS=100000 SEED=7 npx vitest run test/property/address-changes.test.ts
const RUNS = Number(process.env['RUNS'] ?? volume(400, 1000))
const EVERY = 30_000

const ADDRESSES = ['a', 'b', 'c', 'd']
const answer = fc.record({
  addresses: fc.subarray(ADDRESSES, { minLength: 1 }),
  afterMs: fc.constantFrom(1, EVERY - 1, EVERY, 10 * EVERY),
  times: fc.constantFrom(1, 1, 2, 3, 5, 30),
})

/** Numbers below a bound, as a seed has them. */
function drawsFrom(seed: number): (below: number) => number {
  const random = seededRandom(seed)
  return below => Math.floor(random() * below)
}

/** The rules in the plainest words: all answers are kept, and looked through. */
class Rules {
  readonly all: { addresses: readonly string[]; counts: boolean }[] = []
  #countedAt = Number.NEGATIVE_INFINITY

  onAnswer(addresses: readonly string[], now: number): void {
    const counts = now - this.#countedAt >= EVERY
    if (counts) this.#countedAt = now
    this.all.push({ addresses, counts })
  }

  get patience(): number {
    let longest = 0
    for (const address of ADDRESSES) {
      let away = 0
      let wasThere = false
      for (const { addresses, counts } of this.all) {
        if (addresses.includes(address)) {
          if (wasThere) longest = Math.max(longest, away)
          wasThere = true
          away = 0
        } else if (counts) away += 1
      }
    }
    return Math.min(MAX_PATIENCE, Math.max(MIN_PATIENCE, 2 * longest + 1))
  }

  hasLeft(address: string): boolean {
    if (!this.all.some(({ addresses }) => addresses.includes(address))) return false
    const last = this.all.at(-1)?.addresses.toSorted().join()
    let lacked = 0
    for (const { addresses, counts } of this.all.toReversed()) {
      if (addresses.includes(address) || addresses.toSorted().join() !== last) break
      if (counts) lacked += 1
    }
    return lacked >= this.patience
  }
}

describe('AddressChanges', () => {
  it('agrees with rules that keep every answer', () => {
    fc.assert(
      fc.property(fc.array(answer, { maxLength: 30 }), answers => {
        const changes = new AddressChanges({ intervalMs: EVERY })
        const rules = new Rules()
        let now = 0
        for (const { addresses, afterMs, times } of answers) {
          for (let i = 0; i < times; i++) {
            now += afterMs
            changes.onAnswer(addresses, now)
            rules.onAnswer(addresses, now)
            expect(changes.patience).toBe(rules.patience)
            for (const address of ADDRESSES)
              if (rules.all.some(one => one.addresses.includes(address)))
                expect([address, changes.hasLeft(address)]).toEqual([address, rules.hasLeft(address)])
          }
        }
      }),
      { numRuns: RUNS },
    )
  })

  /**
   * Connections are made to what an answer has, and drained where their address has left: how many, over a
   * day of answers.
   */
  const drainedInADay = (answers: () => readonly string[]): number => {
    const changes = new AddressChanges({ intervalMs: EVERY })
    const connected = new Set<string>()
    let drained = 0
    for (let now = 0; now < 86_400_000; now += EVERY) {
      const addresses = answers()
      for (const address of addresses) connected.add(address)
      changes.onAnswer(addresses, now)
      for (const address of connected) {
        if (!changes.hasLeft(address)) continue
        connected.delete(address)
        drained += 1
      }
    }
    return drained
  }

  it('leaves the connections alone of a CDN that answers with another subset each time', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 8, max: 60 }),
        fc.integer({ min: 2, max: 4 }),
        fc.integer(),
        (all, some, seed) => {
          const draw = drawsFrom(seed)
          const subset = (): string[] => {
            const chosen = new Set<string>()
            while (chosen.size < some) chosen.add(`192.0.2.${draw(all)}`)
            return [...chosen]
          }
          expect(drainedInADay(subset)).toBe(0)
        },
      ),
      { numRuns: 50 },
    )
  })

  it('drains no address of a rotation that repeats in fewer answers than its patience covers', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 9 }), fc.integer({ min: 1, max: 2 }), (addresses, each) => {
        let count = 0
        const rotation = (): string[] => [`192.0.2.${Math.floor(count++ / each) % addresses}`]
        expect(drainedInADay(rotation)).toBe(0)
      }),
      { numRuns: 50 },
    )
  })

  it('drains a weighted record that comes once in ten answers less than twice in an hour', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const draw = drawsFrom(seed)
        expect(drainedInADay(() => [draw(10) === 0 ? 'seldom' : 'often'])).toBeLessThan(48)
      }),
      { numRuns: 50 },
    )
  })
})

describe('drainStep', () => {
  const situation = fc
    .record({
      open: fc.nat(200),
      leavingShare: fc.double({ min: 0, max: 1, noNaN: true }),
      others: fc.nat(5),
      waiters: fc.nat(3),
      hasRoom: fc.boolean(),
      isInUse: fc.boolean(),
      cannotReplace: fc.boolean(),
    })
    .map(({ open, leavingShare, others, ...rest }) => {
      const leaving = Math.floor(open * leavingShare)
      return { open, leaving, serving: Math.min(open, leaving + others), ...rest }
    })

  it('drains a tenth at the most, and never the last that serves those who wait', () => {
    fc.assert(
      fc.property(situation, given => {
        const step = drainStep(given)
        if (step.kind !== 'drain') return
        expect(step.connections).toBeGreaterThan(0)
        expect(step.connections).toBeLessThanOrEqual(Math.min(given.leaving, Math.max(1, given.open / 10)))
        if (given.waiters > 0 && given.isInUse) expect(given.serving - step.connections).toBeGreaterThan(0)
      }),
      { numRuns: RUNS },
    )
  })

  it('comes to an end, since every step drains, or what it waits for is the next answer', () => {
    fc.assert(
      fc.property(situation, given => {
        let { open, leaving, serving, hasRoom } = given
        for (let steps = 0; leaving > 0; steps++) {
          expect(steps).toBeLessThan(500)
          const step = drainStep({ ...given, open, leaving, serving, hasRoom })
          if (step.kind === 'wait') return
          if (step.kind === 'replace') {
            open += 1
            serving += 1
          } else {
            open -= step.connections
            leaving -= step.connections
            serving -= step.connections
            hasRoom = true
          }
        }
      }),
      { numRuns: RUNS },
    )
  })
})
