import { describe, expect, it } from 'vitest'
import {
  createTransport,
  type OriginOptions,
  type Transport,
  type TransportEvent,
} from '../../../src/index.ts'
import { blockedSection, flood, ORIGIN_FLOODS } from '../../support/http3-floods.ts'
import type { Http3Peer } from '../../support/http3-peer.ts'
import { answerOk, type Http3PeerOrigin, startHttp3PeerOrigin } from '../../support/http3-peer-origin.ts'
import {
  CODE,
  codeName,
  data,
  FRAME,
  frame,
  insertLiteral,
  responseHeaders,
  STREAM_TYPE,
  setCapacity,
  varint,
} from '../../support/http3-wire.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireQuic()

interface Watched {
  transport: Transport
  /** The limits that took effect. */
  limits: string[]
}

function transportTo(origin: Http3PeerOrigin, options: OriginOptions = {}): Watched {
  const limits: string[] = []
  const observer = (event: TransportEvent): void => {
    if (event.type === 'defence') limits.push(event.limit)
  }
  const transport = createTransport({
    defaults: { protocols: ['h3'], tls: { ca: origin.ca }, retry: { maxRetries: 1 }, ...options },
    observer,
  })
  return { transport, limits }
}

const failureOf = (promise: Promise<{ bytes(): Promise<Buffer> }>): Promise<unknown> =>
  promise
    .then(response => response.bytes())
    .then(
      body => `a body of ${body.length} bytes`,
      (error: unknown) => error,
    )

describe.skipIf(missing !== undefined)('an HTTP/3 origin that floods', () => {
  it.for(ORIGIN_FLOODS.map(one => [one.name, one] as const))(
    'with %s fails that request by its own code, and the next one is answered',
    async ([, one]) => {
      await using origin = await startHttp3PeerOrigin({
        onRequest: (peer, stream, index) => {
          // The second connection, and the second request on the first, find it in a better mood.
          if (index === 1 && stream === 0) void one.run(peer, stream)
          else answerOk(peer, stream)
        },
      })
      const { transport, limits } = transportTo(origin)
      await using _ = transport
      const before = readProcessMemory(process.pid).now
      const failed = await failureOf(
        transport.request(`${origin.url}/`, { method: 'POST', body: 'once only' }),
      )
      expect(failed).toMatchObject({ code: one.code, fault: 'remote' })
      const [peer] = origin.peers
      if (one.closedWith !== undefined) {
        expect(codeName((await peer?.untilClosedByPeer())?.code ?? 0)).toBe(one.closedWith)
      }
      expect(limits).toEqual(one.limit === undefined ? [] : [one.limit])
      expect(await (await transport.request(`${origin.url}/`)).text()).toBe('ok')
      expect(origin.peers).toHaveLength(one.closedWith === undefined ? 1 : 2)
      expect(transport.stats().pools[0]).toMatchObject({ streams: 0, waiters: 0 })
      expect(readProcessMemory(process.pid).now - before).toBeLessThan(100)
    },
  )

  it('with insertions into its table makes no request wait, and no memory grow', async () => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: (peer, stream) => {
        const encoder = peer.openUnidirectional(
          Buffer.concat([varint(STREAM_TYPE.QPACK_ENCODER), setCapacity(4_096)]),
        )
        const insertions = Buffer.concat(
          Array.from({ length: 200 }, (_, i) => insertLiteral(`name-${i}`, 'value')),
        )
        void flood(peer, encoder, insertions, 500).then(() => answerOk(peer, stream))
      },
    })
    const { transport } = transportTo(origin)
    await using _ = transport
    const before = readProcessMemory(process.pid).now
    expect(await (await transport.request(`${origin.url}/`)).text()).toBe('ok')
    expect(readProcessMemory(process.pid).now - before).toBeLessThan(100)
  })
})

const SILENCE: readonly (readonly [
  what: string,
  code: string,
  run: (peer: Http3Peer, stream: number) => void,
])[] = [
  ['never answers', 'MM_HEADERS_TIMEOUT', () => {}],
  [
    'stops within the head',
    'MM_HEADERS_TIMEOUT',
    (peer, stream) => peer.send(stream, frame(FRAME.HEADERS, Buffer.of(0), 50)),
  ],
  ['refers to what never comes', 'MM_HEADERS_TIMEOUT', (peer, stream) => peer.send(stream, blockedSection())],
  [
    'stops within the body',
    'MM_BODY_TIMEOUT',
    (peer, stream) => peer.send(stream, Buffer.concat([responseHeaders(), data('x')])),
  ],
]

describe.skipIf(missing !== undefined)('an HTTP/3 origin that', () => {
  it.for(SILENCE)('%s has its stream cancelled, and the connection goes on', async ([, code, run]) => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: (peer, stream) => (stream === 0 ? run(peer, stream) : answerOk(peer, stream)),
    })
    const { transport } = transportTo(origin, { timeouts: { headersMs: 800, bodyMs: 800 } })
    await using _ = transport
    expect(await failureOf(transport.request(`${origin.url}/`))).toMatchObject({ code })
    const [peer] = origin.peers
    await peer?.until(() => peer.streams.get(0)?.stopCode !== undefined, 'STOP_SENDING')
    expect(await (await transport.request(`${origin.url}/`)).text()).toBe('ok')
    expect(origin.peers).toHaveLength(1)
  })

  it('never sends SETTINGS is given up', async () => {
    await using origin = await startHttp3PeerOrigin({ isSilent: true, onRequest: () => {} })
    const { transport } = transportTo(origin, { http3: { settingsTimeoutMs: 300 } })
    await using _ = transport
    expect(await failureOf(transport.request(`${origin.url}/`))).toMatchObject({ code: 'MM_PROTOCOL_ERROR' })
    expect(await origin.peers[0]?.untilClosedByPeer()).toMatchObject({ isApplication: true })
  })

  it('reads nothing holds its own upload up, and no other request', async () => {
    await using origin = await startHttp3PeerOrigin({
      isDeaf: true,
      quic: { streamWindowBytes: 10_000, maxStreamWindowBytes: 10_000 },
      onConnection: peer => {
        // It cannot hear which streams there are: these come first.
        setTimeout(() => answerOk(peer, 4), 400)
      },
    })
    const { transport } = transportTo(origin, { timeouts: { bodyMs: 1_600 } })
    await using _ = transport
    const upload = failureOf(
      transport.request(`${origin.url}/`, { method: 'POST', body: Buffer.alloc(1_000_000) }),
    )
    await expect.poll(() => transport.stats().pools[0]?.streams).toBe(1)
    const other = transport.request(`${origin.url}/`)
    expect(await upload).toMatchObject({ code: 'MM_BODY_TIMEOUT' })
    expect((await other).status).toBe(200)
  })

  it('allows no streams is waited for as long as the queue lets', async () => {
    await using origin = await startHttp3PeerOrigin({ quic: { maxConcurrentStreams: 0 } })
    const { transport } = transportTo(origin, { pool: { queueTimeoutMs: 400, maxConnections: 3 } })
    await using _ = transport
    expect(await failureOf(transport.request(`${origin.url}/`))).toMatchObject({ code: 'MM_QUEUE_TIMEOUT' })
    expect(origin.peers.length).toBeLessThanOrEqual(3)
  })

  it.for([
    ['H3_REQUEST_REJECTED', 'MM_REFUSED', 'no'],
    ['H3_VERSION_FALLBACK', 'MM_HTTP11_REQUIRED', 'no'],
    ['H3_REQUEST_CANCELLED', 'MM_STREAM_RESET', 'unknown'],
  ] as const)('resets every request with %s is asked twice at the most', async ([reset, code, processed]) => {
    let requests = 0
    await using origin = await startHttp3PeerOrigin({
      onRequest: (peer, stream) => {
        requests++
        peer.reset(stream, CODE[reset])
        peer.stop(stream, CODE[reset])
      },
    })
    const { transport } = transportTo(origin)
    await using _ = transport
    const failed = await failureOf(transport.request(`${origin.url}/`, { method: 'POST', body: 'x' }))
    expect(failed).toMatchObject({ code, processed })
    expect(requests).toBeLessThanOrEqual(2)
    expect(origin.peers.length).toBeLessThanOrEqual(2)
  })

  it('ends every connection with GOAWAY before it has taken a request is not stormed', async () => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: peer => peer.send(peer.controlStream, frame(FRAME.GOAWAY, varint(0))),
    })
    const { transport } = transportTo(origin)
    await using _ = transport
    expect(await failureOf(transport.request(`${origin.url}/`))).toMatchObject({
      code: 'MM_REFUSED',
      processed: 'no',
    })
    expect(origin.peers.length).toBeLessThanOrEqual(3)
  })

  it('goes on answering after its GOAWAY is read to the end', async () => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: (peer, stream) => {
        peer.send(peer.controlStream, frame(FRAME.GOAWAY, varint(stream + 4)))
        setTimeout(() => answerOk(peer, stream, 'late'), 100)
      },
    })
    const { transport } = transportTo(origin)
    await using _ = transport
    for (let round = 0; round < 2; round++) {
      expect(await (await transport.request(`${origin.url}/`)).text()).toBe('late')
    }
    expect(origin.peers).toHaveLength(2)
  })

  it('closes every connection at its first request is asked a few times, and left alone', async () => {
    await using origin = await startHttp3PeerOrigin({ onRequest: peer => peer.close(0x102, 'no') })
    const { transport } = transportTo(origin)
    await using _ = transport
    const failed = await failureOf(transport.request(`${origin.url}/`))
    expect(failed).toMatchObject({ fault: 'remote', message: expect.stringContaining('H3_INTERNAL_ERROR') })
    expect(origin.peers.length).toBeLessThanOrEqual(3)
  })

  it('sends unprintable text when it closes leaves the message printable', async () => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: peer => peer.close(0x101, '\u001b[31mred\n\u0000alert'.repeat(50)),
    })
    const { transport } = transportTo(origin)
    await using _ = transport
    const failed = await failureOf(transport.request(`${origin.url}/`))
    expect(failed).toBeInstanceOf(Error)
    const message = failed instanceof Error ? failed.message : ''
    // eslint-disable-next-line no-control-regex -- that is the matter
    expect(message).not.toMatch(/[\u0000-\u001f\u007f]/)
    expect(message.length).toBeLessThan(500)
  })

  it('leaves more sections blocked than allowed ends with QPACK_DECOMPRESSION_FAILED', async () => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: (peer, stream) => peer.send(stream, blockedSection()),
    })
    const { transport } = transportTo(origin, { http3: { qpackBlockedStreams: 3 }, retry: { maxRetries: 0 } })
    await using _ = transport
    const failed = await Promise.all(
      Array.from({ length: 4 }, () =>
        failureOf(transport.request(`${origin.url}/`, { method: 'POST', body: 'x' })),
      ),
    )
    for (const error of failed) expect(error).toMatchObject({ code: 'MM_PROTOCOL_ERROR' })
    expect(codeName((await origin.peers[0]?.untilClosedByPeer())?.code ?? 0)).toBe(
      'QPACK_DECOMPRESSION_FAILED',
    )
  })
})
