import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { DEFAULT_QUIC_OPTIONS } from '../../../src/base/options/protocol-options.ts'
import { openClientLink } from '../../../src/quic/client-link.ts'
import type { QuicEvent, QuicLink, QuicServerTls } from '../../../src/quic/engine.ts'
import { ServerEndpoint } from '../../../src/quic/server-endpoint.ts'
import type { ServerEndpointOptions } from '../../../src/quic/server-endpoint-options.ts'
import { DgramSocket } from '../../../src/quic/udp/dgram-socket.ts'
import { SegmentedSocket } from '../../../src/quic/udp/segmented-socket.ts'
import type { UdpLink } from '../../../src/quic/udp/udp-link.ts'
import type { UdpSocketListener } from '../../../src/quic/udp/udp-port.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { noQuic, theEngine } from '../../support/quic-engine.ts'
import { QuicPair } from '../../support/quic-pair.ts'
import { until as untilSo } from '../../support/until.ts'

/** The listening side over real sockets: whom it answers, and what it bounds. */

let authority: CertificateAuthority
let tls: QuicServerTls
let trust: { readonly ca: string }
const cleanups: (() => void)[] = []

const until = (isSo: () => boolean): Promise<void> => untilSo(isSo, isSo.toString())

beforeAll(async () => {
  authority = await createCertificateAuthority()
  tls = await authority.issue({ names: ['localhost'] })
  trust = { ca: authority.cert }
})

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

async function listen(options: Partial<ServerEndpointOptions> = {}): Promise<ServerEndpoint> {
  const endpoint = await ServerEndpoint.listen({
    engine: theEngine(),
    clock: systemClock,
    local: { host: '127.0.0.1', port: 0 },
    tls,
    protocols: ['h3'],
    quic: DEFAULT_QUIC_OPTIONS,
    onConnection: link => {
      link.owner = { onTurn: () => void drain(link), onClosed: () => undefined }
    },
    ...options,
  })
  cleanups.push(() => endpoint.close())
  return endpoint
}

function drain(link: QuicLink): QuicEvent[] {
  const events: QuicEvent[] = []
  for (let event = link.connection.nextEvent(); event !== undefined; event = link.connection.nextEvent()) {
    events.push(event)
  }
  return events
}

async function connect(
  server: ServerEndpoint,
  quic = DEFAULT_QUIC_OPTIONS,
  allowsSecondPath = false,
): Promise<UdpLink> {
  const link = await openClientLink(theEngine(), {
    remote: server.local,
    serverName: 'localhost',
    tls: trust,
    protocols: ['h3'],
    quic,
    allowsSecondPath,
    clock: systemClock,
  })
  cleanups.push(() => link.abandon())
  return link
}

async function rawSocket(): Promise<{ socket: Socket; answers: Buffer[] }> {
  const socket = createSocket('udp4')
  const answers: Buffer[] = []
  socket.on('message', datagram => answers.push(datagram))
  await new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))
  cleanups.push(() => socket.close())
  return { socket, answers }
}

/** An endpoint, and what its socket tells: ordinary sockets cannot send from everywhere. */
async function listenTo(
  options: Partial<ServerEndpointOptions> = {},
): Promise<{ server: ServerEndpoint; listener: UdpSocketListener }> {
  const binds = [vi.spyOn(DgramSocket, 'bind'), vi.spyOn(SegmentedSocket, 'bind')] as const
  const server = await listen(options)
  const listener = binds[0].mock.lastCall?.[1] ?? binds[1].mock.lastCall?.[2]
  for (const bind of binds) bind.mockRestore()
  if (listener === undefined) throw new Error('nothing was bound')
  return { server, listener }
}

/** A long header with that version, padded. */
function initial(version: number, bytes: number): Buffer {
  const head = Buffer.concat([
    Buffer.of(0xc0),
    Buffer.alloc(4),
    Buffer.of(8),
    randomBytes(8),
    Buffer.of(8),
    randomBytes(8),
  ])
  head.writeUInt32BE(version, 1)
  return Buffer.concat([head, Buffer.alloc(Math.max(0, bytes - head.length))])
}

describe.skipIf(noQuic !== undefined)('the server endpoint', () => {
  it.each([
    [
      'a key of another certificate',
      async () => ({ ...tls, key: (await authority.issue({ names: ['b'] })).key }),
    ],
    ['a certificate that is an authority', async () => ({ cert: authority.cert, key: authority.key })],
    ['no certificate', async () => ({ cert: 'none', key: tls.key })],
  ] as const)('does not start with %s', async (_what, credentials) => {
    await expect(listen({ tls: await credentials() })).rejects.toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
  })

  it('negotiates the version, for datagrams of full size only, and not without end', async () => {
    const server = await listen()
    const { socket, answers } = await rawSocket()
    for (let i = 0; i < 150; i += 1) socket.send(initial(0x1a2a3a4a, 1200), server.local.port, '127.0.0.1')
    socket.send(initial(0x1a2a3a4a, 1199), server.local.port, '127.0.0.1')
    await until(() => server.stats.refused === 1)
    await until(() => answers.length >= 100)
    expect(server.stats.versionNegotiations).toBe(100)
    expect(answers[0]!.readUInt32BE(1)).toBe(0)
    // Its list has version 1.
    expect(answers[0]!.includes(Buffer.of(0, 0, 0, 1))).toBe(true)
    expect(server.stats.accepted).toBe(0)
  })

  it('does not answer an Initial that is too small', async () => {
    const server = await listen()
    const { socket, answers } = await rawSocket()
    socket.send(initial(1, 1100), server.local.port, '127.0.0.1')
    await until(() => server.stats.refused === 1)
    expect(answers).toEqual([])
  })

  it('does not answer a Version Negotiation packet with another one', async () => {
    const server = await listen()
    const { socket, answers } = await rawSocket()
    socket.send(initial(0, 1200), server.local.port, '127.0.0.1')
    await until(() => server.stats.strays === 1)
    expect(server.stats.versionNegotiations).toBe(0)
    expect(answers).toEqual([])
  })

  it.each([
    ['port 0', { host: '127.0.0.1', port: 0 }],
    ['a link-local address', { host: 'fe80::2%eth0', port: 4433 }],
  ])('does not answer %s, which cannot be answered, and goes on', async (_what, from) => {
    for (const retry of ['always', 'never'] as const) {
      const { server, listener } = await listenTo({ retry })
      for (const version of [1, 0x1a2a3a4a])
        listener.onDatagram(initial(version, 1200), from, server.local, 0)
      expect(server.stats).toMatchObject({ refused: 2, accepted: 0, retries: 0, versionNegotiations: 0 })
    }
  })

  it('goes on when the engine takes no connection', async () => {
    const engine = theEngine()
    const { server, listener } = await listenTo({
      engine: {
        name: engine.name,
        connect: options => engine.connect(options),
        accept: () => {
          throw new Error('GenericFailure')
        },
        checkServer: options => engine.checkServer(options),
        readHeader: (datagram, idBytes) => engine.readHeader(datagram, idBytes),
        negotiateVersion: header => engine.negotiateVersion(header),
        retry: (header, newId, token) => engine.retry(header, newId, token),
      },
    })
    listener.onDatagram(initial(1, 1200), { host: '127.0.0.1', port: 4433 }, server.local, 0)
    expect(server.stats).toMatchObject({ refused: 1, accepted: 0, connections: 0, handshakes: 0 })
  })

  it('makes clients prove their address', async () => {
    const server = await listen({ retry: 'always' })
    const link = await connect(server)
    link.owner = { onTurn: () => undefined, onClosed: () => undefined }
    await until(() => link.connection.isEstablished)
    await until(() => server.stats.handshakes === 0)
    expect(server.stats).toMatchObject({ retries: 1, accepted: 1, connections: 1 })
  })

  it('does so under load only, when that is configured', async () => {
    const server = await listen({ retry: 'under-load', maxHandshakes: 4 })
    const { socket } = await rawSocket()
    for (let i = 0; i < 5; i += 1) socket.send(initial(1, 1200), server.local.port, '127.0.0.1')
    await until(() => server.stats.retries === 3)
    expect(server.stats.accepted).toBe(2)
  })

  it('takes no more connections than it may', async () => {
    const server = await listen({ maxConnections: 1 })
    const first = await connect(server)
    await until(() => first.connection.isEstablished)
    const second = await connect(server, { ...DEFAULT_QUIC_OPTIONS, idleTimeoutMs: 200 })
    const events: QuicEvent[] = []
    second.owner = { onTurn: () => void events.push(...drain(second)), onClosed: () => undefined }
    await until(() => second.isOver)
    expect(events).toEqual([
      expect.objectContaining({ type: 'ended', end: expect.objectContaining({ cause: 'idle' }) }),
    ])
    expect(server.stats.refused).toBeGreaterThan(0)
    expect(server.stats.connections).toBe(1)
  })

  it('gives up handshakes that do not end', async () => {
    const server = await listen({ handshakeTimeoutMs: 50, retry: 'never' })
    const { socket } = await rawSocket()
    socket.send(initial(1, 1200), server.local.port, '127.0.0.1')
    await until(() => server.stats.accepted === 1)
    await until(() => server.stats.connections === 0)
    expect(server.stats.handshakes).toBe(0)
  })

  it('counts a handshake until it is complete, though early data is read before', async () => {
    const serverTls = { ...tls, earlyData: true, ticketKey: Buffer.alloc(48, 7) }
    const before = new QuicPair(theEngine(), { tls: trust, serverTls })
    before.run()
    const ticket = before.clientEvents
      .flatMap(event => (event.type === 'ticket' ? [event.ticket] : []))
      .at(-1)
    let handedOver = 0
    const server = await listen({
      tls: serverTls,
      maxHandshakes: 4,
      handshakeTimeoutMs: 300,
      onConnection: link => {
        handedOver += 1
        link.owner = { onTurn: () => void drain(link), onClosed: () => undefined }
      },
    })
    const { socket } = await rawSocket()
    // As somebody does who writes another's address as the sender's: the answers are not heard.
    for (let i = 0; i < 5; i += 1) {
      const client = theEngine().connect({
        local: { host: '127.0.0.1', port: 4433 },
        remote: server.local,
        serverName: 'localhost',
        tls: trust,
        protocols: ['h3'],
        quic: DEFAULT_QUIC_OPTIONS,
        connectionId: randomBytes(16),
        ticket,
        earlyData: true,
      })
      for (let out = client.nextDatagram(0); out !== undefined; out = client.nextDatagram(0))
        socket.send(Buffer.from(out.bytes), server.local.port, '127.0.0.1')
    }
    await until(() => server.stats.accepted + server.stats.retries + server.stats.refused === 5)
    await until(() => handedOver === 2)
    expect(server.stats).toMatchObject({ accepted: 2, handshakes: 2, retries: 3 })
    await until(() => server.stats.connections === 0)
    expect(server.stats.handshakes).toBe(0)

    // One who receives the answers is not given up.
    const link = await connect(server)
    link.owner = { onTurn: () => void drain(link), onClosed: () => undefined }
    await until(() => link.connection.isEstablished && server.stats.handshakes === 0)
    expect(server.stats.connections).toBe(1)
  })

  it('notifies everybody when it closes, and forgets them', async () => {
    const server = await listen()
    const link = await connect(server)
    const events: QuicEvent[] = []
    link.owner = { onTurn: () => void events.push(...drain(link)), onClosed: () => undefined }
    await until(() => events.some(({ type }) => type === 'established') && server.stats.handshakes === 0)
    server.close()
    await until(() => link.isOver)
    expect(events.at(-1)).toMatchObject({
      type: 'ended',
      end: { cause: 'peer', isApplication: false, code: 0 },
    })
    expect(server.stats.connections).toBe(0)
  })

  it('takes nobody new while it drains', async () => {
    const server = await listen()
    const first = await connect(server)
    await until(() => first.connection.isEstablished)
    server.drain()
    const { socket } = await rawSocket()
    socket.send(initial(1, 1200), server.local.port, '127.0.0.1')
    await until(() => server.stats.refused === 1)
    expect(server.stats.connections).toBe(1)
  })

  it('gives ids to clients that may move, and none to others', async () => {
    for (const allowsMigration of [true, false]) {
      const server = await listen({ allowsMigration })
      const link = await connect(server, DEFAULT_QUIC_OPTIONS, true)
      link.owner = { onTurn: () => void drain(link), onClosed: () => undefined }
      await until(() => link.connection.isEstablished && server.stats.handshakes === 0)
      link.connection.ping()
      link.schedule()
      if (allowsMigration) await until(() => link.connection.migrationRefusal === undefined)
      else expect(link.connection.migrationRefusal).toBe('the peer forbids migration')
    }
  })

  it.each([70_000, -1, 1.5, Number.NaN])('does not move a client to port %d', async port => {
    const server = await listen({ allowsMigration: true })
    const link = await connect(server, DEFAULT_QUIC_OPTIONS, true)
    link.owner = { onTurn: () => void drain(link), onClosed: () => undefined }
    await until(() => link.connection.migrationRefusal === undefined)
    expect(await link.mover?.migrate({ port })).toMatchObject({
      outcome: 'refused',
      because: expect.stringContaining(`not a port: ${port}`),
    })
  })
})
