import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { accessLogFile, metric, openTunnel, raw, startForwardProxy } from '../../support/forward-proxy.ts'
import { startBlackHole, startLoopbackServer } from '../../support/loopback-server.ts'
import { until } from '../../support/until.ts'

describe('a tunnel', () => {
  it('ends each side by itself, and holds back who sends faster than the other side reads', async () => {
    const received: number[] = []
    let source: Socket | undefined
    await using server = await startLoopbackServer({
      onConnection: socket => {
        socket.allowHalfOpen = true
        socket.on('data', chunk => received.push(chunk.length))
        socket.on('end', () => {
          source = socket
          const piece = Buffer.alloc(65_536, 1)
          const more = (): void => {
            while (socket.write(piece) && !socket.destroyed);
          }
          socket.on('drain', more)
          more()
        })
      },
    })
    await using proxy = await startForwardProxy({ allow: [`127.0.0.1:${server.port}`] })
    const socket = await openTunnel(proxy.port, `127.0.0.1:${server.port}`)
    socket.pause()
    socket.end('all of it')
    await until(() => source !== undefined, 'the end at the server')
    expect(received.reduce((sum, bytes) => sum + bytes, 0)).toBe('all of it'.length)
    // Nobody reads: what is under way lies in buffers, and no more comes.
    let before = -1
    await until(() => {
      const isStill = source?.bytesWritten === before && before > 0
      before = source?.bytesWritten ?? 0
      return isStill
    }, 'back-pressure')
    expect(before).toBeLessThan(64 * 1_048_576)
    socket.destroy()
    await until(() => source?.destroyed === true, 'the end of the server side')
  })

  it('is ended when nothing goes through for long, and says so in the access log', async () => {
    await using server = await startLoopbackServer()
    const log = accessLogFile()
    await using proxy = await startForwardProxy(
      { allow: [`127.0.0.1:${server.port}`], tunnelIdleTimeout: 200 },
      { accessLog: { format: '$status $requestBytes $error', to: log.file } },
    )
    const socket = await openTunnel(proxy.port, `127.0.0.1:${server.port}`)
    const startedAt = performance.now()
    socket.write('a')
    await once(socket, 'close')
    expect(performance.now() - startedAt).toBeGreaterThan(180)
    await until(() => server.open() === 0, 'the end at the server')
    await expect.poll(log.read).toBe('200 1 MM_TUNNEL_IDLE\n')
    expect(await metric(proxy, 'middlemile_tunnels_total', { outcome: 'idle' })).toBe(1)
  })

  it('waits for a place no longer than there is none', async () => {
    await using server = await startLoopbackServer()
    await using proxy = await startForwardProxy({ allow: [`127.0.0.1:${server.port}`], maxTunnels: 1 })
    const target = `127.0.0.1:${server.port}`
    const first = await openTunnel(proxy.port, target)
    const answer = await raw(proxy.port, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 503 .*MM_TUNNEL_LIMIT/s)
    first.destroy()
    await expect.poll(() => metric(proxy, 'middlemile_tunnels')).toBe(0)
    ;(await openTunnel(proxy.port, target)).destroy()
  })

  it('says what became of a connect that failed', async () => {
    await using proxy = await startForwardProxy({ allow: ['127.0.0.1:1'] })
    const answer = await raw(proxy.port, 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n')
    expect(answer).toMatch(/^HTTP\/1\.1 502 .*MM_CONNECT_REFUSED/s)
    expect(await metric(proxy, 'middlemile_tunnels_total', { outcome: 'failed' })).toBe(1)
  })

  it('is given up with its client while it connects', async () => {
    await using hole = await startBlackHole('127.0.0.1')
    const log = accessLogFile()
    await using proxy = await startForwardProxy(
      { allow: [`127.0.0.1:${hole.port}`] },
      { accessLog: { format: '$status $error', to: log.file } },
    )
    const target = `127.0.0.1:${hole.port}`
    const socket = connect(proxy.port, '127.0.0.1')
    socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`)
    await expect.poll(() => metric(proxy, 'middlemile_tunnels')).toBe(1)
    socket.destroy()
    await expect.poll(() => metric(proxy, 'middlemile_tunnels')).toBe(0)
    await expect.poll(log.read).toBe('499 MM_CLIENT_GONE\n')
  })

  it('has the grace of a drain, and is cut when that is over', async () => {
    await using server = await startLoopbackServer({ onConnection: socket => void socket.pipe(socket) })
    await using proxy = await startForwardProxy(
      { allow: [`127.0.0.1:${server.port}`] },
      { shutdown: { drainTimeout: 400 } },
    )
    const socket = await openTunnel(proxy.port, `127.0.0.1:${server.port}`)
    const drained = proxy.service.drain()
    await new Promise(resolve => setTimeout(resolve, 100))
    socket.write('still here')
    expect(String((await once(socket, 'data'))[0])).toBe('still here')
    await Promise.all([drained, once(socket, 'close')])
    await until(() => server.open() === 0, 'the end at the server')
  })
})
