import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { TransportEvent } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { OriginHints } from '../../../../src/origin/hints/origin-hints.ts'
import type { OriginPools } from '../../../../src/origin/origin-pools.ts'
import { collectFaults } from '../../../support/collected-faults.ts'

const HINT = { by: 'https://shop.test', source: 'response' } as const
const LINKS = [
  'link',
  '<https://a.test>; rel=preconnect',
  'date',
  'x',
  'link',
  '<https://b.test>; rel=preconnect',
]
const granted = () => true

/** Pools as they look to hints. */
function setUp(preconnectHints: 'auto' | 'never' = 'auto') {
  const pool = {
    live: 0,
    load: { starting: 0, waiters: 0 },
    backingOff: false,
    stats: () => ({ backingOff: pool.backingOff }),
    asked: 0,
    preconnect: () => {
      pool.asked += 1
      return Promise.reject(new TransportError('MM_CONNECT_FAILED', 'refused'))
    },
  }
  const world = { isFull: false, requests: 0, hasTargets: true, read: [] as string[] }
  const pools = {
    all: () => [pool],
    get load() {
      return { isFull: world.isFull }
    },
    counters: () => ({ requests: world.requests }),
    lanes: { preferred: () => ({ pool }) },
  } as unknown as OriginPools // of it, what is asked here
  const events: TransportEvent[] = []
  const hints = new OriginHints({
    origin: parseOrigin('https://a.test'),
    settings: { preconnectHints },
    pools,
    hints: {
      get hasTargets() {
        return world.hasTargets
      },
      onLinks: (_from, source, links) => {
        if (links.includes('fault')) throw new Error('a defect')
        world.read.push(`${source}: ${links}`)
      },
    },
    observer: event => void events.push(event),
  })
  const outcome = (now: number, mayOpen = granted): string => {
    const before = hints.figures()
    hints.onHinted(HINT, mayOpen, now)
    const after = Object.entries(hints.figures())
    return after
      .filter(([name, count]) => count > before[name as keyof typeof before])
      .map(([name]) => name)
      .join('+')
  }
  return { hints, pool, world, events, outcome }
}

describe('a hint that names an origin', () => {
  it('opens one connection where there is none, reports it, and ignores its failure', async () => {
    const { hints, pool, events, outcome } = setUp()
    expect(outcome(0)).toBe('opened')
    await Promise.resolve()
    expect(pool.asked).toBe(1)
    expect(events).toMatchObject([{ type: 'preconnect-hinted', origin: { key: 'https://a.test' }, ...HINT }])
    expect(hints.facts(3000)).toEqual([
      {
        fact: 'a connection was opened ahead, since https://shop.test named the origin in a response',
        evidence:
          'Link with rel=preconnect, 3 s ago; 1 were opened so far, 0 of them were not used; ' +
          'the next one not before 10 s after the last (preconnectHints)',
      },
    ])
  })

  it('opens none where a connection is open, being made or waited for', () => {
    for (const change of [
      { live: 1 },
      { load: { starting: 1, waiters: 0 } },
      { load: { starting: 0, waiters: 1 } },
    ]) {
      const { pool, outcome } = setUp()
      Object.assign(pool, change)
      expect(outcome(0)).toBe('warm')
      expect(pool.asked).toBe(0)
    }
  })

  it('opens none beyond a limit, while connects fail, or where the operator forbids it', () => {
    const full = setUp()
    full.world.isFull = true
    expect(full.outcome(0)).toBe('limited')
    const failing = setUp()
    failing.pool.backingOff = true
    expect(failing.outcome(0)).toBe('limited')
    expect(setUp('never').outcome(0)).toBe('refused')
    expect(full.pool.asked + failing.pool.asked).toBe(0)
    expect(full.hints.facts(0)).toEqual([])
  })

  it('opens none without permission, and asks for permission only then', () => {
    const { pool, outcome } = setUp()
    expect(outcome(0, () => false)).toBe('paced')
    pool.live = 1
    expect(
      outcome(0, () => {
        throw new Error('asked for nothing')
      }),
    ).toBe('warm')
  })

  it('opens one in 10 s while they are used, and ever fewer, down to one in an hour, where they are not', () => {
    const { world, outcome } = setUp()
    expect(outcome(0)).toBe('opened')
    expect(outcome(9_999)).toBe('paced')
    world.requests = 1
    expect(outcome(10_000)).toBe('opened')
    let now = 10_000
    for (const wait of [10_000, 40_000, 160_000, 640_000, 2_560_000, 3_600_000, 3_600_000]) {
      expect(outcome(now + wait - 1)).toBe('paced')
      now += wait
      expect(outcome(now)).toBe('opened+unused')
    }
    world.requests = 2
    now += 3_600_000
    expect(outcome(now)).toBe('opened')
    world.requests = 3
    expect(outcome(now + 10_000)).toBe('opened')
  })
})

describe('the response of an origin', () => {
  it('is read where it may name a configured origin', () => {
    const { hints, world } = setUp()
    expect(hints.isReading).toBe(true)
    world.hasTargets = false
    expect(hints.isReading).toBe(false)
    expect(setUp('never').hints.isReading).toBe(false)
  })

  it('is reported with all lines of its Link field, once a second while they stay the same', () => {
    const { hints, world } = setUp()
    const news = 'response: <https://a.test>; rel=preconnect, <https://b.test>; rel=preconnect'
    hints.onHead('response', ['date', 'x'], 0)
    hints.onHead('response', LINKS, 0)
    hints.onHead('response', LINKS, 999)
    expect(world.read).toEqual([news])
    hints.onHead('response', LINKS, 1000)
    hints.onHead('early-hints', LINKS.slice(0, 2), 1001)
    expect(world.read).toEqual([news, news, 'early-hints: <https://a.test>; rel=preconnect'])
  })

  it('goes on whatever fails in its hints', () => {
    const { hints } = setUp()
    const faults = collectFaults()
    hints.onHead('response', ['link', 'fault'], 0)
    expect(faults()).toEqual(['a hint to preconnect: Error: a defect'])
  })
})
