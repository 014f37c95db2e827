import type { Client } from '@grpc/grpc-js'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { bodyOf } from '../../support/body-files.ts'
import {
  callClientStream,
  callServerStream,
  callUnary,
  type GrpcEchoServer,
  grpcClient,
  grpcStatus,
  openBidi,
  readAll,
  startGrpcEchoServer,
} from '../../support/grpc-service.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

/**
 * grpc-js as the client through the ingress, and as the server behind it: trailers, streams that both sides
 * use at once, and resets that must arrive are what gRPC wants of an HTTP/2 proxy.
 */
describe.each(['h2c', 'TLS'] as const)('gRPC through the connector over %s', security => {
  let server: GrpcEchoServer
  let connector: TestConnector
  let client: Client
  let ca: string
  beforeAll(async () => {
    const authority = await createCertificateAuthority()
    ca = authority.cert
    const { cert, key } = await authority.issue({ names: ['localhost'] })
    const tls = { cert, key }
    const isTls = security === 'TLS'
    server = await startGrpcEchoServer(isTls ? { tls } : {})
    connector = await startConnector({
      listen: [isTls ? { address: '127.0.0.1:0', tls } : { address: '127.0.0.1:0' }],
      origins: {
        grpc: isTls
          ? { url: `https://localhost:${server.port}`, tls: { ca }, protocols: ['h2'] }
          : { url: `http://127.0.0.1:${server.port}`, protocols: ['h2'] },
      },
      log: { level: 'warn' },
    })
    client = newClient()
  })
  afterAll(async () => {
    client?.close()
    await connector?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
  })
  // One connection upstream carries everything here, and nothing is left open on it.
  afterEach(async () => {
    await expect.poll(async () => (await connector.pool('grpc')).streams).toBe(0)
    const { opened, requests } = await connector.pool('grpc')
    if (requests > 0) expect(opened.full + opened.resumed + opened.cleartext).toBe(1)
  })

  const newClient = (channel: Record<string, number> = {}): Client =>
    grpcClient(connector.port, { ...(security === 'TLS' && { ca }), channel })

  it('makes unary calls, with metadata before and behind the answer', async () => {
    const outcome = await callUnary(client, Buffer.from('hello'), { metadata: { 'x-asked': 'yes' } })
    expect(outcome).toMatchObject({ code: grpcStatus.OK, messages: [Buffer.from('hello')] })
    expect(server.lastMetadata.get('x-asked')).toEqual(['yes'])
    expect(outcome.initial?.get('x-initial')).toEqual(['from the server'])
    expect(outcome.trailing.get('x-trailing')).toEqual(['from the end'])
    expect(outcome.trailing.get('x-trailing-bin')).toEqual([Buffer.from([0, 255, 10, 13])])
  })

  it('reads a stream of 1000 answers in order', async () => {
    const { code, messages } = await readAll(callServerStream(client, 1000))
    expect(code).toBe(grpcStatus.OK)
    expect(messages.map(String)).toEqual(Array.from({ length: 1000 }, (_, index) => `message ${index}`))
  })

  it('sends a stream of requests', async () => {
    const messages = Array.from({ length: 200 }, (_, index) => Buffer.alloc(index))
    expect(await callClientStream(client, messages)).toBe('200 messages, 19900 bytes')
  })

  it('talks in both directions, each message answered before the next is sent', async () => {
    const call = openBidi(client)
    const outcome = readAll(call)
    let answered = 0
    call.on('data', () => {
      answered++
    })
    for (let round = 1; round <= 20; round++) {
      call.write(Buffer.from(`round ${round}`))
      await until(() => answered === round, `the answer to round ${round}`)
    }
    call.end()
    expect(await outcome).toMatchObject({ code: grpcStatus.OK, messages: { length: 20 } })
  })

  it.each([
    ['NOT_FOUND', grpcStatus.NOT_FOUND, 'nothing here'],
    ['INTERNAL', grpcStatus.INTERNAL, 'äöü % \u2713'],
    ['UNAUTHENTICATED', grpcStatus.UNAUTHENTICATED, ''],
  ] as const)('passes errors on that come as trailers only: %s', async (name, code, details) => {
    const metadata = { 'x-fail': name, 'x-details': encodeURIComponent(details) }
    const outcome = await callUnary(client, Buffer.from('x'), { metadata })
    expect(outcome).toMatchObject({ code, details, messages: [] })
    expect(outcome.trailing.get('x-trailing')).toEqual(['from the end'])
    const streamed = await readAll(callServerStream(client, 3, { metadata }))
    expect(streamed).toMatchObject({ code, messages: [] })
  })

  it('says UNIMPLEMENTED of a method that the server does not have', async () => {
    const code = await new Promise(resolve => {
      client.makeUnaryRequest(
        '/middlemile.test.Echo/Absent',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.alloc(0),
        error => resolve(error?.code),
      )
    })
    expect(code).toBe(grpcStatus.UNIMPLEMENTED)
  })

  it('lets the server see it when the client cancels, before the answer and within it', async () => {
    const before = server.cancelled.length
    const calls = server.started.length
    const hanging = callServerStream(client, 1, { metadata: { 'x-hang': '1' } })
    const hung = readAll(hanging)
    await until(() => server.started.length === calls + 1, 'the call')
    hanging.cancel()
    expect((await hung).code).toBe(grpcStatus.CANCELLED)
    await until(() => server.cancelled.length === before + 1, 'the cancel at the server')

    const answering = callServerStream(client, 1, { metadata: { 'x-start': '1' } })
    const answered = readAll(answering)
    answering.once('data', () => answering.cancel())
    expect(await answered).toMatchObject({ code: grpcStatus.CANCELLED, messages: [Buffer.from('one')] })
    await until(() => server.cancelled.length === before + 2, 'the second cancel at the server')

    const bidi = openBidi(client)
    const ended = readAll(bidi)
    bidi.write(Buffer.from('x'))
    bidi.once('data', () => bidi.cancel())
    expect((await ended).code).toBe(grpcStatus.CANCELLED)
    await until(() => server.cancelled.length === before + 3, 'the third cancel at the server')
  })

  it('holds deadlines: the call ends on both sides', async () => {
    const before = server.cancelled.length
    const startedAt = performance.now()
    const outcome = await callUnary(client, Buffer.from('x'), {
      metadata: { 'x-hang': '1' },
      deadlineMs: 300,
    })
    expect(outcome.code).toBe(grpcStatus.DEADLINE_EXCEEDED)
    expect(performance.now() - startedAt).toBeLessThan(3_000)
    await until(() => server.cancelled.length > before, 'the end of the call at the server')
  })

  it('carries messages of 4 MB in both directions', async () => {
    const message = bodyOf(4 * 1024 * 1024)
    const { code, messages } = await callUnary(client, message)
    expect(code).toBe(grpcStatus.OK)
    expect(messages[0]?.equals(message)).toBe(true)
  })

  it('makes 50 calls of every kind at a time', { timeout: 20_000 }, async () => {
    const calls = Array.from({ length: 50 }, async (_, index): Promise<string> => {
      const message = Buffer.from(`call ${index}`)
      switch (index % 4) {
        case 0:
          return String((await callUnary(client, message)).messages[0])
        case 1:
          return `${(await readAll(callServerStream(client, 100))).messages.length} answers`
        case 2:
          return await callClientStream(client, [message, message])
        default: {
          const call = openBidi(client)
          const outcome = readAll(call)
          for (let i = 0; i < 10; i++) call.write(message)
          call.end()
          return `${(await outcome).messages.length} echoes`
        }
      }
    })
    const expected = Array.from({ length: 50 }, (_, index) =>
      [`call ${index}`, '100 answers', `2 messages, ${2 * `call ${index}`.length} bytes`, '10 echoes'].at(
        index % 4,
      ),
    )
    expect(await Promise.all(calls)).toEqual(expected)
  })

  it('answers keepalive pings, and keeps a call that is silent for long', async () => {
    const pinging = newClient({
      'grpc.keepalive_time_ms': 100,
      'grpc.keepalive_timeout_ms': 1_000,
      'grpc.keepalive_permit_without_calls': 1,
    })
    const call = openBidi(pinging)
    const outcome = readAll(call)
    call.write(Buffer.from('before'))
    await new Promise(resolve => setTimeout(resolve, 2_000))
    call.write(Buffer.from('after'))
    call.end()
    expect(await outcome).toMatchObject({ code: grpcStatus.OK, messages: { length: 2 } })
    pinging.close()
  })
})
