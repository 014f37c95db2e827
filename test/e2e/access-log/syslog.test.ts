import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { startConnector } from '../../support/start-connector.ts'

const MESSAGE = /^<190>1 \d{4}-\d\d-\d\dT\S+Z \S+ middlemile \d+ access - GET \/x 200\n?$/

describe('the access log in syslog', () => {
  it('is a datagram for each request over UDP', async () => {
    const server = createSocket('udp4')
    const messages: string[] = []
    server.on('message', message => messages.push(message.toString()))
    server.bind(0, '127.0.0.1')
    await once(server, 'listening')
    const origin = await startQuickOrigin({})
    await using connector = await startConnector({
      accessLog: { to: `syslog:udp://127.0.0.1:${server.address().port}`, format: '$method $target $status' },
      origins: { origin: { url: origin.url } },
    })
    for (let i = 0; i < 3; i++) await (await fetch(`${connector.url}/x`)).arrayBuffer()
    await expect.poll(() => messages.length, { timeout: 10_000 }).toBe(3)
    for (const message of messages) expect(message).toMatch(MESSAGE)
    server.close()
    await origin.close()
  })

  it('goes on over a new TCP connection when the server has closed the last one, and never holds up requests', async () => {
    const sockets: Socket[] = []
    let received = ''
    const server = createServer(socket => {
      sockets.push(socket)
      socket.on('error', () => undefined)
      socket.on('data', chunk => {
        received += chunk.toString()
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo // of TCP
    const origin = await startQuickOrigin({})
    await using connector = await startConnector({
      accessLog: { to: `syslog:tcp://127.0.0.1:${port}`, format: '$method $target $status' },
      origins: { origin: { url: origin.url } },
    })
    const request = async () => (await fetch(`${connector.url}/x`)).status
    expect(await request()).toBe(200)
    await expect.poll(() => received, { timeout: 10_000 }).toMatch(/^\d+ <190>1 .* - GET \/x 200$/)
    const [length = '', ...rest] = received.split(' ')
    expect(rest.join(' ')).toHaveLength(Number(length))
    sockets[0]?.destroy()
    await expect
      .poll(
        async () => {
          expect(await request()).toBe(200)
          return sockets.length
        },
        { timeout: 20_000 },
      )
      .toBe(2)
    await expect.poll(() => received.split('<190>').length, { timeout: 10_000 }).toBeGreaterThan(2)
    for (const socket of sockets) socket.destroy()
    server.close()
    await origin.close()
  })
})
