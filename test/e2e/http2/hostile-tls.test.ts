import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { connect as connectTcp, createServer, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { DEFAULT_RETRY_OPTIONS } from '../../../src/entry/options.ts'
import { createTransport, type Transport, TransportError } from '../../../src/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { ask, FLOODS } from '../../support/http2-client-attacks.ts'
import { responseBlock } from '../../support/http2-fields.ts'
import { connectHttp2Peer, type Http2Peer, startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import { data, headers } from '../../support/http2-wire.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { readPool } from '../../support/start-connector.ts'

let ca: string
let tls: Pick<IssuedCertificate, 'cert' | 'key'>
beforeAll(async () => {
  const authority = await createCertificateAuthority()
  ca = authority.cert
  const { cert, key } = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  tls = { cert, key }
})

const leaveRudely = ({ socket }: Http2Peer): void => void socket.destroy()
/** close_notify comes before the end of the connection. */
const leavePolitely = ({ socket }: Http2Peer): void => void socket.end()

describe('a hostile HTTP/2 client over TLS', () => {
  let origin: TestOrigin
  let connector: ConnectorProcess
  beforeAll(async () => {
    origin = await startQuickOrigin()
    connector = await startConfiguredConnector({
      listen: [{ address: '127.0.0.1:0', tls }],
      origins: { quick: { url: origin.url } },
    })
  })
  afterAll(async () => {
    await connector?.[Symbol.asyncDispose]()
    await origin?.close()
  })
  const peerOf = (): Promise<Http2Peer> => connectHttp2Peer(connector.port, { tls: { ca } })
  const serves = async (): Promise<void> => {
    using peer = await peerOf()
    peer.send(ask(1))
    await peer.untilFrame(/^DATA 1$/)
  }

  it.for([
    ['within a frame', leaveRudely],
    ['with a TLS alert, requests under way', leavePolitely],
  ] as const)('that leaves %s takes its requests with it', async ([, leave]) => {
    await serves()
    const before = readProcessMemory(connector.cli.pid).now
    for (let round = 0; round < 40; round++) {
      const peer = await peerOf()
      for (let i = 0; i < 10; i++) peer.send(ask(2 * i + 1, i % 2 === 0 ? '/silent' : '/bytes/1000000'))
      peer.send(data(1, Buffer.alloc(1_000)).subarray(0, 300))
      if (round % 2 === 0) await peer.untilFrame(/^DATA/)
      leave(peer)
      await peer.untilClosed()
    }
    await expect
      .poll(async () => (await readPool(connector.adminUrl, 'quick')).streams, { timeout: 5_000 })
      .toBe(0)
    await serves()
    expect(readProcessMemory(connector.cli.pid).now - before).toBeLessThan(100)
    expect(connector.cli.stderr).toBe('')
  })

  it('that breaks TLS itself within the session is cut off', async () => {
    // A relay lets the handshake pass and then spoils a byte.
    const relay = await startRelay(connector.port)
    const peer = await connectHttp2Peer(relay.port, { tls: { ca } })
    relay.spoil()
    peer.send(ask(1))
    await peer.untilClosed()
    relay.close()
    await serves()
    expect(connector.cli.stderr).toBe('')
  })

  it.for(FLOODS.slice(0, 8).map(flood => [flood.name, flood] as const))(
    'that sends a flood of %s is sent away',
    { timeout: 30_000 },
    async ([, { run, answer }]) => {
      using peer = await peerOf()
      await run(peer)
      expect((await peer.untilClosed()).at(-1)).toMatch(answer)
      await serves()
    },
  )
})

describe('a hostile HTTP/2 origin over TLS', () => {
  let transport: Transport
  beforeAll(() => {
    transport = createTransport({ defaults: { protocols: ['h2'], tls: { ca } } })
  })
  afterAll(() => transport?.close())

  const LEAVINGS = [
    ['with a TLS alert', leavePolitely],
    ['without one', leaveRudely],
  ] as const
  const codeOf = async (promise: Promise<unknown>): Promise<string> => {
    const error = await promise.then(
      () => undefined,
      (error: unknown) => error,
    )
    return error instanceof TransportError ? `${error.code} ${error.processed}` : String(error)
  }

  it.for(LEAVINGS)(
    'that leaves %s before it answers is asked up to maxUnanswered times more',
    async ([, leave]) => {
      await using origin = await startHttp2PeerOrigin({ tls, onRequest: leave })
      expect(await codeOf(transport.request(`${origin.url}/`))).toMatch(
        /^MM_CONNECTION_(?:CLOSED|RESET) unknown$/,
      )
      expect(origin.peers).toHaveLength(1 + DEFAULT_RETRY_OPTIONS.maxUnanswered)
    },
  )

  it.for(LEAVINGS)(
    'that leaves %s within its answer makes that fail, since nobody may believe in its end',
    async ([, leave]) => {
      await using origin = await startHttp2PeerOrigin({
        tls,
        onRequest: (peer, streamId) => {
          // Without a length: only END_STREAM is an end.
          peer.send(headers(streamId, responseBlock()), data(streamId, 'x'.repeat(1_000)))
        },
      })
      const response = await transport.request(`${origin.url}/`)
      expect(response.status).toBe(200)
      for (const peer of origin.peers) leave(peer)
      expect(await codeOf(response.bytes())).toMatch(/^MM_CONNECTION_(?:CLOSED|RESET) yes$/)
    },
  )

  it('that leaves in the middle of a handshake, or speaks another protocol by ALPN, fails the request', async () => {
    const server = createServer(socket => void socket.once('data', () => socket.end()))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    expect(await codeOf(transport.request(`https://localhost:${port}/`))).toMatch(
      /^MM_(?:TLS_FAILED|CONNECT_FAILED) no$/,
    )
    server.close()
    const old = await startQuickOrigin({ tls: { ...tls, ca } })
    expect(await codeOf(transport.request(`${old.url}/`))).toMatch(/^MM_(?:ALPN_MISMATCH|TLS_FAILED) no$/)
    await old.close()
  })

  it.for(['h2', 'http/1.1'] as const)(
    'that breaks TLS itself fails the exchange, and the next one has a new connection (%s)',
    async protocol => {
      await using peers = await startHttp2PeerOrigin({ tls })
      const old = await startQuickOrigin({ tls: { ...tls, ca } })
      await using own = createTransport({ defaults: { protocols: [protocol], tls: { ca } } })
      const relay = await startRelay(protocol === 'h2' ? peers.port : old.port)
      const url = `https://localhost:${relay.port}/`
      await (await own.request(url)).dump()
      relay.spoil()
      expect(await codeOf(own.request(url, { method: 'POST', body: 'x' }))).toMatch(/ unknown$/)
      relay.heal()
      await (await own.request(url)).dump()
      relay.close()
      await old.close()
    },
  )
})

interface Relay {
  readonly port: number
  /** From now on a byte of what goes to the server is another one. */
  spoil(): void
  heal(): void
  close(): void
}

async function startRelay(target: number): Promise<Relay> {
  let isSpoiling = false
  const sockets: Socket[] = []
  const server = createServer(near => {
    const far = connectTcp({ port: target, host: '127.0.0.1' })
    sockets.push(near, far)
    near.on('data', (chunk: Buffer) => {
      const last = chunk.length - 1
      if (isSpoiling) chunk.writeUInt8(chunk.readUInt8(last) ^ 0xff, last)
      far.write(chunk)
    })
    far.on('data', (chunk: Buffer) => near.write(chunk))
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => {})
      one.on('close', () => other.destroy())
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    spoil() {
      isSpoiling = true
    },
    heal() {
      isSpoiling = false
    },
    close() {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}
