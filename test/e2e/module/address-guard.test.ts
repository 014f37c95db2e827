import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createTransport, TransportError, type TransportOptions } from '../../../src/index.ts'
import { dnsServers } from '../../support/dns-asking.ts'
import { a, WIRE_TYPES, wireReply } from '../../support/dns-wire.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'

const { serve, end } = dnsServers()
afterEach(end)

async function startOrigin() {
  let requests = 0
  const server = createServer((_request, response) => {
    requests += 1
    response.end('secret')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    requests: () => requests,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function codeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => 'fulfilled',
    (error: unknown) => (error instanceof TransportError ? error.code : error),
  )
}

describe('a transport with an addressGuard', () => {
  it('connects to nothing on this machine, whatever it is called', async () => {
    await using origin = await startOrigin()
    const dns = await serve(({ query }) => wireReply(query, { answers: [a('inner.test', '127.0.0.1', 60)] }))
    await using transport = createTransport({
      addressGuard: {},
      dnsServers: [dns.address],
      resolve: { 'fixed.test:80': '127.0.0.1' },
    })
    for (const host of ['127.0.0.1', '2130706433', '[::ffff:127.0.0.1]', 'localhost', 'inner.test']) {
      const url = `http://${host}:${origin.port}`
      expect([host, await codeOf(transport.request(url))]).toEqual([host, 'MM_ADDRESS_REFUSED'])
      expect([host, await codeOf(transport.preconnect(url))]).toEqual([host, 'MM_ADDRESS_REFUSED'])
    }
    const target = { host: 'inner.test', port: origin.port }
    expect(await codeOf(transport.connect(target))).toBe('MM_ADDRESS_REFUSED')
    expect(await codeOf(transport.request('http://fixed.test'))).toBe('MM_ADDRESS_REFUSED')
    expect(origin.requests()).toBe(0)
  })

  it('lets listed networks through', async () => {
    await using origin = await startOrigin()
    await using transport = createTransport({ addressGuard: { allowPrivate: ['127.0.0.0/8'] } })
    const response = await transport.request(`http://127.0.0.1:${origin.port}`)
    expect(await response.text()).toBe('secret')
  })

  it('dials the very address that it has looked at, however often the DNS changes its mind', async () => {
    await using origin = await startOrigin()
    let asked = 0
    const dns = await serve(({ query, type }) => {
      if (type !== WIRE_TYPES.A) return wireReply(query, { answers: [] })
      asked += 1
      // TTL 0: each question is answered otherwise, first with what may be dialed.
      return wireReply(query, { answers: [a('rebind.test', asked % 2 === 1 ? '127.0.0.2' : '127.0.0.1', 0)] })
    })
    await using transport = createTransport({
      // 127.0.0.2 plays the public address, where nobody listens.
      addressGuard: { allowPrivate: ['127.0.0.2/32'] },
      dnsServers: [dns.address],
      resolver: { dnsCacheMs: 0 },
      defaults: { retry: { maxRetries: 0 } },
    })
    const url = `http://rebind.test:${origin.port}`
    const codes = []
    for (let i = 0; i < 4; i++) codes.push(await codeOf(transport.request(url)))
    expect(new Set(codes)).toEqual(new Set(['MM_CONNECT_REFUSED', 'MM_ADDRESS_REFUSED']))
    expect(origin.requests()).toBe(0)
  })

  it('goes without egress', () => {
    const options: TransportOptions = { addressGuard: {}, egress: { a: { proxies: ['http://proxy.test'] } } }
    expect(() => createTransport(options)).toThrow('exclude each other')
  })
})

describe('transport.connect()', () => {
  it('carries bytes both ways, and ends each side by itself', async () => {
    const received: string[] = []
    await using server = await startLoopbackServer({
      onConnection: socket => {
        socket.allowHalfOpen = true
        socket.write('hello')
        socket.on('data', chunk => received.push(String(chunk)))
        socket.on('end', () => socket.end(` ${received.join('')}`))
      },
    })
    await using transport = createTransport()
    const { stream, remoteAddress, attempts } = await transport.connect({
      host: 'localhost',
      port: server.port,
    })
    expect(remoteAddress).toBe(`127.0.0.1:${server.port}`)
    expect(attempts.at(-1)).toMatchObject({ outcome: 'connected' })
    stream.end('world')
    let text = ''
    for await (const chunk of stream) text += String(chunk)
    expect(text).toBe('hello world')
  })

  it('goes on writing when the other side has ended', async () => {
    let received = ''
    await using server = await startLoopbackServer({
      onConnection: socket => {
        socket.allowHalfOpen = true
        socket.end('bye')
        socket.on('data', chunk => {
          received += String(chunk)
        })
      },
    })
    await using transport = createTransport()
    const { stream } = await transport.connect({ host: '127.0.0.1', port: server.port })
    stream.resume()
    await once(stream, 'end')
    stream.write('still ')
    await new Promise(resolve => setTimeout(resolve, 50))
    stream.end('here')
    await once(stream, 'close')
    await expect.poll(() => received).toBe('still here')
  })

  it('says what is wrong, and connects to nothing', async () => {
    const transport = createTransport()
    const far = AbortSignal.abort(new Error('no more'))
    expect(await codeOf(transport.connect({ host: 'a b', port: 1 }))).toBe('MM_INVALID_ARGUMENT')
    expect(await codeOf(transport.connect({ host: 'a.test', port: 0 }))).toBe('MM_INVALID_ARGUMENT')
    await expect(transport.connect({ host: '127.0.0.1', port: 9 }, { signal: far })).rejects.toThrow(
      'no more',
    )
    const { port } = await closedPort()
    expect(await codeOf(transport.connect({ host: '127.0.0.1', port }))).toBe('MM_CONNECT_REFUSED')
    await transport.close()
    expect(await codeOf(transport.connect({ host: '127.0.0.1', port }))).toBe('MM_TRANSPORT_CLOSED')
  })
})

/** A port that nobody listens on any more. */
async function closedPort(): Promise<{ port: number }> {
  const server = await startLoopbackServer()
  const { port } = server
  const probe = connect(port, '127.0.0.1')
  await once(probe, 'connect')
  probe.destroy()
  await server[Symbol.asyncDispose]()
  return { port }
}
