import type { Duplex } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { type SocketCalls, unreadProbe } from '../../../../src/connect/native/socket-calls.ts'

const socketWith = (fd: number): Duplex => ({ _handle: { fd } }) as unknown as Duplex // all that is looked at

describe('unreadProbe', () => {
  it('asks for the descriptor that the socket has at that moment', () => {
    const asked: number[] = []
    const hasUnread = (fd: number): boolean => {
      asked.push(fd)
      return fd === 8
    }
    const calls = { hasUnread } as unknown as SocketCalls // all that is called
    const handle = { fd: 7 }
    const probe = unreadProbe({ _handle: handle } as unknown as Duplex, () => ({ calls })) // all that is looked at
    expect(probe()).toBe(false)
    handle.fd = 8
    expect([probe(), asked]).toEqual([true, [7, 8]])
  })

  it('knows nothing of a closed socket, nor without native calls', () => {
    const calls = {} as unknown as SocketCalls // must not be called
    expect(unreadProbe(socketWith(-1), () => ({ calls }))()).toBeUndefined()
    expect(unreadProbe(socketWith(7), () => ({ unavailable: 'x' }))()).toBeUndefined()
  })
})
