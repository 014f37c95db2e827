import type { Socket } from 'node:net'
import { PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { ProxiedClients } from '../../../src/ingress/proxied-clients.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'

const HEADER = 'PROXY TCP4 192.0.2.7 198.51.100.1 1234 443\r\n'

function setUp(isTrusted = true) {
  const clock = new FakeClock()
  const clients: [Socket, string][] = []
  const refusals: string[] = []
  const proxied = new ProxiedClients({
    isTrusted: () => isTrusted,
    clock,
    timeoutMs: 5_000,
    onClient: (socket, rest) => clients.push([socket, rest.toString('latin1')]),
    onRefused: (_socket, because) => refusals.push(because),
  })
  const connect = (): Socket => {
    const stream = Object.assign(new PassThrough(), { remoteAddress: '10.0.0.1', remotePort: 4_000 })
    const socket = stream as unknown as Socket // as far as it is used
    proxied.receive(socket)
    return socket
  }
  return { clock, clients, refusals, proxied, connect }
}

const turn = (): Promise<void> => new Promise(resolve => setImmediate(resolve))

describe('a connection behind a proxy', () => {
  it('is passed on with the bytes behind the header, and shows the client', async () => {
    const { clients, proxied, connect } = setUp()
    const socket = connect()
    socket.write(HEADER.slice(0, 9))
    await turn()
    expect(clients).toEqual([])
    socket.write(`${HEADER.slice(9)}GET /`)
    await turn()
    expect(clients).toEqual([[socket, 'GET /']])
    proxied.reveal(socket)
    expect([socket.remoteAddress, socket.remotePort]).toEqual(['192.0.2.7', 1234])
  })

  it('shows the client on the TLS above it as well, as long as it lasts', async () => {
    const { proxied, connect } = setUp()
    const socket = connect()
    socket.write(HEADER)
    await turn()
    const above = () => ({ remoteAddress: '10.0.0.1', remotePort: 4_000 }) as Socket // what TLS shows of it
    const first = above()
    proxied.reveal(first)
    expect(first.remoteAddress).toBe('192.0.2.7')
    socket.destroy()
    await turn()
    const later = above()
    proxied.reveal(later)
    expect(later.remoteAddress).toBe('10.0.0.1')
  })

  it('shows the proxy as the client when the proxy speaks for itself', async () => {
    const { clients, proxied, connect } = setUp()
    const socket = connect()
    socket.write('PROXY UNKNOWN\r\n')
    await turn()
    proxied.reveal(socket)
    expect([clients.length, socket.remoteAddress]).toEqual([1, '10.0.0.1'])
  })

  it('ends when it does not begin with a header', async () => {
    const { clients, refusals, connect } = setUp()
    const socket = connect()
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await turn()
    expect([socket.destroyed, clients]).toEqual([true, []])
    expect(refusals).toEqual(['PROXY protocol: the connection does not begin with a header'])
  })

  it('ends when its header does not come in time', async () => {
    const { clock, refusals, connect } = setUp()
    const socket = connect()
    socket.write('PROXY TCP4')
    await turn()
    clock.advance(4_999)
    expect(socket.destroyed).toBe(false)
    clock.advance(1)
    expect([socket.destroyed, refusals]).toEqual([true, ['PROXY protocol: no header came in time']])
  })

  it('ends when the proxy ends it within the header', async () => {
    const { refusals, connect } = setUp()
    const socket = connect()
    socket.end('PROXY TCP4')
    await turn()
    await turn()
    expect([socket.destroyed, refusals]).toEqual([
      true,
      ['PROXY protocol: the connection ended within the header'],
    ])
  })

  it('ends unread when the proxy is not trusted', () => {
    const { refusals, connect } = setUp(false)
    expect(connect().destroyed).toBe(true)
    expect(refusals).toEqual(['PROXY protocol: 10.0.0.1 may not speak for clients'])
  })

  it('ends with a drain as long as no header came', async () => {
    const { proxied, connect } = setUp()
    const [waiting, handedOn] = [connect(), connect()]
    handedOn.write(HEADER)
    await turn()
    proxied.drain()
    expect([waiting.destroyed, handedOn.destroyed]).toEqual([true, false])
  })
})
