import { expect, it } from 'vitest'
import type { StreamSocket } from '../../../../src/base/socket/stream-socket.ts'
import type { SocketCalls } from '../../../../src/connect/native/socket-calls.ts'
import { parseTcpInfo, type TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { pathOfSocket } from '../../../../src/connect/tcp/path-of-socket.ts'

const info: TcpInfo = { ...parseTcpInfo(Buffer.alloc(280))!, rttMs: 12 }

it('the way of a socket is read off its descriptor of the moment', () => {
  const asked: number[] = []
  const tcpInfo = (fd: number): TcpInfo | undefined => {
    asked.push(fd)
    return fd === 9 ? undefined : info
  }
  const loaded = { calls: { tcpInfo } as Partial<SocketCalls> as SocketCalls } // what is used of them
  const socket = { _handle: { fd: 7 } as { fd: number } | null }
  const read = () => pathOfSocket(socket as unknown as StreamSocket, loaded)?.rttMs // what descriptorOf looks at
  expect(read()).toBe(12)
  socket._handle!.fd = 9
  expect(read()).toBeUndefined()
  socket._handle = null
  expect([read(), asked]).toEqual([undefined, [7, 9]])
})

it('there is none without native calls', () => {
  const socket = { _handle: { fd: 7 } } as unknown as StreamSocket // what descriptorOf looks at
  expect(pathOfSocket(socket, { unavailable: 'koffi is not installed' })).toBeUndefined()
})
