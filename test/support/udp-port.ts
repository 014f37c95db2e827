import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePort } from './tcp-port.ts'

/** A port on 127.0.0.1 that is free for TCP and for UDP: servers of HTTP/3 take both. */
export async function freeDualPort(): Promise<number> {
  for (let attempt = 0; attempt < 50; attempt++) {
    const port = await freePort()
    const socket = createSocket('udp4')
    const isFree = await new Promise<boolean>(resolve => {
      socket.once('error', () => resolve(false))
      socket.bind({ port, address: '127.0.0.1', exclusive: true }, () => resolve(true))
    })
    socket.close()
    if (isFree) return port
  }
  throw new Error('no port that is free for UDP')
}

/**
 * A socket on a loopback address, on a port that the system chooses. ICMP errors of what it sends are none of
 * a test's business.
 */
export async function openUdpSocket(port = 0, host = '127.0.0.1'): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', recvBufferSize: 4_194_304, sendBufferSize: 4_194_304 })
  socket.on('error', () => {})
  socket.bind(port, host)
  await once(socket, 'listening')
  return socket
}

/**
 * Resolves when a QUIC server answers on the port; false when none did until the deadline or `isHopeless`
 * said so.
 */
export async function waitUntilSpeaksQuic(
  port: number,
  timeoutMs: number,
  isHopeless: () => boolean = () => false,
): Promise<boolean> {
  const deadline = performance.now() + timeoutMs
  const socket = await openUdpSocket()
  let hasAnswered = false
  socket.on('message', (datagram, { port: from }) => {
    // Version Negotiation is the only packet of version 0 (RFC 8999 6).
    if (from === port && datagram.length > 6 && datagram.readUInt32BE(1) === 0) hasAnswered = true
  })
  try {
    while (performance.now() < deadline && !isHopeless()) {
      socket.send(unknownVersionPacket(), port, '127.0.0.1')
      for (let i = 0; i < 5 && !hasAnswered; i++) await sleep(10)
      if (hasAnswered) return true
    }
    return false
  } finally {
    socket.close()
  }
}

/**
 * A long header of a version that is reserved for such questions (RFC 9000 15), in a datagram that is long
 * enough to be answered.
 */
function unknownVersionPacket(): Buffer {
  const packet = Buffer.alloc(1200)
  packet[0] = 0xc0
  packet.writeUInt32BE(0x1a2a_3a4a, 1)
  packet[5] = 8
  randomBytes(8).copy(packet, 6)
  packet[14] = 8
  randomBytes(8).copy(packet, 15)
  return packet
}
