import { closeSync, openSync } from 'node:fs'
import { expect, it } from 'vitest'
import { openFastOpenSocket } from '../../../../src/connect/fast-open/fast-open.ts'
import type { SocketCalls } from '../../../../src/connect/native/socket-calls.ts'

const ENDPOINT = { address: '127.0.0.1', family: 4, port: 443, transport: 'tcp' } as const

function fakeCalls(opened: ReturnType<SocketCalls['openStream']>) {
  const closed: number[] = []
  const calls: Pick<SocketCalls, 'openStream' | 'close' | 'set'> = {
    openStream: () => opened,
    close: fd => void closed.push(fd),
    set: () => 0,
  }
  return { calls: calls as SocketCalls, closed } // as: no other is called
}

it('says why there is no socket', () => {
  const { calls, closed } = fakeCalls({ errno: 24 })
  expect(openFastOpenSocket(ENDPOINT, calls)).toEqual({ errno: 24 })
  expect(closed).toEqual([])
})

it('closes, once, a descriptor that Node does not take', () => {
  const fd = openSync('/dev/null', 'r')
  const { calls, closed } = fakeCalls({ fd })
  expect(openFastOpenSocket(ENDPOINT, calls)).toEqual({ errno: 22 })
  expect(closed).toEqual([fd])
  closeSync(fd)
})
