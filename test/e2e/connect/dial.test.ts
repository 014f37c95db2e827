import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { DEFAULT_SOCKET_OPTIONS } from '../../../src/base/options/socket-options.ts'
import { TestDialer } from '../../support/dial-to.ts'
import { startBlackHole, startLoopbackServer } from '../../support/loopback-server.ts'
import { until } from '../../support/until.ts'

/** A port of 127.0.0.1 and ::1 where nobody listens: one that was bound a moment ago. */
async function deadPort(): Promise<number> {
  await using server = await startLoopbackServer()
  return server.port
}

describe('a dial over TCP', () => {
  it('connects and reports how', async () => {
    await using server = await startLoopbackServer()
    const dialer = new TestDialer()
    const result = await dialer.dial(`http://origin.test:${server.port}`)
    expect(result.endpoint).toEqual({ address: '127.0.0.1', family: 4, port: server.port, transport: 'tcp' })
    expect(result).toMatchObject({
      alpnProtocol: 'http/1.1',
      offeredTicket: false,
      handshake: { kind: 'none', earlyData: 'none', tfo: 'off', tlsVersion: undefined },
    })
    const { timings, attempts } = result.handshake
    expect(timings.connectMs).toBeGreaterThan(0)
    expect(timings.tlsMs).toBe(0)
    expect(attempts).toEqual([
      {
        protocol: 'http/1.1',
        endpoint: `127.0.0.1:${server.port}`,
        startedAtMs: 0,
        outcome: 'connected',
        because: 'place 0',
      },
    ])
    result.socket.destroy()
  })

  it('delivers what arrives through the read port, and not as data events', async () => {
    await using server = await startLoopbackServer({ onConnection: socket => socket.write('hello') })
    const { socket, readPort } = await new TestDialer().dial(`http://origin.test:${server.port}`)
    let text = ''
    socket.on('data', () => {
      text += '(data event)'
    })
    readPort.attach({
      onRead(buffer, start, end) {
        text += buffer.toString('latin1', start, end)
        return true
      },
      onFault() {},
    })
    text += readPort.takeEarly()?.toString() ?? ''
    socket.resume()
    await until(() => text === 'hello', 'the bytes')
    socket.destroy()
  })

  it('leaves no listener of its own on the socket, but an error that comes before the next owner does no harm', async () => {
    await using server = await startLoopbackServer()
    const { socket } = await new TestDialer().dial(`http://origin.test:${server.port}`)
    const own = ['connect', 'close', 'secureConnect', 'session', 'data'].map(name =>
      socket.listenerCount(name),
    )
    expect(own).toEqual([0, 0, 0, 0, 0])
    socket.destroy(new Error('nobody listens'))
    await until(() => socket.closed, 'the close')
  })

  it.runIf(process.platform === 'linux')('has keepalive on, with the delay that was asked for', async () => {
    await using server = await startLoopbackServer()
    const { socket } = await new TestDialer().dial(`http://origin.test:${server.port}`)
    const hex = (port: number | undefined) => `:${(port ?? 0).toString(16).toUpperCase().padStart(4, '0')}`
    const rows = readFileSync('/proc/net/tcp', 'latin1')
      .split('\n')
      .map(row => row.trim().split(/\s+/))
    // Both ports: another test's connection may have had the same local one a moment ago, and be in TIME-WAIT
    // still.
    const row = rows.find(
      ([, local, peer]) =>
        local?.endsWith(hex((socket as Socket).localPort)) && peer?.endsWith(hex(server.port)),
    )
    // The sixth column is timer:expiry in hundredths of a second; timer 2 is keepalive
    // (Documentation/networking/proc_net_tcp).
    const [timer, expires] = (row?.[5] ?? '').split(':')
    expect(timer).toBe('02')
    const asked = DEFAULT_SOCKET_OPTIONS.keepAliveDelayMs / 10
    expect(Number.parseInt(expires ?? '', 16)).toBeGreaterThan(asked - 100)
    expect(Number.parseInt(expires ?? '', 16)).toBeLessThanOrEqual(asked)
    socket.destroy()
  })

  it('goes on to the next address at once when one refuses', async () => {
    await using server = await startLoopbackServer()
    const dialer = new TestDialer()
    const began = performance.now()
    const { socket, endpoint } = await dialer.dial(`http://origin.test:${server.port}`, {
      addresses: ['::1', '127.0.0.1'],
      timeouts: { attemptDelayMs: 15_000 },
    })
    expect(performance.now() - began).toBeLessThan(14_000)
    expect(endpoint.address).toBe('127.0.0.1')
    expect(dialer.outcomes()).toEqual([`[::1]:${server.port} failed`, `127.0.0.1:${server.port} connected`])
    expect(dialer.attempts[0]?.error).toContain('refused the connection')
    socket.destroy()
  })

  it('starts the next address after the delay when one does not answer', async () => {
    await using server = await startLoopbackServer()
    await using _hole = await startBlackHole('::1', server.port)
    const dialer = new TestDialer()
    const { socket, endpoint, handshake } = await dialer.dial(`http://origin.test:${server.port}`, {
      addresses: ['::1', '127.0.0.1'],
      timeouts: { attemptDelayMs: 100 },
    })
    expect(endpoint.address).toBe('127.0.0.1')
    expect(dialer.outcomes()).toEqual([
      `[::1]:${server.port} cancelled`,
      `127.0.0.1:${server.port} connected`,
    ])
    expect(dialer.attempts[1]?.startedAtMs).toBeGreaterThanOrEqual(99)
    expect(handshake.timings.connectMs).toBeGreaterThanOrEqual(99)
    expect(server.accepted()).toBe(1)
    socket.destroy()
  })

  it('gives up on an address that does not answer', async () => {
    await using hole = await startBlackHole('127.0.0.1')
    const error = await new TestDialer().failure(`http://origin.test:${hole.port}`, {
      timeouts: { connectMs: 150 },
    })
    expect(error).toMatchObject({ code: 'MM_CONNECT_TIMEOUT', processed: 'no', retryable: true })
    expect(error.message).toContain(`127.0.0.1:${hole.port} did not answer within 150 ms`)
  })

  it('fails with every address and its reason', async () => {
    const port = await deadPort()
    const dialer = new TestDialer()
    const error = await dialer.failure(`http://origin.test:${port}`, { addresses: ['::1', '127.0.0.1'] })
    expect(error.code).toBe('MM_CONNECT_REFUSED')
    expect(error.message).toBe(
      `cannot connect to http://origin.test:${port}: [::1]:${port} refused the connection (ECONNREFUSED); ` +
        `127.0.0.1:${port} refused the connection (ECONNREFUSED)`,
    )
    expect(error.cause).toBeInstanceOf(AggregateError)
    expect(dialer.outcomes()).toEqual([`[::1]:${port} failed`, `127.0.0.1:${port} failed`])
  })

  it('refuses to dial what is no address', async () => {
    const error = await new TestDialer().failure('http://origin.test', { addresses: ['origin.test'] })
    expect(error.code).toBe('MM_INVALID_ARGUMENT')
  })

  it('fails when there is no address', async () => {
    const error = await new TestDialer().failure('http://origin.test', { addresses: [] })
    expect(error).toMatchObject({ code: 'MM_CONNECT_FAILED' })
  })
})
