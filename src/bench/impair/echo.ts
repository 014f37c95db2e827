import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { seededRandom } from '../../base/seeded-random.ts'

/** What comes to these ports of 127.0.0.1 goes back as it came. */
export interface Echoes extends AsyncDisposable {
  readonly tcpPort: number
  readonly udpPort: number
}

const HOST = '127.0.0.1'
/** What is not back by then does not come back. */
const PATIENCE_MS = 10_000
const BULK_BYTES = 1_000_000
const DATAGRAM_BYTES = 1200

export async function startEchoes(): Promise<Echoes> {
  const tcp = createServer({ noDelay: true }, socket => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  const udp = createSocket('udp4')
  udp.on('message', (datagram, { port, address }) => udp.send(datagram, port, address))
  tcp.listen({ port: 0, host: HOST })
  udp.bind(0, HOST)
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  return {
    tcpPort: (tcp.address() as AddressInfo).port, // it listens on TCP
    udpPort: udp.address().port,
    async [Symbol.asyncDispose]() {
      tcp.close()
      await new Promise<void>(resolve => {
        udp.close(() => resolve())
      })
    },
  }
}

/**
 * One connection: a byte there and back, which with the handshake takes two round trips; another byte, which
 * takes one; then a megabyte, which must come back as it was.
 */
export async function timeTcp(port: number): Promise<{ firstMs: number; nextMs: number }> {
  const socket = connect({ port, host: HOST, noDelay: true })
  try {
    const begun = performance.now()
    await sendAround(socket, Buffer.of(1))
    const first = performance.now()
    await sendAround(socket, Buffer.of(2))
    const next = performance.now()
    await sendAround(socket, patternOf(BULK_BYTES))
    return { firstMs: first - begun, nextMs: next - first }
  } finally {
    socket.destroy()
  }
}

/** A datagram there and back, in ms, after one that opens the path for it. */
export async function timeUdp(port: number): Promise<number> {
  const socket = createSocket('udp4')
  try {
    await sendDatagramAround(socket, port)
    const begun = performance.now()
    await sendDatagramAround(socket, port)
    return performance.now() - begun
  } finally {
    socket.close()
  }
}

async function sendDatagramAround(socket: DatagramSocket, port: number): Promise<void> {
  const sent = patternOf(DATAGRAM_BYTES)
  socket.send(sent, port, HOST)
  const [received] = (await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [Buffer] // dgram's own event
  if (!received.equals(sent)) throw new Error('the UDP relay changed what it carried')
}

/** Writes, and waits until the same has come back. */
function sendAround(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    const timer = setTimeout(() => settle(new Error('the TCP relay did not answer')), PATIENCE_MS)
    const settle = (error?: Error): void => {
      clearTimeout(timer)
      socket.off('data', onData).off('close', onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onData = (chunk: Buffer): void => {
      const isSame = chunk.equals(bytes.subarray(received, received + chunk.length))
      received += chunk.length
      if (!isSame) settle(new Error('the TCP relay changed what it carried'))
      else if (received === bytes.length) settle()
    }
    const onClose = (): void => settle(new Error('the TCP relay closed'))
    // What it closes for is in 'close' already.
    socket.on('error', () => undefined)
    socket.on('data', onData).on('close', onClose)
    socket.write(bytes)
  })
}

/** No two places near each other alike: what is lost, doubled or moved is seen. */
function patternOf(bytes: number): Buffer {
  const random = seededRandom(bytes)
  return Buffer.from(Uint8Array.from({ length: bytes }, () => random() * 256))
}
