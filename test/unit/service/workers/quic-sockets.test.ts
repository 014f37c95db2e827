import { describe, expect, it } from 'vitest'
import type { ListeningSocketCalls } from '../../../../src/connect/native/listening-sockets.ts'
import { QuicSockets } from '../../../../src/service/workers/quic-sockets.ts'

const ADDRESS = { host: '127.0.0.1', port: 4433 }

function machine() {
  let lastFd = 100
  const programs: Buffer[] = []
  const closed: number[] = []
  const calls = {
    openDatagram: () => ({ fd: ++lastFd, port: ADDRESS.port }),
    steer: (_fd: number, program: Buffer) => (programs.push(program), 0),
    close: (fd: number) => void closed.push(fd),
  } as unknown as ListeningSocketCalls // all that is called
  return { calls, programs, closed }
}

describe('the UDP sockets of an address', () => {
  it('belong to one worker from its start to its end, and then to the next one', () => {
    const sockets = new QuicSockets(machine().calls, ADDRESS)
    expect([sockets.claim(1).socket, sockets.claim(2).socket, sockets.claim(3).socket]).toEqual([0, 1, 2])
    sockets.release(2)
    expect(sockets.claim(4).socket).toBe(1)
    expect(new Set(sockets.fds).size).toBe(3)
  })

  it('never change their numbers, and are closed with the service', () => {
    const { calls, closed } = machine()
    const sockets = new QuicSockets(calls, ADDRESS)
    const [first, second] = [sockets.claim(1), sockets.claim(2)]
    closed.length = 0 // the trial
    sockets.release(1)
    expect(closed).toEqual([])
    sockets.close()
    expect(closed).toEqual([first.fd, second.fd])
  })

  it('give new connections to workers that are ready, and do not change that while there is none', () => {
    const { calls, programs } = machine()
    const sockets = new QuicSockets(calls, ADDRESS)
    sockets.claim(1)
    expect(sockets.steer([])).toBeUndefined()
    expect(programs).toHaveLength(0)
    sockets.steer([1])
    sockets.steer([1])
    expect(programs).toHaveLength(1)
    sockets.claim(2)
    sockets.steer([1, 2])
    sockets.steer([])
    expect(programs).toHaveLength(2)
  })

  it('report why the kernel does not steer', () => {
    const { calls } = machine()
    const sockets = new QuicSockets({ ...calls, steer: () => 92 }, ADDRESS)
    sockets.claim(1)
    expect(sockets.steer([1])).toBe('ENOPROTOOPT')
  })

  it('pass to a successor, which uses none that an earlier process still reads', () => {
    const { calls } = machine()
    const old = new QuicSockets(calls, ADDRESS, undefined, () => true)
    old.claim(1)
    old.claim(2)
    old.release(1)
    const handover = old.handover()
    expect(handover.used).toEqual([{ socket: 1, pid: process.pid }])
    let isOldAlive = true
    const next = new QuicSockets(calls, ADDRESS, handover, () => isOldAlive)
    expect([next.claim(1).socket, next.claim(2).socket]).toEqual([0, 2])
    expect(next.handover()).toMatchObject({ mark: handover.mark, fds: [...handover.fds, expect.any(Number)] })
    isOldAlive = false
    expect(next.claim(3).socket).toBe(1)
    // Its own are in use as long as it lives.
    const later = new QuicSockets(calls, ADDRESS, next.handover(), () => true)
    expect(later.claim(1).socket).toBe(3)
  })
})
