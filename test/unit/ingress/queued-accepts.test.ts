import type { Server, Socket, SocketConstructorOpts } from 'node:net'
import { describe, expect, it } from 'vitest'
import { QueuedAccepts } from '../../../src/ingress/queued-accepts.ts'

const LISTENING_FD = 10
const FIRST_FD = 20

/** A queue of `waiting` connections, and everything that is done to the sockets that are made of them. */
function setUp({ max = 4, waiting = 0, isNative = true, unfit = -1 } = {}) {
  const server = { _handle: { fd: LISTENING_FD } as { fd: number } | null } // as: tests close it
  const state = { waiting, asked: 0, onSocket: (): void => {} }
  const log: string[] = []
  let next = FIRST_FD
  const calls = {
    accept: (fd: number) => {
      expect(fd).toBe(LISTENING_FD)
      state.asked += 1
      if (state.waiting === 0) return undefined
      state.waiting -= 1
      return next++
    },
    close: (fd: number) => void log.push(`close ${fd}`),
  }
  const open = ({ fd, ...options }: SocketConstructorOpts): Socket => {
    if (fd === unfit) throw new TypeError('Unsupported fd type: UNKNOWN')
    log.push(`open ${fd}`)
    expect(options).toEqual({ readable: true, writable: true, allowHalfOpen: true, highWaterMark: 99 })
    return {
      setNoDelay: (isOn: boolean) => log.push(`noDelay ${isOn}`),
      setKeepAlive: (isOn: boolean, ms: number) => log.push(`keepAlive ${isOn} ${ms}`),
    } as unknown as Socket // all that is done to it
  }
  const queued = new QueuedAccepts(
    {
      server: server as unknown as Server, // its descriptor is all that is read of it
      maxAcceptsPerTurn: max,
      socketOptions: {
        allowHalfOpen: true,
        noDelay: true,
        highWaterMark: 99,
        keepAlive: true,
        keepAliveInitialDelay: 7_000,
      },
      onSocket: () => {
        log.push('socket')
        state.onSocket()
      },
      onLimit: () => void log.push('limit'),
    },
    { calls: () => (isNative ? calls : undefined), open },
  )
  const sockets = (): number => log.filter(entry => entry === 'socket').length
  return { queued, server, state, log, sockets }
}

describe('QueuedAccepts', () => {
  it('accepts waiting connections, with the options of the server', () => {
    const { queued, log } = setUp({ waiting: 1 })
    queued.onAccepted()
    expect(log).toEqual([`open ${FIRST_FD}`, 'noDelay true', 'keepAlive true 7000', 'socket'])
  })

  it('asks once where nothing waits', () => {
    const { queued, state, log } = setUp()
    queued.onAccepted()
    expect([state.asked, log]).toEqual([1, []])
  })

  it.each([
    [2, 3, false],
    [3, 3, true],
    [9, 3, true],
  ])('leaves to the next turn what is beyond the limit: %i wait', (waiting, sockets, isLimited) => {
    const t = setUp({ max: 4, waiting })
    t.queued.onAccepted()
    expect(t.sockets()).toBe(Math.min(waiting, sockets))
    expect(t.log.includes('limit')).toBe(isLimited)
    t.queued.onAccepted()
    expect(t.sockets()).toBe(Math.min(waiting, 2 * sockets))
  })

  it.each([
    ['a limit of 0', { max: 0 }],
    ['a limit of 1', { max: 1 }],
    ['no native calls', { isNative: false }],
  ])('leaves all of them to Node with %s', (_what, options) => {
    const { queued, state, log } = setUp({ waiting: 5, ...options })
    queued.onAccepted()
    expect([state.asked, log]).toEqual([0, []])
  })

  it('stops when the receiver of a socket closes the listener', () => {
    const t = setUp({ waiting: 5 })
    t.state.onSocket = () => {
      t.server._handle = null
    }
    t.queued.onAccepted()
    expect([t.sockets(), t.state.waiting, t.log.at(-1)]).toEqual([1, 4, 'socket'])
  })

  it('is not called from within itself', () => {
    const t = setUp({ max: 3, waiting: 9 })
    t.state.onSocket = () => t.queued.onAccepted()
    t.queued.onAccepted()
    expect(t.sockets()).toBe(2)
  })

  it('goes on after an error of the receiver of a socket', () => {
    const t = setUp({ max: 3, waiting: 9 })
    t.state.onSocket = () => {
      throw new Error('of a handler')
    }
    expect(() => t.queued.onAccepted()).toThrow('of a handler')
    t.state.onSocket = () => {}
    t.queued.onAccepted()
    expect(t.sockets()).toBe(3)
  })

  it('closes a descriptor that Node does not take', () => {
    const t = setUp({ waiting: 2, unfit: FIRST_FD })
    t.queued.onAccepted()
    expect(t.log[0]).toBe(`close ${FIRST_FD}`)
    expect(t.sockets()).toBe(1)
  })
})
