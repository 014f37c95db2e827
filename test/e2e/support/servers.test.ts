import { spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { connect as tlsConnect } from 'node:tls'
import { afterEach, describe, expect, it } from 'vitest'
import { bodyOf, HUGE_BODY_BYTES } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { curl } from '../../support/curl.ts'
import { startHaproxy } from '../../support/haproxy.ts'
import { parseReflection, startNginx } from '../../support/nginx.ts'
import { isRunning, type ProcessStat, readProcessStat } from '../../support/process-tree.ts'
import { deathSignalPrefix, type RealServer, startRealServer } from '../../support/real-server.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { accepts, freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { runWrk, wrkFailures } from '../../support/wrk.ts'

let cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  const work = cleanups
  cleanups = []
  for (const cleanup of work.reverse()) await cleanup()
})

function stopAfterwards<T extends AsyncDisposable>(server: T): T {
  cleanups.push(async () => server[Symbol.asyncDispose]())
  return server
}

/** Stops the server and says which of its processes are left. */
async function leftAfterStop(server: RealServer, stop: () => Promise<void>): Promise<ProcessStat[]> {
  const processes = server.processes()
  expect(processes.length).toBeGreaterThan(0)
  await stop()
  return processes.filter(isRunning)
}

describe('nginx as an origin', () => {
  it('answers over verified TLS 1.3 and TLS 1.2, and in cleartext', async ctx => {
    const missing = requireBinary('nginx', 'curl')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx())
    const trust = ['--cacert', nginx.certificates.caFile]

    const body = await curl([...trust, `${nginx.url}/100k`])
    expect(body).toMatchObject({ exitCode: 0, status: 200, httpVersion: '1.1' })
    expect(body.body.equals(bodyOf(102_400))).toBe(true)

    for (const version of ['1.2', '1.3']) {
      const { body } = await curl([...trust, `--tls-max`, version, `${nginx.url}/reflect`])
      expect(parseReflection(body.toString())).toMatchObject({
        'tls-version': `TLSv${version}`,
        'tls-server-name': 'localhost',
      })
    }
    const plain = await curl([`${nginx.plainUrl}/1k`])
    expect(plain.body.equals(bodyOf(1024))).toBe(true)
  })

  it('is refused by a client that does not know its authority', async ctx => {
    const missing = requireBinary('nginx', 'curl')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx())
    const stranger = await curl([`${nginx.url}/1k`])
    expect(stranger).toMatchObject({ exitCode: 60, status: 0 }) // 60: the peer's certificate cannot be verified
  })

  it('serves chunked bodies, trailers, slow bodies, a sparse gigabyte, and takes uploads', async ctx => {
    const missing = requireBinary('nginx', 'curl')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx({ slowBytesPerSecond: 50_000 }))
    const get = (path: string) => curl([`${nginx.plainUrl}${path}`])

    const chunked = await get('/chunked/100k')
    expect(chunked.headers['transfer-encoding']).toEqual(['chunked'])
    expect(chunked.body.equals(bodyOf(102_400))).toBe(true)

    const trailers = await curl(['--raw', `${nginx.plainUrl}/trailers/1k`])
    expect(trailers.body.toString('latin1')).toContain('0\r\nx-checksum: middlemile\r\n\r\n')

    const slow = await get('/slow/100k')
    expect(slow.bytes).toBe(102_400)
    expect(slow.seconds.total).toBeGreaterThan(0.5)

    const huge = await curl(['--range', `${HUGE_BODY_BYTES - 24}-`, `${nginx.plainUrl}/huge`])
    expect(huge).toMatchObject({ status: 206, bytes: 24 })

    const input = bodyOf(300_000)
    const put = await curl(['-X', 'PUT', '--data-binary', '@-', `${nginx.plainUrl}/upload/a`], { input })
    expect(put.status).toBe(201)
    expect((await get('/upload/a')).body.equals(input)).toBe(true)
    const sink = await curl(['--data-binary', '@-', `${nginx.plainUrl}/sink`], { input })
    expect(sink).toMatchObject({ status: 200, bytes: 3 })
  })

  it('counts connections and requests, and closes after keepaliveRequests', async ctx => {
    const missing = requireBinary('nginx', 'curl')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx({ keepaliveRequests: 5 }))
    expect(await nginx.counters()).toMatchObject({ connections: 0, requests: 0 })
    const url = `${nginx.url}/1k?[1-12]`
    await curl(['--cacert', nginx.certificates.caFile, '-o', '/dev/null', '-w', '', url]).catch(
      () => undefined,
    )
    expect(await nginx.counters()).toMatchObject({ connections: 3, requests: 12 })
  })

  it('reloads with new workers while an old connection ends', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx())
    const socket = tlsConnect({
      port: nginx.tlsPort,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: nginx.certificates.ca,
    })
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    const ended = new Promise(resolve => socket.once('close', resolve))
    const answered = new Promise(resolve => socket.once('data', resolve))
    socket.write('GET /204 HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await answered
    const workers = nginx.server.processes().slice(1)
    await nginx.reload()
    await ended // an idle connection is closed by the worker that goes
    expect(await accepts(nginx.tlsPort)).toBe(true)
    while (workers.some(isRunning)) await new Promise(resolve => setTimeout(resolve, 10))
    const now = new Set(nginx.server.processes().map(process => process.pid))
    expect(workers.some(worker => now.has(worker.pid))).toBe(false)
  })

  it('restarts on the same ports', async ctx => {
    const missing = requireBinary('nginx', 'curl')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx())
    const before = nginx.server.pid
    await nginx.restart()
    expect(nginx.server.pid).not.toBe(before)
    expect((await curl([`${nginx.plainUrl}/1k`])).status).toBe(200)
    expect(await nginx.counters()).toMatchObject({ connections: 1, requests: 1 })
  })

  it('stops with all its workers, its ports and its files', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    const nginx = await startNginx({ workers: 2 })
    expect(nginx.server.processes()).toHaveLength(3)
    expect(await leftAfterStop(nginx.server, nginx.stop)).toEqual([])
    expect(await accepts(nginx.plainPort)).toBe(false)
    expect(existsSync(nginx.directory)).toBe(false)
  })
})

describe('haproxy as an origin', () => {
  it('answers over verified TLS, counts, closes idle connections early, and stops', async ctx => {
    const missing = requireBinary('haproxy', 'curl')
    ctx.skip(missing !== undefined, missing)
    const haproxy = stopAfterwards(await startHaproxy({ keepAliveTimeout: '100ms' }))
    const trust = ['--cacert', haproxy.certificates.caFile]
    const body = await curl([...trust, `${haproxy.url}/1k`])
    expect(body).toMatchObject({ exitCode: 0, status: 200, httpVersion: '1.1' })
    expect(body.body.equals(bodyOf(1024))).toBe(true)

    const reflection = await curl([...trust, '-H', 'x-test: a b', `${haproxy.url}/reflect`])
    expect(parseReflection(reflection.body.toString())).toMatchObject({
      'x-test': 'a b',
      'tls-version': 'TLSv1.3',
      'request-line': 'GET /reflect HTTP/1.1',
    })
    expect((await curl([`${haproxy.plainUrl}/close`])).headers['connection']).toEqual(['close'])
    expect((await curl(['-d', 'hello', `${haproxy.plainUrl}/sink`])).body.toString()).toBe('5')
    expect((await curl([`${haproxy.plainUrl}/nowhere`])).status).toBe(404)
    expect(await haproxy.counters()).toEqual({ connections: 5, requests: 5 })

    const socket = tlsConnect({
      port: haproxy.tlsPort,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: haproxy.certificates.ca,
    })
    const ended = new Promise(resolve => socket.once('close', resolve))
    socket.once('secureConnect', () => socket.write('GET /1k HTTP/1.1\r\nhost: localhost\r\n\r\n')).resume()
    await ended // 100 ms after the response
    expect(socket.bytesRead).toBeGreaterThan(1024)

    expect(await leftAfterStop(haproxy.server, haproxy.stop)).toEqual([])
    expect(await accepts(haproxy.tlsPort)).toBe(false)
  })
})

describe('caddy as an origin', () => {
  it('answers over verified TLS, by name and by address, and stops', async ctx => {
    const missing = requireBinary('caddy', 'curl')
    ctx.skip(missing !== undefined, missing)
    const caddy = stopAfterwards(await startCaddy())
    const trust = ['--cacert', caddy.certificates.caFile]
    const body = await curl([...trust, `${caddy.url}/100k`])
    expect(body).toMatchObject({ exitCode: 0, status: 200, httpVersion: '1.1' })
    expect(body.body.equals(bodyOf(102_400))).toBe(true)
    expect((await curl([...trust, `https://127.0.0.1:${caddy.tlsPort}/hello`])).body.toString()).toBe(
      'hello from caddy\n',
    )
    const reflection = await curl([...trust, '-H', 'x-test: a b', `${caddy.url}/reflect`])
    expect(parseReflection(reflection.body.toString())).toMatchObject({
      'x-test': 'a b',
      'tls-version': 'tls1.3',
      'tls-server-name': 'localhost',
    })
    expect((await curl([`${caddy.plainUrl}/503`])).status).toBe(503)
    expect(await leftAfterStop(caddy.server, caddy.stop)).toEqual([])
    expect(await accepts(caddy.tlsPort)).toBe(false)
  })
})

describe('wrk as a client', () => {
  it('reports requests, latency and bad answers', async ctx => {
    const missing = requireBinary('nginx', 'wrk')
    ctx.skip(missing !== undefined, missing)
    const nginx = stopAfterwards(await startNginx({ keepaliveRequests: 1_000_000 }))
    const good = await runWrk({ url: `${nginx.url}/1k`, connections: 4, seconds: 1 })
    expect(good.requests).toBeGreaterThan(100)
    expect(wrkFailures(good)).toBe(0)
    expect(good.latencyMs.p99).toBeGreaterThanOrEqual(good.latencyMs.p50)
    const { connections, requests } = await nginx.counters()
    expect(connections).toBeLessThanOrEqual(5) // wrk makes one more to look at the address
    expect(requests).toBeGreaterThanOrEqual(good.requests)
    const bad = await runWrk({ url: `${nginx.plainUrl}/absent`, connections: 2, seconds: 1 })
    expect(bad.badStatus).toBe(bad.requests)
  })
})

describe('a server that misbehaves', () => {
  it('fails to start with what it said', async ctx => {
    const missing = requireBinary('haproxy')
    ctx.skip(missing !== undefined, missing)
    const port = await freePort()
    await expect(
      startRealServer({ command: 'haproxy', args: ['-db', '-f', '/nonexistent.cfg'], ports: [port] }),
    ).rejects.toThrow(/haproxy exited[^]*nonexistent\.cfg/)
  })

  it('is killed when it never accepts', async () => {
    const port = await freePort()
    const late = startRealServer({ command: 'sleep', args: ['60'], ports: [port], startTimeoutMs: 200 })
    await expect(late).rejects.toThrow(/did not accept in time/)
  })

  it('is killed when it does not heed the signal to stop', async () => {
    const deaf = ['-e', "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.log('ready')"]
    const server = await startRealServer({
      command: process.execPath,
      args: deaf,
      ports: [],
      stopTimeoutMs: 200,
    })
    while (!server.output().includes('ready')) await new Promise(resolve => setTimeout(resolve, 10))
    expect(await leftAfterStop(server, () => server.stop())).toEqual([])
  })

  it('ends with the process that started it, even when that is killed', async ctx => {
    const missing = requireBinary('setpriv')
    ctx.skip(missing !== undefined, missing)
    using directory = makeTemporaryDirectory('orphan')
    const pidFile = `${directory.path}/pid`
    // The same prefix that startRealServer uses, from a parent that dies without any handler.
    const script = `
      const { spawn } = require('node:child_process')
      const line = ${JSON.stringify([...deathSignalPrefix(), 'sleep', '60'])}
      const child = spawn(line[0], line.slice(1))
      require('node:fs').writeFileSync(${JSON.stringify(pidFile)}, String(child.pid))
      setTimeout(() => process.kill(process.pid, 'SIGKILL'), 200)`
    const parent = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
    await new Promise(resolve => parent.once('exit', resolve))
    const pid = Number(readFileSync(pidFile, 'utf8'))
    const deadline = performance.now() + 2_000
    const alive = (): boolean => !['Z', undefined].includes(readProcessStat(pid)?.state)
    while (alive() && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
    expect(alive()).toBe(false)
  })
})

describe('requireBinary', () => {
  it('says what to install', () => {
    expect(requireBinary('no-such-program')).toBe(
      'skipped: install no-such-program with apt-get install no-such-program',
    )
    expect(requireBinary('sh')).toBeUndefined()
  })
})
