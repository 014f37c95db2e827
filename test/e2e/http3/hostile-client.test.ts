import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import type { IngressListener } from '../../../src/ingress/listener.ts'
import { listenQuic } from '../../../src/ingress/quic-listener.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { ExchangeAnswer } from '../../../src/testing/exchange-answers.ts'
import { blockedSection, flood, floodStreams, qpackBomb, times } from '../../support/http3-floods.ts'
import type { Http3Peer } from '../../support/http3-peer.ts'
import { connectHttp3Peer, type Http3PeerClientOptions } from '../../support/http3-peer-client.ts'
import {
  CODE,
  codeName,
  data,
  FRAME,
  frame,
  insertLiteral,
  requestHeaders,
  STREAM_TYPE,
  setCapacity,
  varint,
} from '../../support/http3-wire.ts'
import { load } from '../../support/load.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireQuic()
const priorityUpdate = frame(FRAME.PRIORITY_UPDATE, Buffer.concat([varint(0), Buffer.from('u=1')]))

/** What a client does until it is sent away with H3_EXCESSIVE_LOAD, by the limit of that name. */
const FLOODS: readonly (readonly [what: string, limit: string, run: (peer: Http3Peer) => unknown])[] = [
  [
    'requests that it gives up (rapid reset)',
    'maxResetsPerSecond',
    peer =>
      floodStreams(
        peer,
        one => {
          const stream = one.openRequest(requestHeaders('/silent'), false)
          one.reset(stream, CODE.H3_REQUEST_CANCELLED)
          one.stop(stream, CODE.H3_REQUEST_CANCELLED)
        },
        'bidirectional',
      ),
  ],
  [
    'requests that it makes us reset',
    'maxResetsPerSecond',
    peer =>
      floodStreams(
        peer,
        one => void one.openRequest(requestHeaders('/', [['connection', 'close']])),
        'bidirectional',
      ),
  ],
  [
    'unknown frames in a request',
    'maxIgnoredFramesPerSecond',
    peer =>
      flood(peer, peer.openRequest(requestHeaders('/silent', [], 'POST'), false), times(frame(0x21), 1_000)),
  ],
  [
    'unknown frames on the control stream',
    'maxIgnoredFramesPerSecond',
    peer => flood(peer, peer.controlStream, times(frame(0x21), 1_000)),
  ],
  [
    'PRIORITY_UPDATE',
    'maxIgnoredFramesPerSecond',
    peer => flood(peer, peer.controlStream, times(priorityUpdate, 1_000)),
  ],
  [
    'MAX_PUSH_ID',
    'maxIgnoredFramesPerSecond',
    peer => flood(peer, peer.controlStream, times(frame(FRAME.MAX_PUSH_ID, varint(5)), 1_000)),
  ],
  [
    'empty DATA',
    'maxEmptyFramesPerSecond',
    peer =>
      flood(
        peer,
        peer.openRequest(requestHeaders('/silent', [], 'POST'), false),
        times(frame(FRAME.DATA), 1_000),
      ),
  ],
  [
    'streams of unknown types',
    'maxIgnoredFramesPerSecond',
    peer =>
      floodStreams(peer, one => void one.openUnidirectional(Buffer.of(0x21, 1), true), 'unidirectional'),
  ],
]

/** Answers as long as somebody takes it. */
function endless(exchange: IngressExchange): void {
  const piece = Buffer.alloc(16_384)
  const more = (): void => {
    while (exchange.respondData(piece, kept => kept));
  }
  exchange.events = { onDrain: more, onAborted: () => {} }
  exchange.respondStart(200, [])
  more()
}

describe.skipIf(missing !== undefined)('a hostile HTTP/3 client', () => {
  let listener: IngressListener
  let ca: string
  let control: Transport
  let defencesBefore: Readonly<Record<string, number>> = {}
  let memoryBefore = 0
  beforeAll(async () => {
    const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    ca = tls.ca
    listener = await listenQuic({
      address: { host: '127.0.0.1', port: 0 },
      tls: { cert: tls.cert, key: tls.key },
      limits: { requestTimeoutMs: 600 },
      handler: exchange => {
        if (exchange.path === '/endless') endless(exchange)
        else void new ExchangeAnswer(exchange, 0)
      },
    })
    control = createTransport({ defaults: { protocols: ['h3'], tls: { ca } } })
    await load(control, `https://localhost:${listener.port}/bytes/1000`, { requests: 500, concurrency: 20 })
    memoryBefore = readProcessMemory(process.pid).now
  })
  // Whatever it was: who is on another connection has noticed nothing, and memory is where it was.
  afterEach(async () => {
    const url = `https://localhost:${listener.port}/bytes/1000`
    const { failures } = await load(control, url, { requests: 20, concurrency: 5 })
    expect(failures).toEqual([])
    expect(control.stats().pools[0]).toMatchObject({ opened: { full: 1 }, retries: 0 })
    expect(readProcessMemory(process.pid).now - memoryBefore).toBeLessThan(150)
  })
  afterAll(async () => {
    await control?.close()
    await listener?.close()
  })
  const connect = async (options: Partial<Http3PeerClientOptions> = {}): Promise<Http3Peer> => {
    defencesBefore = { ...listener.stats.defences }
    const peer = await connectHttp3Peer(listener.port, { ca, ...options })
    await peer.until(() => peer.streams.size > 0, 'its control stream')
    return peer
  }
  /** The limits that took effect since the test connected. */
  const limits = (): string[] =>
    Object.entries(listener.stats.defences)
      .filter(([limit, count]) => count > (defencesBefore[limit] ?? 0))
      .map(([limit]) => limit)
  const answered = async (peer: Http3Peer): Promise<void> => {
    const stream = peer.openRequest(requestHeaders('/bytes/5'))
    await peer.until(() => peer.streams.get(stream)?.isEnded === true, 'an answer')
  }

  it.for(FLOODS)('that sends %s without end is sent away', async ([, limit, run]) => {
    await using peer = await connect()
    await run(peer)
    const end = await peer.untilClosedByPeer()
    expect([end.isApplication, codeName(end.code)]).toEqual([true, 'H3_EXCESSIVE_LOAD'])
    expect(limits()).toEqual([limit])
  })

  it('that asks with a head of a hundred megabytes loses its stream, and only that', async () => {
    await using peer = await connect()
    const stream = peer.openRequest(Buffer.concat([varint(FRAME.HEADERS), varint(100_000_000)]), false)
    void flood(peer, stream, Buffer.alloc(10_000), 300)
    const isOver = (): boolean => {
      const seen = peer.streams.get(stream)
      return seen?.stopCode !== undefined || seen?.resetCode !== undefined || seen?.isEnded === true
    }
    await peer.until(isOver, 'its end')
    expect(limits()).toEqual(['maxHeaderBytes'])
    await answered(peer)
  })

  it('that makes a megabyte of head out of a few bytes (QPACK bomb) is refused, again and again', async () => {
    await using peer = await connect()
    // Without a pseudo-field it would be malformed, but it is too large before that is known.
    const first = peer.openRequest(frame(0x21), false)
    qpackBomb(peer, first)
    const isRefused = (stream: number) => (): boolean => {
      const seen = peer.streams.get(stream)
      return seen?.resetCode !== undefined || seen?.stopCode !== undefined || seen?.isEnded === true
    }
    await peer.until(isRefused(first), 'its end')
    expect(limits()).toContain('maxHeaderBytes')
    await answered(peer)
  })

  it('that refers to insertions that never come holds nobody up, and is forgotten when it goes', async () => {
    const peer = await connect()
    for (let i = 0; i < 16; i++) peer.openRequest(blockedSection(), false)
    await answered(peer)
    // One more than SETTINGS_QPACK_BLOCKED_STREAMS allows (RFC 9204 2.1.2).
    peer.openRequest(blockedSection(), false)
    expect(codeName((await peer.untilClosedByPeer()).code)).toBe('QPACK_DECOMPRESSION_FAILED')
    await expect.poll(() => listener.stats.connections.open, { timeout: 5_000 }).toBe(1)
  })

  it('that inserts into its table without end hurts nobody', async () => {
    await using peer = await connect()
    const insertions = times(insertLiteral('x-name', 'value'), 300)
    const stream = peer.openUnidirectional(
      Buffer.concat([varint(STREAM_TYPE.QPACK_ENCODER), setCapacity(4_096)]),
    )
    await flood(peer, stream, insertions, 300)
    await answered(peer)
  })

  it('that asks and never reads is held back, and forgotten when it goes', async () => {
    const window = { streamWindowBytes: 10_000, maxStreamWindowBytes: 10_000 }
    const peer = await connectHttp3Peer(listener.port, {
      ca,
      isDeaf: true,
      quic: { ...window, connectionWindowBytes: 20_000 },
    })
    await expect.poll(() => peer.link.connection.streamsLeft('bidirectional')).toBeGreaterThan(50)
    for (let i = 0; i < 50; i++) peer.openRequest(requestHeaders('/endless'))
    await new Promise(resolve => setTimeout(resolve, 300))
    expect(readProcessMemory(process.pid).now - memoryBefore).toBeLessThan(150)
    await peer[Symbol.asyncDispose]()
    await expect.poll(() => listener.stats.connections.open, { timeout: 5_000 }).toBe(1)
  })

  it('that uploads a body that nobody asked for is not read to its end', async () => {
    await using peer = await connect()
    const stream = peer.openRequest(requestHeaders('/silent', [], 'POST'), false)
    void flood(peer, stream, data(Buffer.alloc(16_000)), 2_000)
    await new Promise(resolve => setTimeout(resolve, 300))
    await answered(peer)
    expect(readProcessMemory(process.pid).now - memoryBefore).toBeLessThan(150)
  })

  it('that opens connections and says nothing on them is forgotten', async () => {
    const idle = await Promise.all(
      Array.from({ length: 30 }, () => connectHttp3Peer(listener.port, { ca, isSilent: true })),
    )
    expect(listener.stats.connections.open).toBeGreaterThanOrEqual(31)
    await Promise.all(idle.map(peer => peer[Symbol.asyncDispose]()))
    await expect.poll(() => listener.stats.connections.open, { timeout: 5_000 }).toBe(1)
  })
})
