import { describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../../src/base/events/connection.ts'
import { DialScheduler, DialTurns } from '../../../../src/origin/connecting/dial-turns.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const HANDSHAKE = { kind: 'full', cpuMs: 1 } as HandshakeInfo // what the turns look at
const never = new AbortController().signal

/** Dials that take 5 ms of the loop each to begin. */
function setUp(share: number, cpuShare = 1) {
  const clock = new FakeClock()
  const turns = new DialTurns(clock, share, () => clock.now() * cpuShare)
  turns.onRequest('neighbor', clock.now())
  const begun: string[] = []
  const dial = (name: string, signal = never) =>
    turns.run(name.charAt(0), signal, async () => {
      begun.push(name)
      clock.advance(5)
      return { name, handshake: HANDSHAKE }
    })
  return { turns, begun, dial }
}

describe('dials in turns', () => {
  it('begins the first ones within the call, and the others turn by turn of the loop', async () => {
    const { turns, begun, dial } = setUp(0.5)
    const dialed = Promise.all(['a1', 'a2', 'a3', 'b1'].map(name => dial(name)))
    expect(begun).toEqual(['a1'])
    expect(turns.deferred).toBe(3)
    expect((await dialed).map(({ name }) => name)).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(begun).toEqual(['a1', 'a2', 'b1', 'a3'])
  })

  it('makes no dial wait because of time in which the process was suspended', async () => {
    const { turns, dial } = setUp(0.5, 0.01)
    await Promise.all(['a1', 'a2', 'a3', 'b1'].map(name => dial(name)))
    expect(turns.deferred).toBe(0)
  })

  it('begins all at once where the share is 0', async () => {
    const { turns, begun, dial } = setUp(0)
    const dialed = Promise.all(['a1', 'a2', 'a3', 'b1'].map(name => dial(name)))
    expect(begun).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(turns.deferred).toBe(0)
    await dialed
  })

  it('lets waiting dials begin at once when a new configuration sets no share', async () => {
    const { turns, begun, dial } = setUp(0.5)
    const dialed = Promise.all(['a1', 'a2', 'a3'].map(name => dial(name)))
    turns.share = 0
    await new Promise(setImmediate)
    expect(begun).toEqual(['a1', 'a2', 'a3'])
    await dialed
  })

  it('forgets a dial that was given up while it waited', async () => {
    const { begun, dial } = setUp(0.5)
    const givenUp = new AbortController()
    const first = dial('a1')
    const second = dial('a2', givenUp.signal)
    const third = dial('a3')
    givenUp.abort()
    await expect(second).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await expect(dial('a4', givenUp.signal)).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await Promise.all([first, third])
    expect(begun).toEqual(['a1', 'a3'])
  })

  it('passes on the failure of a dial, and goes on', async () => {
    const { turns, dial } = setUp(0.5)
    await dial('a1')
    const failed = turns.run('a', never, () => Promise.reject(new Error('refused')))
    const next = dial('a2')
    await expect(failed).rejects.toThrow('refused')
    expect((await next).name).toBe('a2')
  })
})

const IDLE = true
const BUSY = false

/** A dial beside an origin that has requests. */
function mayStart(scheduler: DialScheduler<string>, now: number): boolean {
  scheduler.onRequest('neighbor', now)
  return scheduler.mayStart('shop', now)
}

/** A scheduler whose credit is used up: `share` of each millisecond comes back. */
function spent(share = 0.5): DialScheduler<string> {
  const scheduler = new DialScheduler<string>(share, 0)
  for (let dials = 0; mayStart(scheduler, 0); dials++) {
    expect(dials).toBeLessThan(100)
    scheduler.onStarted('any', 1)
  }
  return scheduler
}

describe('the schedule of dials', () => {
  it('lets some begin at once, as far as they cost little, and then none', () => {
    const scheduler = new DialScheduler<string>(0.5, 0)
    const begun: boolean[] = []
    for (let i = 0; i < 4; i++) {
      begun.push(mayStart(scheduler, 0))
      if (begun.at(-1)) scheduler.onStarted('shop', 1) // its start, as much for the handshake, and that twice: 4 ms
    }
    expect(begun).toEqual([true, true, false, false])
  })

  it('lets all begin at once where no other origin had requests within a second', () => {
    const scheduler = spent()
    scheduler.onRequest('shop', 0)
    expect(scheduler.mayStart('shop', 0), 'the neighbor had one').toBe(false)
    scheduler.onRequest('shop', 999)
    expect(scheduler.mayStart('shop', 999), 'there is credit again').toBe(true)
    for (let i = 0; i < 100; i++) scheduler.onStarted('shop', 5)
    expect(scheduler.mayStart('shop', 999)).toBe(false)
    expect(scheduler.mayStart('shop', 1_000)).toBe(true)
    expect(scheduler.mayStart('blog', 1_000), 'the shop has some').toBe(false)
    const unused = new DialScheduler<string>(0.5, 0)
    for (let i = 0; i < 100; i++) unused.onStarted('shop', 5)
    expect(unused.mayStart('shop', 0), 'nobody has asked for anything').toBe(true)
  })

  it('gives dials their share of the time, whatever else there is to do', () => {
    const scheduler = spent(0.5)
    for (let i = 0; i < 1_000; i++) scheduler.add('shop', `#${i}`, 0)
    let begun = 0
    for (let now = 1; now <= 400; now++) {
      expect(scheduler.onTurn(now)).toBe(false)
      while (scheduler.next(BUSY) !== undefined) {
        scheduler.onStarted('shop', 0.25) // 1 ms in all
        begun++
      }
    }
    expect(begun).toBeGreaterThan(190)
    expect(begun).toBeLessThan(205)
  })

  it('lets one begin in a turn of the loop that had nothing else to do, even with the share used up', () => {
    const scheduler = spent()
    scheduler.add('shop', 'first', 0)
    scheduler.add('shop', 'second', 0)
    expect(scheduler.next(scheduler.onTurn(0.01))).toBe('first')
    scheduler.onStarted('shop', 3)
    // The start itself is no work of others.
    expect(scheduler.onTurn(3.02)).toBe(true)
    scheduler.onStarted('shop', 3)
    expect(scheduler.onTurn(6.2)).toBe(false)
  })

  it('forgives costs beyond 20 ms of dials that began in an idle loop', () => {
    const scheduler = spent(0.5)
    for (let i = 0; i < 100; i++) scheduler.onStarted('shop', 5)
    scheduler.add('shop', 'one', 0)
    scheduler.onTurn(39)
    expect(scheduler.next(BUSY)).toBeUndefined()
    scheduler.onTurn(41)
    expect(scheduler.next(BUSY)).toBe('one')
  })

  it('counts a handshake as the cheapest one of its origin, and a start as 20 ms at the most', () => {
    const scheduler = spent(1)
    scheduler.onHandshake('shop', 'full', 9)
    scheduler.onHandshake('shop', 'full', 3)
    scheduler.onHandshake('shop', 'full', 7)
    scheduler.onTurn(100)
    scheduler.onStarted('shop', 1) // 5 ms of credit - (1 + 3) * 2
    expect(mayStart(scheduler, 102.9)).toBe(false)
    expect(mayStart(scheduler, 103.1)).toBe(true)
    scheduler.onTurn(200)
    scheduler.onStarted('shop', 5_000)
    expect(mayStart(scheduler, 214.9)).toBe(false)
    expect(mayStart(scheduler, 215.1)).toBe(true)
  })

  it('measures anew when the handshakes change their kind', () => {
    const scheduler = spent(1)
    scheduler.onHandshake('shop', 'full', 1)
    scheduler.onHandshake('shop', 'resumed', 4)
    scheduler.onTurn(100)
    scheduler.onStarted('shop', 1) // 5 - (1 + 4) * 2
    expect(mayStart(scheduler, 104.9)).toBe(false)
    expect(mayStart(scheduler, 105.1)).toBe(true)
  })

  it('remembers the handshakes of 1,024 origins at the most', () => {
    const scheduler = spent(1)
    scheduler.onHandshake('first', 'full', 9)
    for (let i = 0; i < 1_024; i++) scheduler.onHandshake(`origin ${i}`, 'full', 9)
    scheduler.onTurn(100)
    scheduler.onStarted('first', 1) // as one that was never measured: 5 - (1 + 1) * 2
    expect(mayStart(scheduler, 100)).toBe(true)
    scheduler.onStarted('origin 1023', 1)
    expect(mayStart(scheduler, 100)).toBe(false)
  })
})

describe('the order of dials that wait', () => {
  function order(scheduler: DialScheduler<string>): string[] {
    const begun: string[] = []
    for (let dial = scheduler.next(IDLE); dial !== undefined; dial = scheduler.next(IDLE)) begun.push(dial)
    return begun
  }

  it('lets origins alternate, each with its own dials in order', () => {
    const scheduler = spent()
    for (const dial of ['a1', 'a2', 'a3', 'a4', 'b1', 'c1', 'b2']) scheduler.add(dial.charAt(0), dial, 0)
    expect(order(scheduler)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3', 'a4'])
    expect(scheduler.hasWaiting).toBe(false)
  })

  it('leaves out dials that were given up', () => {
    const scheduler = spent()
    for (const dial of ['a1', 'a2', 'b1']) scheduler.add(dial.charAt(0), dial, 0)
    scheduler.remove('a', 'a1')
    scheduler.remove('b', 'b1')
    scheduler.remove('b', 'b1')
    scheduler.remove('nobody', 'n1')
    expect(order(scheduler)).toEqual(['a2'])
  })

  it('lets no new dial pass waiting ones, even if the credit were enough', () => {
    const scheduler = spent()
    scheduler.add('a', 'a1', 0)
    expect(mayStart(scheduler, 1_000)).toBe(false)
    scheduler.onTurn(1_000)
    expect(order(scheduler)).toEqual(['a1'])
    expect(mayStart(scheduler, 1_000)).toBe(true)
  })
})
