import { describe, expect, it } from 'vitest'
import type { HandshakesAvoided } from '../../../../src/origin/ledger/handshake-figures.ts'
import { HandshakeLedger, SavedWindow } from '../../../../src/origin/ledger/handshake-ledger.ts'
import { type HandshakeChanges, ledgerConnection } from '../../../support/ledger-connection.ts'

const EARLY = { kind: 'early_data', earlyData: 'accepted' } as const
const HOUR = 3_600_000

class World {
  now = 1_000
  readonly ledger = new HandshakeLedger(this.now)

  open(changes: HandshakeChanges = {}, protocol: 'http/1.1' | 'h2' | 'h3' = 'h2') {
    const connection = ledgerConnection(changes, protocol)
    this.ledger.onOpened(connection, this.now)
    return connection
  }

  reuse(times: number, protocol: 'h2' | 'h3' = 'h2'): this {
    for (let i = 0; i < times; i++) this.ledger.onReuse({ protocol })
    return this
  }

  get figures() {
    return this.ledger.figures(this.now)
  }

  get avoided() {
    return this.figures.avoided
  }
}

const close = (value: number): number => expect.closeTo(value, 9)
const avoided = (over: Partial<HandshakesAvoided>): HandshakesAvoided => ({
  count: 0,
  roundTrips: 0,
  seconds: 0,
  bytes: undefined,
  cpuMs: undefined,
  ...over,
})

describe('HandshakeLedger', () => {
  it('is empty at first', () => {
    expect(new World().figures).toEqual({
      paid: {
        byKind: { full: 0, resumed: 0, earlyData: 0, cleartext: 0 },
        roundTrips: 0,
        seconds: 0,
        bytes: undefined,
        cpuMs: undefined,
      },
      avoided: {
        reuse: avoided({}),
        coalescing: avoided({}),
        resumption: avoided({}),
        fastOpen: avoided({}),
        earlyData: avoided({}),
      },
      lastDay: { savedSeconds: 0, windowSeconds: 0, perDay: 0 },
    })
  })

  it('adds up what handshakes cost, by kind', () => {
    const world = new World()
    world.open({ bytes: 4000, cpuMs: 3 })
    world.open({ kind: 'resumed', tlsMs: 25, bytes: 1500, cpuMs: 1 })
    world.open({ ...EARLY, tfo: 'used', tfoSparedRoundTrip: true, connectMs: 0, tlsMs: 22 })
    world.open({ kind: 'none', tlsVersion: undefined, tlsMs: 0 })
    expect(world.figures.paid).toEqual({
      byKind: { full: 1, resumed: 1, earlyData: 1, cleartext: 1 },
      roundTrips: 2 + 2 + 0 + 1,
      seconds: close(0.05 + 0.045 + 0 + 0.02),
      bytes: 5500,
      cpuMs: 4,
    })
  })

  it.each([
    ['TLSv1.3', 2],
    ['TLSv1.2', 3],
    [undefined, 1],
  ] as const)(
    'prices a reused connection at what a new one costs (%s: %i round trips)',
    (tlsVersion, roundTrips) => {
      const world = new World()
      world.open({ kind: tlsVersion === undefined ? 'none' : 'full', tlsVersion, bytes: 5000, cpuMs: 2 })
      expect(world.reuse(2).avoided.reuse).toEqual(
        avoided({ count: 2, roundTrips: 2 * roundTrips, seconds: close(0.1), bytes: 10_000, cpuMs: 4 }),
      )
    },
  )

  it('counts what was reused before a handshake was measured, and claims no savings for it', () => {
    const world = new World()
    expect(world.reuse(2).avoided.reuse).toEqual(avoided({ count: 2 }))
    world.reuse(1)
    world.open()
    expect(world.avoided.reuse).toEqual(avoided({ count: 3 }))
  })

  it('takes the lowest of the last eight full handshakes as the price, each figure by itself', () => {
    const world = new World()
    world.open({ tlsMs: 80, bytes: 3000, cpuMs: 9 })
    world.open({ tlsMs: 20, bytes: 5000 })
    world.open({ tlsMs: 880, bytes: 4000, cpuMs: 2 })
    expect(world.reuse(1).avoided.reuse).toMatchObject({ seconds: close(0.04), bytes: 3000, cpuMs: 2 })
    for (let i = 0; i < 8; i++) world.open({ tlsMs: 180 })
    expect(world.reuse(1).avoided.reuse, 'nobody measured the last ones').toEqual(
      avoided({ count: 2, roundTrips: 4, seconds: close(0.04 + 0.2), bytes: 3000, cpuMs: 2 }),
    )
  })

  it('prices what was reused at the price of its time, whenever it is read', () => {
    const world = new World()
    world.open({ tlsMs: 80 })
    world.reuse(3)
    world.open({ tlsMs: 30 })
    world.reuse(2)
    expect(world.avoided.reuse.seconds).toBeCloseTo(3 * 0.1 + 2 * 0.05)
    expect(world.avoided.reuse, 'looking changes nothing').toEqual(world.avoided.reuse)
  })

  it('prices a fresh connection as it is made here, with Fast Open where that is used', () => {
    const world = new World()
    world.open()
    world.open({ tfo: 'used', tfoSparedRoundTrip: true, connectMs: 0, tlsMs: 24 })
    expect(world.reuse(1).avoided.reuse).toMatchObject({ roundTrips: 1, seconds: close(0.024) })
  })

  it('prices by a resumed handshake where tickets outlived the process, except for bytes and CPU', () => {
    const world = new World()
    world.open({ kind: 'resumed', bytes: 1000, cpuMs: 1 })
    expect(world.reuse(1).avoided).toMatchObject({
      reuse: avoided({ count: 1, roundTrips: 2, seconds: close(0.05) }),
      resumption: avoided({ count: 1 }),
    })
  })

  it('prices accepted early data as a whole handshake, since requests would have waited for it', () => {
    const world = new World()
    world.open(EARLY)
    expect(world.reuse(1).avoided.reuse).toEqual(avoided({ count: 1, roundTrips: 2, seconds: close(0.05) }))
  })

  it('credits resumption with the bytes and the CPU that it was measured to save', () => {
    const world = new World()
    world.open({ bytes: 4000, cpuMs: 3 })
    world.open({ kind: 'resumed', bytes: 1500, cpuMs: 1 })
    expect(world.avoided.resumption).toEqual(avoided({ count: 1, bytes: 2500, cpuMs: 2 }))
    world.open({ kind: 'resumed', bytes: 9000, cpuMs: 7 })
    expect(world.avoided.resumption, 'the lowest counts').toEqual(
      avoided({ count: 2, bytes: 5000, cpuMs: 4 }),
    )
  })

  it('never credits resumption with less than nothing', () => {
    const world = new World()
    world.open({ bytes: 1000, cpuMs: 1 })
    world.open({ kind: 'resumed', bytes: 1500, cpuMs: 3 })
    expect(world.avoided.resumption).toEqual(avoided({ count: 1, bytes: 0, cpuMs: 0 }))
  })

  it('credits resumption with a round trip before TLS 1.3 only', () => {
    const world = new World()
    world.open({ kind: 'resumed' })
    expect(world.avoided.resumption).toEqual(avoided({ count: 1 }))
    world.open({ kind: 'resumed', tlsVersion: 'TLSv1.2', connectMs: 18 })
    expect(world.avoided.resumption).toEqual(avoided({ count: 2, roundTrips: 1, seconds: close(0.018) }))
  })

  it('credits Fast Open with the shortest connect, if the first flight fitted', () => {
    const world = new World()
    world.open({ tfo: 'fallback', connectMs: 1, tlsMs: 45 }) // connected before anything had left
    world.open({ connectMs: 21 })
    world.open({ tfo: 'used', tfoSparedRoundTrip: true, connectMs: 0, tlsMs: 24 })
    world.open({ tfo: 'used', tfoSparedRoundTrip: false, connectMs: 0, tlsMs: 45 })
    world.open({ tfo: 'fallback', connectMs: 0, tlsMs: 45 })
    expect(world.avoided.fastOpen).toEqual(avoided({ count: 1, roundTrips: 1, seconds: close(0.021) }))
  })

  it('derives a round trip without a plain connect, from handshakes that took one each', () => {
    const world = new World()
    world.open({ tfo: 'used', tfoSparedRoundTrip: true, connectMs: 0, tlsMs: 24 })
    expect(world.avoided.fastOpen).toMatchObject({ roundTrips: 1, seconds: close(0.024) })
  })

  it('credits accepted early data with one round trip over TCP, in addition to Fast Open', () => {
    const world = new World()
    world.open()
    world.open({ ...EARLY, tfo: 'used', tfoSparedRoundTrip: true, connectMs: 0, tlsMs: 23 })
    expect(world.avoided).toMatchObject({
      fastOpen: { count: 1, roundTrips: 1, seconds: close(0.02) },
      earlyData: { count: 1, roundTrips: 1, seconds: close(0.02) },
      resumption: { count: 1, roundTrips: 0, seconds: 0 },
    })
    expect(world.figures.paid).toMatchObject({ roundTrips: 2, seconds: close(0.05) })
  })

  it('credits accepted early data over QUIC with a whole handshake, and refused early data with nothing', () => {
    const world = new World()
    world.open({ tlsMs: 60 }, 'h3')
    world.open({ ...EARLY, tlsMs: 70 }, 'h3')
    const credited = { count: 1, roundTrips: 1, seconds: close(0.06) }
    expect(world.avoided.earlyData).toMatchObject(credited)
    world.open({ kind: 'resumed', earlyData: 'rejected' }, 'h3')
    expect(world.avoided.earlyData).toMatchObject(credited)
    expect(world.avoided.resumption.count).toBe(2)
  })

  it('prices TCP and QUIC separately', () => {
    const world = new World()
    world.open({ bytes: 3000 })
    world.open({ tlsMs: 26, bytes: 6000 }, 'h3')
    world.reuse(1, 'h2')
    expect(world.avoided.reuse).toEqual(
      avoided({ count: 1, roundTrips: 2, seconds: close(0.05), bytes: 3000 }),
    )
    world.reuse(1, 'h3')
    expect(world.avoided.reuse).toEqual(
      avoided({ count: 2, roundTrips: 3, seconds: close(0.076), bytes: 9000 }),
    )
  })

  it('reports for each connection what its handshake cost and avoided', () => {
    const world = new World()
    const full = world.open({ bytes: 4000, cpuMs: 3 })
    const early = world.open({
      ...EARLY,
      tfo: 'used',
      tfoSparedRoundTrip: true,
      connectMs: 0,
      tlsMs: 22,
      bytes: 1500,
      cpuMs: 1,
    })
    expect(world.ledger.of(full, 0)).toEqual({
      id: full.id,
      protocol: 'h2',
      paid: { roundTrips: 2, seconds: 0.05, bytes: 4000, cpuMs: 3 },
      avoided: {},
    })
    const roundTrip = { roundTrips: 1, seconds: 0.02, bytes: undefined, cpuMs: undefined }
    expect(world.ledger.of(early, 0)).toEqual({
      id: early.id,
      protocol: 'h2',
      paid: { roundTrips: 0, seconds: 0, bytes: 1500, cpuMs: 1 },
      avoided: {
        resumption: { roundTrips: 0, seconds: 0, bytes: 2500, cpuMs: 2 },
        fastOpen: roundTrip,
        earlyData: roundTrip,
      },
    })
    expect(world.ledger.of(full, 3)?.avoided).toEqual({
      reuse: { roundTrips: 6, seconds: expect.closeTo(0.15), bytes: 12_000, cpuMs: 9 },
    })
    expect(world.ledger.of(ledgerConnection(), 0)).toBeUndefined()
  })

  it('reports what was saved in the last day, and how long it has measured', () => {
    const world = new World()
    world.open({ connectMs: 20, tlsMs: 80 })
    world.now += 6 * HOUR
    world.reuse(20)
    world.open({ tfo: 'used', tfoSparedRoundTrip: true, connectMs: 0, tlsMs: 80 })
    expect(world.figures.lastDay).toEqual({
      savedSeconds: close(2.02),
      windowSeconds: 6 * 3600,
      perDay: close(8.08),
    })
    world.now += 48 * HOUR
    expect(world.figures.lastDay).toEqual({ savedSeconds: 0, windowSeconds: 86_400, perDay: 0 })
    expect(world.avoided.reuse.seconds, 'the sum stays').toBeCloseTo(2)
  })

  it('assigns what was reused to the time since the last read', () => {
    const world = new World()
    world.open()
    world.now += 30 * HOUR
    expect(world.figures.lastDay.savedSeconds).toBe(0)
    world.reuse(10)
    world.now += HOUR
    expect(world.figures.lastDay.savedSeconds).toBeCloseTo(0.5)
    world.now += 22 * HOUR
    expect(world.figures.lastDay.savedSeconds, 'still of that hour').toBeCloseTo(0.5)
  })
})

const START = 5_000_000

describe('SavedWindow', () => {
  it('returns all that was saved while it is younger than a day, how long that is, and the rate', () => {
    const window = new SavedWindow(START)
    expect(window.read(START)).toEqual({ savedSeconds: 0, windowSeconds: 0, perDay: 0 })
    window.add(3, START + HOUR, START + HOUR)
    window.add(3, START + 5 * HOUR, START + 5 * HOUR)
    expect(window.read(START + 6 * HOUR)).toEqual({ savedSeconds: 6, windowSeconds: 6 * 3600, perDay: 24 })
  })

  it('forgets what is older than a day, hour by hour', () => {
    const window = new SavedWindow(START)
    window.add(10, START, START)
    window.add(1, START + 2 * HOUR, START + 2 * HOUR)
    expect(window.read(START + 24 * HOUR)).toMatchObject({ savedSeconds: 11, windowSeconds: 86_400 })
    // The first hour has left the window by half, then in full.
    expect(window.read(START + 24.5 * HOUR)).toEqual({ savedSeconds: 6, windowSeconds: 86_400, perDay: 6 })
    expect(window.read(START + 25 * HOUR).savedSeconds).toBe(1)
    expect(window.read(START + 27 * HOUR).savedSeconds).toBe(0)
  })

  it('uses its buckets again, and clears those that nobody read', () => {
    const window = new SavedWindow(START)
    for (let hour = 0; hour < 100; hour++) window.add(1, START + hour * HOUR, START + hour * HOUR)
    expect(window.read(START + 99 * HOUR)).toMatchObject({ savedSeconds: 25 })
    expect(window.read(START + 99.5 * HOUR)).toMatchObject({ savedSeconds: 24.5 })
    expect(window.read(START + 1000 * HOUR)).toEqual({ savedSeconds: 0, windowSeconds: 86_400, perDay: 0 })
    window.add(2, START + 1000 * HOUR, START + 1000 * HOUR)
    expect(window.read(START + 1000 * HOUR).savedSeconds).toBe(2)
  })

  it('spreads what was saved between two reads over the time between them', () => {
    const window = new SavedWindow(START)
    window.add(48, START, START + 48 * HOUR)
    const { savedSeconds, windowSeconds } = window.read(START + 48 * HOUR)
    expect(savedSeconds).toBeCloseTo(24)
    expect(windowSeconds).toBe(86_400)
    expect(window.read(START + 60 * HOUR).savedSeconds).toBeCloseTo(12)
  })

  it('spreads exactly over parts of hours', () => {
    const window = new SavedWindow(START)
    window.add(4, START + 0.5 * HOUR, START + 2.5 * HOUR) // 1, 2 and 1 by hour
    expect(window.read(START + 2.5 * HOUR).savedSeconds).toBeCloseTo(4)
    expect(window.read(START + 25 * HOUR).savedSeconds).toBeCloseTo(3)
    expect(window.read(START + 26 * HOUR).savedSeconds).toBeCloseTo(1)
  })
})
