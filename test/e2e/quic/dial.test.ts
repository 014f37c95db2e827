import { createSocket, type Socket } from 'node:dgram'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { DEFAULT_QUIC_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import type { QuicAttemptRecord, QuicDialRequest, QuicDialResult } from '../../../src/quic/dial.ts'
import { dialQuic } from '../../../src/quic/dial.ts'
import type { QuicEvent, QuicLink, QuicServerTls, UdpAddress } from '../../../src/quic/engine.ts'
import { ServerEndpoint } from '../../../src/quic/server-endpoint.ts'
import type { ServerEndpointOptions } from '../../../src/quic/server-endpoint-options.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { noQuic, theEngine } from '../../support/quic-engine.ts'
import { until as untilSo } from '../../support/until.ts'

/** Dialing over real sockets on loopback, to our own listening side. */

let authority: CertificateAuthority
let serverTls: QuicServerTls
const cleanups: (() => void)[] = []

const until = (isSo: () => boolean): Promise<void> => untilSo(isSo, isSo.toString())

beforeAll(async () => {
  authority = await createCertificateAuthority()
  const identity = await authority.issue({ names: ['localhost', '127.0.0.1', '::1'] })
  serverTls = { ...identity, ticketKey: Buffer.alloc(48, 1), earlyData: true }
})

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

/** Answers each stream with what came on it. */
class Echo {
  readonly events: QuicEvent[] = []
  isClosed = false
  readonly #link: QuicLink
  readonly #buffer = Buffer.alloc(65_536)

  constructor(link: QuicLink) {
    this.#link = link
    link.owner = this
  }

  onTurn(): void {
    const { connection } = this.#link
    for (let event = connection.nextEvent(); event !== undefined; event = connection.nextEvent()) {
      this.events.push(event)
      if (event.type !== 'readable') continue
      const read = connection.read(event.stream, this.#buffer)
      if (read === undefined || read[0] === 0) continue
      if (connection.role === 'server')
        connection.write(event.stream, this.#buffer.subarray(0, read[0]), read[1])
      else this.received += this.#buffer.toString('latin1', 0, read[0])
    }
  }

  received = ''

  onClosed(): void {
    this.isClosed = true
  }
}

async function listen(options: Partial<ServerEndpointOptions> = {}): Promise<ServerEndpoint> {
  const endpoint = await ServerEndpoint.listen({
    engine: theEngine(),
    clock: systemClock,
    local: { host: '127.0.0.1', port: 0 },
    tls: serverTls,
    protocols: ['h3'],
    quic: DEFAULT_QUIC_OPTIONS,
    onConnection: link => new Echo(link),
    ...options,
  })
  cleanups.push(() => endpoint.close())
  return endpoint
}

const attempt = ({ host, port }: UdpAddress, because = 'test'): QuicDialRequest['attempts'][number] => ({
  endpoint: { address: host, family: host.includes(':') ? 6 : 4, port, transport: 'udp' },
  because,
})

async function dial(
  addresses: readonly UdpAddress[],
  options: Partial<QuicDialRequest> = {},
  signal: AbortSignal = new AbortController().signal,
): Promise<QuicDialResult> {
  const result = await dialQuic(
    theEngine(),
    {
      origin: 'https://localhost',
      attempts: addresses.map(address => attempt(address)),
      serverName: 'localhost',
      tls: { ca: authority.cert },
      quic: DEFAULT_QUIC_OPTIONS,
      timeouts: { connectMs: 10_000, attemptDelayMs: 100 },
      protocols: ['h3'],
      ...options,
    },
    systemClock,
    signal,
  )
  cleanups.push(() => result.link.connection.close(true, 0x100, ''))
  cleanups.push(() => result.link.schedule())
  return result
}

async function freePort(): Promise<{ port: UdpAddress; socket: Socket }> {
  const socket = createSocket('udp4')
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  return { port: { host: '127.0.0.1', port: socket.address().port }, socket }
}

/** Carries datagrams to and fro for one client. */
async function relayTo(server: UdpAddress): Promise<{ local: UdpAddress; close: () => void }> {
  const front = await freePort()
  const back = await freePort()
  let client = 0
  front.socket.on('message', (datagram, { port }) => {
    client = port
    back.socket.send(datagram, server.port, server.host)
  })
  back.socket.on('message', datagram => front.socket.send(datagram, client, '127.0.0.1'))
  const close = (): void => {
    front.socket.close()
    back.socket.close()
  }
  return { local: front.port, close }
}

/** An address where nobody listens. */
async function closedPort(): Promise<UdpAddress> {
  const { port, socket } = await freePort()
  socket.close()
  return port
}

/** An address that swallows everything. */
async function silentPort(): Promise<UdpAddress> {
  const { port, socket } = await freePort()
  cleanups.push(() => socket.close())
  return port
}

describe.skipIf(noQuic !== undefined)('dialing', () => {
  it.each(['127.0.0.1', '::1'])(
    'connects to %s, and an owner that comes later gets all events',
    async host => {
      const server = await listen({ local: { host, port: 0 } })
      const result = await dial([server.local])
      expect(result.handshake).toMatchObject({ protocol: 'h3', isResumed: false })
      expect(result.attempts).toMatchObject([{ outcome: 'connected', because: 'test' }])
      await until(() => server.stats.handshakes === 0)
      const owner = new Echo(result.link)
      const stream = result.link.connection.openStream('bidirectional')!
      result.link.connection.write(stream, Buffer.from('hello'), true)
      result.link.schedule()
      await until(() => owner.received === 'hello')
      const types = owner.events.map(({ type }) => type)
      expect(types[0]).toBe('established')
      expect(types).toContain('ticket')
      result.link.connection.close(true, 0x100, '')
      result.link.schedule()
      await until(() => owner.isClosed && server.stats.connections === 0)
    },
  )

  it('goes on to the next address at once when nobody listens, and names the one that refused', async () => {
    const server = await listen()
    const closed = await closedPort()
    const startedAt = performance.now()
    const result = await dial([closed, server.local], {
      timeouts: { connectMs: 20_000, attemptDelayMs: 15_000 },
    })
    expect(performance.now() - startedAt).toBeLessThan(14_000)
    expect(result.attempts).toMatchObject([{ outcome: 'failed' }, { outcome: 'connected' }])
    expect(result.attempts[0]!.error).toContain('ECONNREFUSED')
    await expect(dial([closed])).rejects.toMatchObject({ code: 'MM_CONNECT_REFUSED' })
  })

  it('goes on to the next address when the first is silent, and cancels that', async () => {
    const server = await listen()
    const result = await dial([await silentPort(), server.local])
    expect(result.attempts).toMatchObject([{ outcome: 'cancelled' }, { outcome: 'connected' }])
  })

  it('gives up when nobody answers in time', async () => {
    const timeouts = { connectMs: 150, attemptDelayMs: 50 }
    await expect(dial([await silentPort()], { timeouts })).rejects.toMatchObject({
      code: 'MM_CONNECT_TIMEOUT',
    })
  })

  it.each([
    ['another name', { serverName: 'other.test' }, 'MM_TLS_CERTIFICATE'],
    ['the default authorities', { tls: {} }, 'MM_TLS_CERTIFICATE'],
    ['another protocol', { protocols: ['hq'] }, 'MM_ALPN_MISMATCH'],
    ['TLS options that QUIC cannot use', { tls: { ciphers: 'x' } }, 'MM_INVALID_ARGUMENT'],
  ])('fails at once for %s, whatever other addresses there are', async (_, options, code) => {
    const server = await listen()
    let attempts: readonly QuicAttemptRecord[] = []
    const promise = dial([server.local, await silentPort()], {
      ...options,
      timeouts: { connectMs: 20_000, attemptDelayMs: 15_000 },
      onAttempts: records => {
        attempts = records
      },
    })
    await expect(promise).rejects.toMatchObject({ code })
    expect(attempts).toMatchObject([{ outcome: 'failed' }])
  })

  it('stops when it is aborted, and leaves nothing behind', async () => {
    const server = await listen()
    const abort = new AbortController()
    const promise = dial([await silentPort()], {}, abort.signal)
    setImmediate(() => abort.abort())
    await expect(promise).rejects.toMatchObject({ code: 'MM_ABORTED' })
    await expect(dial([server.local], {}, AbortSignal.abort())).rejects.toMatchObject({ code: 'MM_ABORTED' })
    expect(server.stats.accepted).toBe(0)
  })

  it('refuses what is no address', async () => {
    await expect(dial([{ host: 'localhost', port: 1 }])).rejects.toMatchObject({
      code: 'MM_INVALID_ARGUMENT',
    })
    await expect(dial([])).rejects.toMatchObject({ code: 'MM_CONNECT_FAILED' })
  })

  it('is there at once with early data', async () => {
    const server = await listen()
    const first = await dial([server.local])
    const owner = new Echo(first.link)
    await until(() => owner.events.some(({ type }) => type === 'ticket'))
    const ticket = owner.events.flatMap(event => (event.type === 'ticket' ? [event.ticket] : [])).at(-1)!

    const second = await dial([server.local], { ticket, earlyData: true })
    expect(second.handshake).toBeUndefined()
    expect(second.link.connection.isInEarlyData).toBe(true)
    const again = new Echo(second.link)
    const stream = second.link.connection.openStream('bidirectional')!
    second.link.connection.write(stream, Buffer.from('early'), true)
    second.link.schedule()
    await until(() => again.received === 'early')
    expect(again.events).toContainEqual({ type: 'early-data', outcome: 'accepted' })
    expect(again.events.find(event => event.type === 'established')).toMatchObject({
      handshake: { isResumed: true },
    })
  })

  it('gives up early data that nobody answers', async () => {
    const server = await listen()
    const first = await dial([server.local])
    const owner = new Echo(first.link)
    await until(() => owner.events.some(({ type }) => type === 'ticket'))
    const ticket = owner.events.flatMap(event => (event.type === 'ticket' ? [event.ticket] : [])).at(-1)!
    const timeouts = { connectMs: 150, attemptDelayMs: 50 }
    const { link } = await dial([await silentPort()], { ticket, earlyData: true, timeouts })
    const again = new Echo(link)
    await until(() => again.isClosed)
    expect(again.events).toMatchObject([
      { type: 'ended', end: { cause: 'idle', reason: 'no handshake within 150 ms' } },
    ])
  })

  it('ends at once when the port is closed later', async () => {
    const server = await listen()
    const relay = await relayTo(server.local)
    const result = await dial([relay.local])
    const owner = new Echo(result.link)
    await until(() => owner.events.length > 0)
    // Nobody is notified: as if the process there had died.
    relay.close()
    result.link.connection.ping()
    result.link.schedule()
    await until(() => owner.isClosed)
    expect(owner.events.at(-1)).toMatchObject({ type: 'ended', end: { cause: 'unusable' } })
    expect(JSON.stringify(owner.events.at(-1))).toContain('ECONNREFUSED')
  })

  it('is not disturbed by empty and random datagrams', async () => {
    const server = await listen()
    const result = await dial([server.local])
    const owner = new Echo(result.link)
    const { socket } = await freePort()
    cleanups.push(() => socket.close())
    for (let i = 0; i < 100; i += 1) {
      socket.send(Buffer.alloc(i === 0 ? 0 : i * 13, i), server.local.port, '127.0.0.1')
      socket.send(Buffer.alloc(0), server.local.port, '127.0.0.1')
    }
    const stream = result.link.connection.openStream('bidirectional')!
    result.link.connection.write(stream, Buffer.from('still here'), true)
    result.link.schedule()
    await until(() => owner.received === 'still here')
  })
})
