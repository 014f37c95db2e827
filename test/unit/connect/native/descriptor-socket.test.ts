import { closeSync, openSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { openDescriptorSocket } from '../../../../src/connect/native/descriptor-socket.ts'
import type { SocketCalls } from '../../../../src/connect/native/socket-calls.ts'

function fakeCalls(opened: ReturnType<SocketCalls['openStream']>, bindErrno = 0) {
  const made: string[] = []
  const calls: Pick<SocketCalls, 'openStream' | 'close' | 'set' | 'bind'> = {
    openStream: family => {
      made.push(`open ${family}`)
      return opened
    },
    close: fd => void made.push(`close ${fd}`),
    set: (_fd, option, value) => {
      made.push(`${option} ${value}`)
      return 0
    },
    bind: (_fd, family, address, port) => {
      made.push(`bind ${family} ${address} ${port}`)
      return bindErrno
    },
  }
  return { calls: calls as SocketCalls, made } // as: no other is called
}

describe('openDescriptorSocket()', () => {
  it('says why there is no socket', () => {
    const { calls, made } = fakeCalls({ errno: 24 })
    expect(openDescriptorSocket({ family: 4 }, calls)).toEqual({ errno: 24 })
    expect(made).toEqual(['open 4'])
  })

  it('closes, once, a descriptor that Node does not take', () => {
    const fd = openSync('/dev/null', 'r')
    const { calls, made } = fakeCalls({ fd })
    expect(openDescriptorSocket({ family: 4, fastOpen: true }, calls)).toEqual({ errno: 22 })
    expect(made).toEqual(['open 4', 'fastOpenConnect 1', `close ${fd}`])
    closeSync(fd)
  })

  it('marks and binds before anything leaves, without a port, and freely where it may', () => {
    const { calls, made } = fakeCalls({ fd: 99 }, 99)
    const local = { address: '2001:db8::7', isFree: true }
    expect(openDescriptorSocket({ family: 6, local, dscp: 46 }, calls)).toEqual({ errno: 99 })
    expect(made).toEqual([
      'open 6',
      'trafficClass6 184',
      'bindWithoutPort 1',
      'freeBind6 1',
      'bind 6 2001:db8::7 0',
      'close 99',
    ])
  })
})
