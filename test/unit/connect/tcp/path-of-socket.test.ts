import { describe, expect, it } from 'vitest'
import type { StreamSocket } from '../../../../src/base/socket/stream-socket.ts'
import type { SocketCalls } from '../../../../src/connect/native/socket-calls.ts'
import { parseTcpInfo, type TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { pathOfSocket, tcpPathStats } from '../../../../src/connect/tcp/path-of-socket.ts'

const info: TcpInfo = { ...parseTcpInfo(Buffer.alloc(280))!, rttMs: 12 }

it('the path of a socket is read from the descriptor that it has at that moment', () => {
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

it('a socket has no path without native calls', () => {
  const socket = { _handle: { fd: 7 } } as unknown as StreamSocket // what descriptorOf looks at
  expect(pathOfSocket(socket, { unavailable: 'koffi is not installed' })).toBeUndefined()
})

/** What an idle kernel would write, with these fields of `struct tcp_info` in it. */
function stats(fields: { u32?: Record<number, number>; u64?: Record<number, number> }, length = 280) {
  const bytes = Buffer.alloc(280)
  for (const [at, value] of Object.entries(fields.u32 ?? {})) bytes.writeUInt32LE(value, Number(at))
  for (const [at, value] of Object.entries(fields.u64 ?? {}))
    bytes.writeBigUInt64LE(BigInt(value), Number(at))
  return tcpPathStats(parseTcpInfo(bytes.subarray(0, length))!)
}

describe('the figures of TCP', () => {
  it('are those of the kernel in our units', () => {
    // tcpi_snd_mss, tcpi_rtt, tcpi_snd_cwnd, tcpi_total_retrans, tcpi_segs_in, tcpi_min_rtt,
    // tcpi_data_segs_out, tcpi_dsack_dups, tcpi_rcv_ooopack
    const u32 = { 16: 1448, 68: 41_346, 80: 880, 100: 50, 140: 700, 148: 39_226, 156: 1_088, 216: 2, 224: 9 }
    // tcpi_bytes_received, tcpi_delivery_rate, tcpi_bytes_sent
    const u64 = { 128: 2 ** 40, 160: 1_000_000, 200: 1_575_819 }
    expect(stats({ u32, u64 })).toEqual({
      rttMs: 41.346,
      minRttMs: 39.226,
      sentPackets: 1_088,
      lostPackets: 48,
      receivedPackets: 700,
      outOfOrderPackets: 9,
      sentBytes: 1_575_819,
      receivedBytes: 2 ** 40,
      congestionWindowBytes: 880 * 1448,
      deliveryBytesPerSecond: 1_000_000,
    })
  })

  it('leave out what was not measured yet', () => {
    expect(stats({ u32: { 148: 0xffff_ffff } })).toMatchObject({
      rttMs: 0,
      minRttMs: undefined,
      deliveryBytesPerSecond: undefined,
    })
  })

  it('are those that an old kernel has', () => {
    expect(stats({ u32: { 68: 5_000, 80: 10, 16: 1_000, 156: 7 } }, 104)).toEqual({
      rttMs: 5,
      minRttMs: undefined,
      sentPackets: 0,
      lostPackets: 0,
      receivedPackets: 0,
      outOfOrderPackets: 0,
      sentBytes: 0,
      receivedBytes: 0,
      congestionWindowBytes: 10_000,
      deliveryBytesPerSecond: undefined,
    })
  })

  it('count nothing as lost when the peer had more than was sent again', () => {
    expect(stats({ u32: { 100: 1, 216: 3, 156: 10 } }).lostPackets).toBe(0)
  })
})
