import { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import {
  CLIENT_FAULTS,
  MALFORMED_ANSWERS,
  MALFORMED_REQUESTS,
  ORIGIN_FAULTS,
} from '../../support/http3-faults.ts'
import type { Http3Peer } from '../../support/http3-peer.ts'
import { connectHttp3Peer, type Http3PeerClientOptions } from '../../support/http3-peer-client.ts'
import { answerOk, type Http3PeerOrigin, startHttp3PeerOrigin } from '../../support/http3-peer-origin.ts'
import {
  CODE,
  codeName,
  data,
  FRAME,
  frame,
  headers,
  requestHeaders,
  responseHeaders,
} from '../../support/http3-wire.ts'
import { requireQuic } from '../../support/require-quic.ts'

const missing = requireQuic()

const transportTo = (origin: Http3PeerOrigin): Transport =>
  createTransport({
    defaults: {
      protocols: ['h3'],
      tls: { ca: origin.ca },
      retry: { maxRetries: 0 },
      pool: { maxConnections: 2 },
    },
  })

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => 'no error',
    (error: unknown) => error,
  )

/**
 * Every rule of RFC 9114 and RFC 9204 whose breach ends the connection, with the code that it has to end
 * with.
 */
describe.skipIf(missing !== undefined)('our client', () => {
  it.for(ORIGIN_FAULTS.map(fault => [fault.name, fault] as const))(
    'ends the connection with the right code when it is sent %s',
    async ([, fault]) => {
      await using origin = await startHttp3PeerOrigin({
        isSilent: fault.isSilent === true,
        onRequest: (peer, stream) => fault.run(peer, stream),
      })
      await using transport = transportTo(origin)
      const failed = errorOf(transport.request(`${origin.url}/`).then(response => response.bytes()))
      await expect.poll(() => origin.peers.length).toBeGreaterThan(0)
      const end = await origin.peers[0]?.untilClosedByPeer()
      expect([end?.isApplication, codeName(end?.code ?? 0)]).toEqual([true, fault.code])
      expect(await failed).toMatchObject({ code: 'MM_PROTOCOL_ERROR', fault: 'remote' })
      expect(transport.stats().pools[0]?.closed).toEqual({ 'protocol-error': origin.peers.length })
    },
  )

  it.for(MALFORMED_ANSWERS.map(fault => [fault.name, fault] as const))(
    'breaks off the stream that is answered with %s, and goes on',
    async ([, fault]) => {
      await using origin = await startHttp3PeerOrigin({
        onRequest: (peer, stream) => (stream === 0 ? peer.send(stream, fault.bytes) : answerOk(peer, stream)),
      })
      await using transport = transportTo(origin)
      // A request that is complete would let quiche 0.18 forget the stream of the peer, and the code with it.
      const body = new Readable({ read: () => {} })
      body.push('the rest never comes')
      const asked = transport.request(`${origin.url}/`, { method: 'POST', body })
      const failed = await errorOf(asked.then(response => response.bytes()))
      expect(failed).toMatchObject({ code: 'MM_PROTOCOL_ERROR', fault: 'remote' })
      const peer = origin.peers[0]
      const codes = (): (number | undefined)[] => [
        peer?.streams.get(0)?.stopCode,
        peer?.streams.get(0)?.resetCode,
      ]
      await peer?.until(() => !codes().includes(undefined), 'STOP_SENDING and RESET_STREAM')
      expect(codes().map(code => codeName(code ?? 0))).toEqual(['H3_MESSAGE_ERROR', 'H3_MESSAGE_ERROR'])
      expect(await (await transport.request(`${origin.url}/`)).text()).toBe('ok')
      expect(origin.peers).toHaveLength(1)
    },
  )

  it.for([
    ['without an answer', Buffer.alloc(0)],
    ['behind a 1xx', headers([':status', '103'])],
    [
      'before content-length is reached',
      Buffer.concat([responseHeaders(200, [['content-length', '5']]), data('x')]),
    ],
  ] as const)('fails the request that is answered by an end %s', async ([, bytes]) => {
    await using origin = await startHttp3PeerOrigin({
      onRequest: (peer, stream) => {
        if (stream > 0) answerOk(peer, stream)
        // An end stands behind a byte: that of a frame to be read over.
        else peer.send(stream, Buffer.concat([bytes, frame(0x21)]), true)
      },
    })
    await using transport = transportTo(origin)
    const failed = await errorOf(transport.request(`${origin.url}/`).then(response => response.bytes()))
    expect(failed).toMatchObject({
      fault: 'remote',
      code: expect.stringMatching(/^MM_(PROTOCOL_ERROR|STREAM_RESET)$/),
    })
    expect(await (await transport.request(`${origin.url}/`)).text()).toBe('ok')
    expect(origin.peers).toHaveLength(1)
  })

  it('skips what it does not know', async () => {
    await using origin = await startHttp3PeerOrigin({
      settings: [[0x1f * 7 + 0x21, 5]],
      onRequest: (peer, stream) => {
        const grease = frame(0x1f * 3 + 0x21, Buffer.from('whatever'))
        peer.send(peer.controlStream, grease)
        peer.openUnidirectional(Buffer.of(0x21, 1, 2, 3))
        peer.openUnidirectional(Buffer.of(0x40, 0x21, 9), true)
        peer.send(stream, Buffer.concat([grease, responseHeaders(), grease, data('ok'), grease]), true)
      },
    })
    await using transport = transportTo(origin)
    for (let round = 0; round < 3; round++) {
      expect(await (await transport.request(`${origin.url}/`)).text()).toBe('ok')
    }
    expect(origin.peers).toHaveLength(1)
  })

  it('reads frames as they come, byte by byte', async () => {
    const bytes = Buffer.concat([
      headers([':status', '103'], ['link', '</a>']),
      responseHeaders(200, [['x-long', 'y'.repeat(100)]]),
      data('in pieces'),
      frame(0x4021, Buffer.from('grease')),
      frame(FRAME.DATA),
      headers(['x-trailer', '1']),
    ])
    const drip = async (peer: Http3Peer, stream: number): Promise<void> => {
      for (let at = 0; at < bytes.length; at++) {
        peer.send(stream, bytes.subarray(at, at + 1), at === bytes.length - 1)
        await new Promise(setImmediate)
      }
    }
    await using origin = await startHttp3PeerOrigin({ onRequest: (peer, stream) => void drip(peer, stream) })
    await using transport = transportTo(origin)
    const response = await transport.request(`${origin.url}/`)
    expect(await response.text()).toBe('in pieces')
    expect(response.trailers).toEqual({ 'x-trailer': '1' })
    expect(response.info.informational).toEqual([{ status: 103, headers: { link: '</a>' } }])
  })
})

describe.skipIf(missing !== undefined)('our server', () => {
  let origin: Http3Origin
  let ca: string
  beforeAll(async () => {
    const tls = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    ca = tls.ca
    origin = await startHttp3Origin({ tls })
  })
  afterAll(() => origin?.close())
  const connect = (options: Partial<Http3PeerClientOptions> = {}) =>
    connectHttp3Peer(origin.port, { ca, ...options })

  it.for(CLIENT_FAULTS.map(fault => [fault.name, fault] as const))(
    'ends the connection with the right code when it is sent %s',
    async ([, fault]) => {
      await using control = await connect()
      await using peer = await connect({ isSilent: fault.isSilent === true })
      // The handshake is complete for both when something has come.
      await peer.until(() => peer.streams.size > 0, 'its control stream')
      fault.run(peer, 0)
      const end = await peer.untilClosedByPeer()
      expect([end.isApplication, codeName(end.code)]).toEqual([true, fault.code])
      const other = control.openRequest(requestHeaders('/bytes/5'))
      await control.until(
        () => control.streams.get(other)?.isEnded === true,
        'an answer of another connection',
      )
    },
  )

  it.for(MALFORMED_REQUESTS.map(fault => [fault.name, fault] as const))(
    'breaks off the stream of a request with %s, and goes on',
    async ([, fault]) => {
      await using peer = await connect()
      const malformed = peer.openRequest(fault.bytes, false)
      const good = peer.openRequest(requestHeaders('/bytes/5'))
      await peer.until(() => peer.streams.get(good)?.isEnded === true, 'the other answer')
      const isBroken = (): boolean => {
        const stream = peer.streams.get(malformed)
        return stream?.resetCode !== undefined || stream?.stopCode !== undefined || stream?.isEnded === true
      }
      await peer.until(isBroken, 'its end')
      const stream = peer.streams.get(malformed)
      // RFC 9114 4.1.2: a server may answer before it breaks it off.
      const codes = [stream?.resetCode, stream?.stopCode].filter(code => code !== undefined).map(codeName)
      expect(codes.length === 0 ? peer.framesOf(malformed)[0]?.type : codes[0]).toSatisfy(
        (seen: unknown) => seen === 'H3_MESSAGE_ERROR' || seen === FRAME.HEADERS,
      )
    },
  )

  it('answers the end in the middle of a head with H3_REQUEST_INCOMPLETE', async () => {
    await using peer = await connect()
    const grease = peer.openRequest(frame(0x21, Buffer.from('no head follows')))
    await peer.until(() => peer.streams.get(grease)?.resetCode !== undefined, 'the reset')
    expect(peer.streams.get(grease)?.resetCode).toBe(CODE.H3_REQUEST_INCOMPLETE)
    const good = peer.openRequest(requestHeaders('/bytes/5'))
    await peer.until(() => peer.streams.get(good)?.isEnded === true, 'the other answer')
  })

  it('cannot be asked for more streams than it allows', async () => {
    await using peer = await connect()
    await peer.until(() => peer.streams.size > 0, 'its control stream')
    let opened = 0
    while (peer.link.connection.streamsLeft('bidirectional') > 0 && opened < 10_000) {
      peer.openRequest(requestHeaders('/silent'))
      opened++
    }
    expect(opened).toBe(128)
    expect(() => peer.openRequest(requestHeaders())).toThrow('no more')
  })
})
