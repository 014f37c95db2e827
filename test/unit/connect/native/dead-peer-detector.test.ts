import { EventEmitter } from 'node:events'
import { describe, expect, it } from 'vitest'
import { guarded } from '../../../../src/base/guard.ts'
import type { StreamSocket } from '../../../../src/base/socket/stream-socket.ts'
import {
  DeadPeerDetector,
  SendSilence,
  type SendState,
} from '../../../../src/connect/native/dead-peer-detector.ts'
import type { SocketCalls } from '../../../../src/connect/native/socket-calls.ts'
import type { TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'
import { fc } from '../../../support/property.ts'

const state = (unackedSegments: number, sinceHeardMs: number, unansweredProbes = 0): SendState => ({
  unackedSegments,
  unansweredProbes,
  sinceHeardMs,
})

describe('SendSilence', () => {
  it('begins with the look that finds something outstanding, however long nothing was heard before', () => {
    const silence = new SendSilence()
    expect(silence.look(state(0, 300_000), 300_000)).toBe(0)
    expect(silence.look(state(1, 302_500), 302_500)).toBe(0)
    expect(silence.look(state(1, 305_000), 305_000)).toBe(2_500)
    expect(silence.look(state(3, 320_000), 320_000)).toBe(17_500)
  })

  it('begins anew when the peer was heard, with the same segments outstanding or not', () => {
    const silence = new SendSilence()
    silence.look(state(4, 0), 1_000)
    expect(silence.look(state(4, 100), 3_500)).toBe(0)
    expect(silence.look(state(4, 2_600), 6_000)).toBe(2_500)
  })

  it('does not take the jiffies of the kernel for proof of liveness', () => {
    const silence = new SendSilence()
    silence.look(state(1, 0), 1_000)
    expect(silence.look(state(1, 2_492), 3_500)).toBe(2_500)
  })

  it('begins anew when the peer was heard right after a look', () => {
    const silence = new SendSilence()
    silence.look(state(1, 24_000), 184_910)
    // Heard at 184,911, and asked again since.
    expect(silence.look(state(0, 409, 1), 185_320)).toBe(0)
  })

  it('is over when everything is acknowledged', () => {
    const silence = new SendSilence()
    silence.look(state(1, 500), 1_000)
    expect(silence.look(state(0, 3_000), 3_500)).toBe(0)
    expect(silence.look(state(1, 5_500), 6_000)).toBe(0)
  })

  it('is as long as its probes go unanswered where the window is closed', () => {
    const silence = new SendSilence()
    expect(silence.look(state(0, 4_000, 0), 1_000), 'between two probes').toBe(0)
    expect(silence.look(state(0, 6_500, 1), 3_500), 'a probe has just left').toBe(0)
    expect(silence.look(state(0, 200, 0), 6_000), 'it was answered').toBe(0)
    expect(silence.look(state(0, 5_200, 1), 11_000)).toBe(0)
    expect(silence.look(state(0, 25_200, 4), 31_000)).toBe(20_000)
  })

  it('is never overstated for a peer that answers each probe in time, whatever the pauses', () => {
    const pauses = fc.array(
      fc.record({
        pauseMs: fc.integer({ min: 200, max: 120_000 }), // TCP_RTO_MIN: probes are no closer
        answerMs: fc.integer({ min: 1, max: 1_000 }),
      }),
      { minLength: 1, maxLength: 20 },
    )
    fc.assert(
      fc.property(pauses, fc.integer({ min: 50, max: 2_500 }), (probes, lookMs) => {
        const silence = new SendSilence()
        let heardAt = 0
        let at = 0
        let lookAt = lookMs
        for (const { pauseMs, answerMs } of probes) {
          const sentAt = at + pauseMs
          at = sentAt + answerMs
          for (; lookAt < at; lookAt += lookMs) {
            const out = lookAt < sentAt ? 0 : 1
            const silentMs = silence.look(state(0, lookAt - heardAt, out), lookAt)
            if (silentMs > answerMs) throw new Error(`${silentMs} ms at ${lookAt}, asked at ${sentAt}`)
          }
          heardAt = at
        }
      }),
    )
  })
})

/** A socket, and what its kernel says of it. */
class FakeSocket extends EventEmitter {
  readonly #handle: { fd: number }
  destroyed = false
  endedBy: Error | undefined
  unackedSegments = 0
  heardAt = 0

  constructor(fd: number) {
    super()
    this.#handle = { fd }
  }

  destroy(error?: Error): void {
    this.destroyed = true
    this.endedBy = error
    this.emit('close')
  }

  get _handle(): { fd: number } {
    return this.#handle
  }

  get asSocket(): StreamSocket {
    return this as unknown as StreamSocket // what is used of one
  }
}

function setUp(boundMs = 20_000, { isNative = true } = {}) {
  const clock = new FakeClock()
  const sockets: FakeSocket[] = []
  const looks: { fd: number; at: number }[] = []
  const calls = {
    tcpInfo(fd: number) {
      looks.push({ fd, at: clock.now() })
      const { unackedSegments, heardAt } = sockets[fd] as FakeSocket // numbered by their place
      return { unackedSegments, unansweredProbes: 0, sinceHeardMs: clock.now() - heardAt } as TcpInfo // what is looked at
    },
  } as unknown as SocketCalls // what is used of them
  const watch = new DeadPeerDetector({
    clock,
    boundMs,
    load: () => (isNative ? { calls } : { unavailable: 'koffi is not installed' }),
  })
  const add = (): FakeSocket => {
    const socket = new FakeSocket(sockets.length)
    sockets.push(socket)
    watch.add(socket.asSocket, socket.asSocket)
    return socket
  }
  return { clock, watch, add, looks }
}

describe('DeadPeerDetector', () => {
  it.each([0, 1, 1_000, 2_499, 2_500])(
    'ends a connection whose peer acknowledges nothing, within the bound: sent %i ms after a look',
    offsetMs => {
      const { clock, add, watch } = setUp()
      const socket = add()
      clock.advance(5_000 + offsetMs)
      socket.unackedSegments = 1
      const sentAt = clock.now()
      while (!socket.destroyed && clock.now() < 60_000) clock.advance(1)
      expect(socket.endedBy).toMatchObject({
        code: 'ETIMEDOUT',
        message: expect.stringMatching(/^ETIMEDOUT: /),
      })
      expect(clock.now() - sentAt).toBeLessThanOrEqual(20_000)
      expect(clock.now() - sentAt).toBeGreaterThanOrEqual(15_000)
      expect(watch.size).toBe(0)
    },
  )

  it('leaves one alone that is heard from time to time', () => {
    const { clock, add } = setUp()
    const socket = add()
    socket.unackedSegments = 1
    for (let second = 0; second < 600; second += 1) {
      clock.advance(1_000)
      if (second % 10 === 9) socket.heardAt = clock.now()
    }
    expect(socket.destroyed).toBe(false)
  })

  it('has one timer for all, none without sockets, and looks at each once in an eighth of the bound', () => {
    const { clock, add, looks } = setUp()
    expect(clock.pendingTimers()).toBe(0)
    const all = Array.from({ length: 600 }, add)
    // One more turn than needed: the first pause was that of a single socket.
    clock.advance(2_500)
    looks.length = 0
    clock.advance(2_500)
    expect([clock.pendingTimers(), looks.length, new Set(looks.map(({ fd }) => fd)).size]).toEqual([
      1, 600, 600,
    ])
    const atOnce = new Map<number, number>()
    for (const { at } of looks) atOnce.set(at, (atOnce.get(at) ?? 0) + 1)
    expect(Math.max(...atOnce.values())).toBeLessThanOrEqual(64)
    for (const socket of all) socket.destroy()
    clock.advance(2_500)
    expect(clock.pendingTimers()).toBe(0)
    const later = add()
    later.unackedSegments = 1
    clock.advance(20_000)
    expect(later.destroyed, 'who comes later is watched again').toBe(true)
  })

  it.each([0, 100, 1_000, 2_400])(
    'finds one within the bound that comes %i ms into a round over many',
    offsetMs => {
      const { clock, add } = setUp()
      for (let i = 0; i < 600; i += 1) add()
      clock.advance(5_000 + offsetMs)
      const late = add()
      late.unackedSegments = 1
      const sentAt = clock.now()
      while (!late.destroyed && clock.now() < 60_000) clock.advance(1)
      expect(clock.now() - sentAt).toBeLessThanOrEqual(20_000)
      expect(clock.now() - sentAt).toBeGreaterThanOrEqual(15_000)
    },
  )

  it.each([10, 100])('finds one while short connections come and go, %i of them open at a time', open => {
    const { clock, add, watch, looks } = setUp()
    const long = Array.from({ length: 100 }, add)
    let short: FakeSocket[] = []
    const churn = (): void => {
      for (const socket of short) socket.destroy()
      short = Array.from({ length: open }, add)
      clock.advance(100)
    }
    while (clock.now() < 5_000) churn()
    const silent = long[50] as FakeSocket // there are 100
    silent.unackedSegments = 1
    const sentAt = clock.now()
    while (!silent.destroyed && clock.now() < 60_000) churn()
    expect(clock.now() - sentAt).toBeLessThanOrEqual(20_000)
    expect(clock.now() - sentAt).toBeGreaterThanOrEqual(15_000)
    const counts = long.map(({ _handle }) => looks.filter(({ fd }) => fd === _handle.fd).length)
    expect(Math.max(...counts) - Math.min(...counts), 'all in turn').toBeLessThanOrEqual(1)
    for (const socket of short) socket.destroy()
    expect(watch.size).toBe(99)
  })

  it('does nothing without a bound', () => {
    const { clock, add, watch } = setUp(0)
    add()
    expect([watch.size, clock.pendingTimers()]).toEqual([0, 0])
  })

  it('gives up where native calls cannot be made', () => {
    const { clock, add, watch } = setUp(20_000, { isNative: false })
    add().unackedSegments = 1
    clock.advance(60_000)
    expect([watch.size, clock.pendingTimers()]).toEqual([0, 0])
  })

  it('leaves a socket alone that has no descriptor any more', () => {
    const { clock, add, looks } = setUp()
    add()._handle.fd = -1
    clock.advance(30_000)
    expect(looks).toEqual([])
  })
})

describe('a look that throws', () => {
  it('is reported, and neither ends its socket nor keeps the others from being looked at', () => {
    const heard = collectFaults()
    const { clock, watch, add, looks } = setUp()
    const spoiled = add()
    const silent = add()
    Object.defineProperty(spoiled, '_handle', { get: fail })
    silent.unackedSegments = 1
    clock.advance(60_000)
    expect(heard()).toEqual([`looking for an unresponsive peer: ${String(DEFECT)}`])
    expect([spoiled.destroyed, silent.destroyed]).toEqual([false, true])
    expect(watch.size).toBe(0) // nobody looks at the one that cannot be looked at
    const before = looks.length
    add()
    clock.advance(60_000)
    expect(looks.length).toBeGreaterThan(before)
  })

  it('for the native calls does not stop the looks', () => {
    const clock = new FakeClock()
    let loads = 0
    const load = () => {
      loads += 1
      return fail()
    }
    const watch = new DeadPeerDetector({
      clock: { now: () => clock.now(), setTimer: guardedTimer(clock) },
      boundMs: 8_000,
      load,
    })
    const heard = collectFaults()
    const socket = new FakeSocket(0)
    watch.add(socket.asSocket, socket.asSocket)
    clock.advance(3_000)
    expect(loads).toBe(3)
    expect(heard()).toHaveLength(3)
  })
})

/** As the clock of the machine does. */
function guardedTimer(clock: FakeClock): FakeClock['setTimer'] {
  return (delayMs, callback) => clock.setTimer(delayMs, () => guarded('a timer', callback))
}
