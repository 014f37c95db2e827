import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer, type TLSSocket } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { ReadPort } from '../../../src/base/socket/read-port.ts'
import { endSocket } from '../../../src/base/socket/socket-ending.ts'
import { descriptorOf } from '../../../src/base/socket/stream-socket.ts'
import { ClientContexts } from '../../../src/connect/openssl/client-contexts.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import {
  type EarlyClient,
  earlyClientOver,
  openEarlyClient,
  sessionOfNode,
} from '../../support/early-client.ts'
import { callableOpenssl, requireOpenssl } from '../../support/require-openssl.ts'
import { until, untilSteady } from '../../support/until.ts'

const missing = requireOpenssl()
const BULK_BYTES = 10 * 1024 * 1024

describe.skipIf(missing !== undefined)(`the stream of an early socket (${missing ?? 'OpenSSL'})`, () => {
  it('carries 10 MB in both directions at once, and holds the writer back', async () => {
    await using server = await startServer(socket => void socket.pipe(socket))
    const session = await sessionOfNode(server.port, server.tls.ca)
    await using client = await openEarlyClient({ ...server, session, isRaw: true })
    const { socket } = client.early
    const sent = createHash('sha256')
    const received = createHash('sha256')
    let receivedBytes = 0
    let mostWaiting = 0
    socket.on('data', (chunk: Buffer) => {
      received.update(chunk)
      receivedBytes += chunk.length
    })
    for (let left = BULK_BYTES; left > 0; ) {
      const chunk = randomBytes(Math.min(left, 1 + ((left * 7919) % 150_000)))
      sent.update(chunk)
      left -= chunk.length
      if (!socket.write(chunk)) await once(socket, 'drain')
      mostWaiting = Math.max(mostWaiting, client.raw.writableLength)
    }
    socket.end()
    await client.closed
    expect(receivedBytes).toBe(BULK_BYTES)
    expect(received.digest('hex')).toBe(sent.digest('hex'))
    expect(mostWaiting).toBeLessThan(200_000)
    expect(client.events).toEqual(['handshake', 'end', 'close'])
  })

  it('carries one write of 10 MB, in corked pieces, to a reader that stops and goes', async () => {
    await using server = await startServer(socket => void socket.pipe(socket))
    await using client = await openEarlyClient({ ...server, isRaw: true })
    const { socket } = client.early
    const bytes = randomBytes(BULK_BYTES)
    socket.cork()
    for (let at = 0; at < 1000; at++) socket.write(bytes.subarray(at * 10, at * 10 + 10))
    socket.write(bytes.subarray(10_000))
    socket.end()
    socket.uncork()
    const received = createHash('sha256')
    let pauses = 0
    socket.on('data', (chunk: Buffer) => {
      received.update(chunk)
      if (++pauses % 20 === 0) {
        socket.pause()
        setImmediate(() => socket.resume())
      }
    })
    await client.closed
    expect(received.digest('hex')).toBe(createHash('sha256').update(bytes).digest('hex'))
    expect(pauses).toBeGreaterThan(20)
  })

  it('holds back a server whose reader stalls', async () => {
    let sent = 0
    await using server = await startServer(socket => {
      const chunk = Buffer.alloc(65_536)
      const fill = (): void => {
        while (sent < 200_000_000 && !socket.destroyed) {
          sent += chunk.length
          if (!socket.write(chunk)) {
            socket.once('drain', fill)
            return
          }
        }
      }
      fill()
    })
    await using client = await openEarlyClient({ ...server, isRaw: true })
    await client.handshake
    client.early.socket.once('data', () => client.early.socket.pause())
    const before = await untilSteady(() => sent, 'what is sent')
    await sleep(200)
    expect(sent).toBe(before)
    expect(sent).toBeLessThan(50_000_000)
    expect(client.early.socket.readableLength).toBeLessThan(300_000)
    expect(client.raw.readableLength).toBeLessThan(300_000)
    client.early.socket.resume()
    await until(() => sent > before, 'more')
  })

  it('gives memory back as soon as writableLength is 0', async () => {
    await using server = await startServer(socket => void socket.pipe(socket))
    await using client = await openEarlyClient(server)
    const { socket } = client.early
    const memory = Buffer.alloc(5)
    const text: string[] = []
    for (let round = 0; round < 200; round++) {
      const word = String(10_000 + round)
      memory.write(word)
      text.push(word)
      socket.write(memory)
      while (socket.writableLength > 0) await new Promise(resolve => setImmediate(resolve))
      memory.fill('!')
    }
    await client.untilText(text.at(-1)!)
    expect(client.text()).toBe(text.join(''))
  })

  it('is read through a port, and ended as connections end', async () => {
    await using server = await startServer(socket => {
      socket.once('data', () => socket.write('answer'))
      socket.on('end', () => socket.end())
    })
    await using client = await openEarlyClient({ ...server, isRaw: true })
    const port = ReadPort.over(client.early.socket)
    let text = ''
    port.attach({
      onRead(buffer, start, end) {
        text += port.keep(buffer.subarray(start, end)).toString('latin1')
        return true
      },
      onFault() {},
    })
    client.early.socket.write('request')
    await client.handshake
    while (text === '') await sleep(2)
    expect(text).toBe('answer')
    endSocket(client.early.socket, port, new FakeClock())
    await client.closed
    expect(client.events.filter(event => event !== 'ticket')).toEqual(['handshake', 'end', 'close'])
    expect(server.errors).toEqual([])
  })

  it('ends with the close_notify of its peer, and with a FIN without one', async () => {
    await using polite = await startServer(socket => void socket.end('bye'))
    await using rude = await startServer(socket => {
      socket.write('bye', () => rawOf(socket).end())
    })
    for (const server of [polite, rude]) {
      await using client = await openEarlyClient(server)
      await client.closed
      expect(client.text()).toBe('bye')
      expect(client.events.filter(event => event !== 'ticket')).toEqual(['handshake', 'end', 'close'])
    }
  })

  it('keeps all of what came before the end for a reader that comes late', async () => {
    const bytes = randomBytes(40_000)
    await using server = await startServer(socket => void socket.end(bytes))
    await using client = await openEarlyClient({ ...server, isRaw: true })
    await client.handshake
    await sleep(50)
    const received: Buffer[] = []
    client.early.socket.on('data', (chunk: Buffer) => received.push(chunk))
    await client.closed
    expect(Buffer.concat(received).equals(bytes)).toBe(true)
    expect(client.events.at(-2)).toBe('end')
  })

  it('reports a reset, and a peer that goes before the handshake is complete', async () => {
    await using server = await startServer(socket => {
      socket.once('data', () => rawOf(socket).resetAndDestroy())
    })
    await using client = await openEarlyClient({ ...server, first: 'abc' })
    await client.closed
    expect(client.events.filter(event => event !== 'ticket')).toEqual([
      'handshake',
      'error ECONNRESET',
      'close',
    ])

    const leaver = createTcpServer(socket => void socket.once('data', () => socket.end()))
    leaver.listen(0, '127.0.0.1')
    await once(leaver, 'listening')
    const { port } = leaver.address() as AddressInfo // a server on a port has an AddressInfo
    await using left = await openEarlyClient({ port, tls: server.tls, first: 'abc' })
    await left.closed
    expect(left.events).toEqual(['error ECONNRESET', 'close'])
    leaver.close()
  })

  it('can be destroyed at any time, from anywhere, twice', async () => {
    await using server = await startServer(socket => void socket.pipe(socket))
    const session = await sessionOfNode(server.port, server.tls.ca)
    const twice = (client: EarlyClient): void => {
      client.early.socket.destroy()
      client.early.socket.destroy()
      expect(client.early.phase).toBe('closed')
    }
    const ways: ((client: EarlyClient) => void)[] = [
      client => twice(client),
      client => setImmediate(() => twice(client)),
      client => setImmediate(() => setImmediate(() => setImmediate(() => twice(client)))),
      client => void client.early.socket.end(),
      client => void client.raw.destroy(),
      client => void setImmediate(() => client.raw.destroy()),
      client => void client.raw.resetAndDestroy(),
      client => {
        client.early.onHandshake = () => twice(client)
      },
      client => {
        client.early.onTicket = () => twice(client)
      },
      client => void client.early.socket.on('data', () => twice(client)),
      client => void client.early.socket.on('data', () => client.raw.destroy()),
      client => void client.early.socket.once('data', () => client.early.socket.destroy(new Error('own'))),
      client => void client.early.socket.write('more', () => twice(client)),
      client => void client.early.socket.write(Buffer.alloc(3_000_000), () => twice(client)),
      client => {
        client.early.onHandshake = () => {
          client.early.socket.write(Buffer.alloc(3_000_000))
          twice(client)
        }
      },
      client => {
        client.early.onHandshake = () => void client.early.socket.end('last')
      },
    ]
    for (const first of ['abc', undefined]) {
      for (const [index, way] of ways.entries()) {
        await using client = await openEarlyClient({
          ...server,
          session: index % 2 === 1 ? session : undefined,
          ...(first === undefined ? {} : { first }),
        })
        way(client)
        await Promise.race([
          client.closed,
          sleep(first === undefined ? 300 : 10_000, undefined, { ref: false }),
        ])
        if (first !== undefined) expect(client.events.at(-1), `way ${index}`).toBe('close')
        client.early.socket.write('too late', () => {})
        client.early.socket.end()
        client.early.socket.resume()
      }
    }
  })

  it('lets a write be read that was answered before it was complete', async () => {
    // The server answers and closes while we still send: its answer must not be lost to the write that fails.
    await using server = await startServer(socket => {
      socket.once('data', () => {
        socket.end('413')
        setTimeout(() => socket.destroy(), 200)
      })
    })
    for (let round = 0; round < 5; round++) {
      await using client = await openEarlyClient(server)
      client.early.socket.write(Buffer.alloc(20_000_000), () => {})
      await client.closed
      expect(client.text()).toBe('413')
    }
  })

  it('fails a write behind the end of a connection whose reader was not notified of it yet', async () => {
    await using server = await startServer(socket => void socket.end('bye'))
    await using client = await openEarlyClient({ ...server, isRaw: true })
    const { socket } = client.early
    socket.once('data', () => socket.pause())
    await until(() => client.raw.closed, 'the close of the TCP connection')
    const error = await new Promise(resolve => socket.write('too late', resolve))
    expect(error).toMatchObject({ code: 'EPIPE' })
    await client.closed
    expect(client.events.filter(event => event !== 'ticket')).toEqual(['handshake', 'error EPIPE', 'close'])
  })

  it('has the descriptor of its connection, as long as that is open', async () => {
    await using server = await startServer(socket => void socket.pipe(socket))
    await using client = await openEarlyClient(server)
    expect(descriptorOf(client.early.socket)).toBe(descriptorOf(client.raw))
    expect(descriptorOf(client.early.socket)).toBeGreaterThan(0)
    client.early.socket.unref()
    client.early.socket.ref()
    client.early.socket.destroy()
    await client.closed
    expect(descriptorOf(client.early.socket)).toBeUndefined()
  })

  it('fails where its connection was over before it began', async () => {
    await using server = await startServer(socket => void socket.pipe(socket))
    const raw = connect(server.port, '127.0.0.1')
    await once(raw, 'connect')
    raw.destroy()
    const client = earlyClientOver(raw, new ClientContexts(callableOpenssl()), server)
    await client.closed
    expect(client.events).toEqual(['error ECONNRESET', 'close'])
  })
})

/** The TCP socket under one of a TLS server. */
function rawOf(socket: TLSSocket): Socket {
  return (socket as unknown as { _parent: Socket })._parent
}

async function startServer(onSocket: (socket: TLSSocket) => void) {
  const authority = await createCertificateAuthority()
  const { cert, key } = await authority.issue({ names: ['origin.test'] })
  const errors: string[] = []
  const server = createServer({ cert, key, ALPNProtocols: ['http/1.1'] }, socket => {
    socket.on('error', error => errors.push(error.message))
    onSocket(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    port,
    tls: { ca: authority.cert },
    errors,
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
