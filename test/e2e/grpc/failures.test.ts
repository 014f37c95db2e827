import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import {
  callServerStream,
  callUnary,
  grpcClient,
  grpcStatus,
  openBidi,
  readAll,
  startGrpcEchoServer,
} from '../../support/grpc-service.ts'
import { startConnector } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { until } from '../../support/until.ts'

const inFrontOf = (port: number) =>
  startConnector({ origins: { grpc: { url: `http://127.0.0.1:${port}`, protocols: ['h2'] } } })

describe('gRPC through the connector, when the server', () => {
  it('is down, ends calls with UNAVAILABLE, and with OK when it is back', { timeout: 20_000 }, async () => {
    const port = await freePort()
    await using connector = await inFrontOf(port)
    const client = grpcClient(connector.port)
    expect((await callUnary(client, Buffer.from('x'))).code).toBe(grpcStatus.UNAVAILABLE)
    await using server = await startGrpcEchoServer({ port })
    await expect
      .poll(async () => (await callUnary(client, Buffer.from('x'))).code, { timeout: 10_000 })
      .toBe(grpcStatus.OK)
    expect(server.started.length).toBeGreaterThan(0)
    client.close()
  })

  it('dies within a call, fails that call, and the client connection goes on', async () => {
    const port = await freePort()
    const first = await startGrpcEchoServer({ port })
    await using connector = await inFrontOf(port)
    const client = grpcClient(connector.port)
    const streaming = callServerStream(client, 1, { metadata: { 'x-start': '1' } })
    const broken = readAll(streaming)
    const hanging = callUnary(client, Buffer.from('x'), { metadata: { 'x-hang': '1' } })
    await Promise.all([
      new Promise(resolve => streaming.once('data', resolve)),
      until(() => first.started.length === 2, 'both calls'),
    ])
    first.kill()
    const failures: number[] = [grpcStatus.UNAVAILABLE, grpcStatus.INTERNAL, grpcStatus.CANCELLED]
    expect(failures).toContain((await broken).code)
    // Nothing was answered yet: the connector says so with a status of its own.
    expect((await hanging).code).toBe(grpcStatus.UNAVAILABLE)
    await using second = await startGrpcEchoServer({ port })
    await expect
      .poll(async () => (await callUnary(client, Buffer.from('x'))).code, { timeout: 10_000 })
      .toBe(grpcStatus.OK)
    expect(second.started.length).toBeGreaterThan(0)
    client.close()
  })

  it('retires its connections with GOAWAY, fails no call', { timeout: 20_000 }, async () => {
    await using server = await startGrpcEchoServer({
      channel: { 'grpc.max_connection_age_ms': 200, 'grpc.max_connection_age_grace_ms': 5_000 },
    })
    await using connector = await inFrontOf(server.port)
    const client = grpcClient(connector.port)
    const long = openBidi(client)
    const outcome = readAll(long)
    const codes = new Map<number, number>()
    const lane = async (): Promise<void> => {
      for (const end = performance.now() + 2_500; performance.now() < end; ) {
        const { code } = await callUnary(client, Buffer.from('x'))
        codes.set(code, (codes.get(code) ?? 0) + 1)
      }
    }
    long.write(Buffer.from('before'))
    await Promise.all(Array.from({ length: 8 }, lane))
    // It began on the first of them, which waits for it.
    long.write(Buffer.from('after'))
    long.end()
    expect([...codes.keys()]).toEqual([grpcStatus.OK])
    expect(await outcome).toMatchObject({ code: grpcStatus.OK, messages: { length: 2 } })
    const { opened, closed } = await connector.pool('grpc')
    expect(opened.cleartext).toBeGreaterThan(3)
    expect(closed['peer-closed']).toBeGreaterThan(2)
    client.close()
  })

  it('sends PINGs to see whether the connector lives, gets answers', async () => {
    await using server = await startGrpcEchoServer({
      channel: { 'grpc.keepalive_time_ms': 100, 'grpc.keepalive_timeout_ms': 500 },
    })
    await using connector = await inFrontOf(server.port)
    const client = grpcClient(connector.port)
    const call = openBidi(client)
    const outcome = readAll(call)
    call.write(Buffer.from('before'))
    await new Promise(resolve => setTimeout(resolve, 1_500))
    call.write(Buffer.from('after'))
    call.end()
    expect(await outcome).toMatchObject({ code: grpcStatus.OK, messages: { length: 2 } })
    expect((await connector.pool('grpc')).opened.cleartext).toBe(1)
    client.close()
  })
})

describe('what a gRPC server has to see of a call', () => {
  it('is that it may send trailers, what the message is, and the deadline', async () => {
    let seen: IncomingHttpHeaders = {}
    const server = createServer()
    server.on('stream', (stream, headers) => {
      seen = headers
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.end(Buffer.from([0, 0, 0, 0, 0]))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // it listens on TCP
    await using connector = await inFrontOf(port)
    const client = grpcClient(connector.port)
    const outcome = await callUnary(client, Buffer.from('x'), { deadlineMs: 5_000 })
    expect(outcome).toMatchObject({ code: grpcStatus.OK, messages: [Buffer.alloc(0)] })
    expect(seen).toMatchObject({
      ':method': 'POST',
      ':path': '/middlemile.test.Echo/Unary',
      te: 'trailers',
      'content-type': 'application/grpc',
      'grpc-timeout': expect.stringMatching(/^\d+m$/),
    })
    client.close()
    server.close()
  })
})
