import { execFile, execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, readFileSync, renameSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type ConnectorProcess, startConfiguredConnector } from '../../support/connector-process.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { findBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUnreadConnector } from '../../support/unread-connector.ts'
import { readyWorkers, SteadyLoad } from '../../support/worker-service.ts'

const run = promisify(execFile)
let origin: Server
let directory: TemporaryDirectory
let files = 0
const received: IncomingMessage['headers'][] = []

beforeAll(async () => {
  directory = makeTemporaryDirectory('access-log')
  origin = createServer((request, response) => {
    received.push(request.headers)
    if (request.url === '/late') return
    response.statusCode = request.url === '/broken' ? 500 : 200
    request.resume().once('end', () => response.end('hello'))
  })
  origin.on('upgrade', (_request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    socket.pipe(socket)
  })
  await new Promise<void>(resolve => {
    origin.listen(0, '127.0.0.1', resolve)
  })
})
afterAll(() => {
  origin.close()
  origin.closeAllConnections()
  directory.remove()
})

const origins = () => ({
  shop: { url: `http://127.0.0.1:${(origin.address() as AddressInfo).port}`, hosts: ['127.0.0.1'] }, // as: it listens on TCP
})
const newFile = (): string => join(directory.path, `access-${++files}.log`)

/** Not synchronously: the origin is in this process. */
async function curl(...args: string[]): Promise<void> {
  await run(findBinary('curl') ?? '', ['-sS', '-o', '/dev/null', '--max-time', '10', ...args])
}

function linesOf(file: string): string[] {
  return readFileSync(file, 'latin1').split('\n').slice(0, -1)
}

async function untilLines(file: string, count: number): Promise<string[]> {
  await expect.poll(() => linesOf(file).length, { timeout: 10_000 }).toBe(count)
  return linesOf(file)
}

function start(accessLog: object, more: object = {}): Promise<ConnectorProcess> {
  return startConfiguredConnector({ origins: origins(), accessLog, ...more })
}

/** The one process that is started, which passes it on. */
function signal({ cli }: ConnectorProcess, name: NodeJS.Signals): void {
  process.kill(cli.pid, name)
}

describe('the access log in a file', () => {
  it('as JSON names who asked for what, the outcome, and how long it took', async () => {
    const file = newFile()
    await using connector = await start({ to: file })
    await curl('-A', 'té"st', '-e', 'http://a/', '--data', 'body', `${connector.url}/cart?id=1`)
    await curl('-H', 'X-Request-Id: mine', `${connector.url}/`)
    const [first, second] = (await untilLines(file, 2)).map(line => JSON.parse(line))
    expect(first).toMatchObject({
      client: '127.0.0.1',
      method: 'POST',
      scheme: 'http',
      target: '/cart?id=1',
      protocol: 'HTTP/1.1',
      status: 200,
      requestBytes: 4,
      responseBytes: 5,
      agent: Buffer.from('té"st').toString('latin1'),
      referer: 'http://a/',
      origin: 'shop',
      originProtocol: 'http/1.1',
      connection: 1,
      reused: false,
      earlyData: false,
      attempts: 1,
    })
    expect(first).not.toHaveProperty('error')
    expect(first.requestId).toMatch(/^[0-9a-f-]{36}$/)
    expect(received.at(-2)?.['x-request-id']).toBe(first.requestId)
    expect(first.totalMs).toBeGreaterThanOrEqual(first.ttfbMs)
    expect(first.ttfbMs).toBeGreaterThan(0)
    expect(second).toMatchObject({ requestId: 'mine', reused: true, connection: 1, connects: 0 })
    expect(received.at(-1)?.['x-request-id']).toBe('mine')
  })

  it('as combined is what tools for nginx read, and no client writes a line of its own', async () => {
    const file = newFile()
    await using connector = await start({ to: file, format: 'combined' })
    await curl('-A', 'a" 200 1\tb', `${connector.url}/x`)
    expect((await untilLines(file, 1))[0]).toMatch(
      /^127\.0\.0\.1 - - \[\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET \/x HTTP\/1\.1" 200 5 "-" "a\\x22 200 1\\x09b"$/,
    )
  })

  it('has requests that clients gave up, requests without a route, and a tunnel at its end, sampled, or failures alone', async () => {
    const file = newFile()
    await using connector = await start({ to: file, format: '$target $status $error $origin', sample: 0 })
    await curl(`${connector.url}/x`)
    await expect(curl('--max-time', '0.3', `${connector.url}/late`)).rejects.toThrow('timed out')
    await curl('-H', 'Host: nowhere.test', `${connector.url}/y`)
    await curl(`${connector.url}/broken`)
    expect(await untilLines(file, 3)).toEqual([
      '/late 499 MM_CLIENT_GONE shop',
      '/y 404 MM_NO_ROUTE -',
      '/broken 500 - shop',
    ])
  })

  it('has a tunnel when it ends, with the bytes of both directions', async () => {
    const file = newFile()
    await using connector = await start({ to: file, format: '$status $requestBytes $responseBytes $lane' })
    const socket = connect(connector.port, '127.0.0.1')
    socket.write('GET /e HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    await new Promise(resolve => socket.once('data', resolve))
    const echoed = new Promise(resolve => socket.once('data', resolve))
    socket.write('ping')
    await echoed
    expect(linesOf(file)).toEqual([])
    socket.destroy()
    expect((await untilLines(file, 1))[0]).toMatch(/^101 4 4 \S+$/)
  })

  it.for(['off', 2] as const)(
    'goes on in a new one after a rename and SIGUSR1 (workers: %s)',
    async workers => {
      const file = newFile()
      await using connector = await start({ to: file, format: '$status' }, { workers })
      const load = new SteadyLoad(connector.url, { connections: 8, pauseMs: 1 })
      await expect.poll(() => linesOf(file).length).toBeGreaterThan(20)
      renameSync(file, `${file}.1`)
      signal(connector, 'SIGUSR1')
      await connector.cli.untilStdout(/access log: reopened/)
      await expect.poll(() => linesOf(file).length).toBeGreaterThan(20)
      if (workers === 2) {
        const rest = linesOf(`${file}.1`).length
        await expect.poll(() => linesOf(file).length).toBeGreaterThan(rest)
        expect(await readyWorkers(connector)).toHaveLength(2)
      }
      const { answered, failures } = await load.end()
      expect(failures).toEqual([])
      // None is lost, none is there twice, none is mixed with another one.
      await expect.poll(() => linesOf(file).length + linesOf(`${file}.1`).length).toBe(answered)
      expect(new Set([...linesOf(file), ...linesOf(`${file}.1`)])).toEqual(new Set(['200']))
    },
  )

  it('stays in the old one where the new one cannot be opened, and reports that', async () => {
    const folder = makeTemporaryDirectory('moved-log')
    const file = join(folder.path, 'access.log')
    await using connector = await start({ to: file, format: '$status' })
    renameSync(folder.path, `${folder.path}.away`)
    signal(connector, 'SIGUSR1')
    await connector.cli.untilStdout(/access log: it goes on in the old file: ENOENT/)
    await curl(connector.url)
    await untilLines(join(`${folder.path}.away`, 'access.log'), 1)
    renameSync(`${folder.path}.away`, folder.path)
    folder.remove()
  })

  it.for(['off', 2] as const)(
    'that cannot be opened is an error of the start (workers: %s)',
    async workers => {
      await expect(start({ to: join(directory.path, 'none', 'a.log') }, { workers })).rejects.toThrow(
        /accessLog\.to: it cannot be opened: ENOENT/,
      )
    },
  )
})

async function dropped(adminUrl: string): Promise<number> {
  const page = await (await fetch(`${adminUrl}/metrics`)).text()
  return parsePrometheusText(page).sum('middlemile_log_dropped_total', { to: 'access_log' })
}

describe('an access log that nobody takes', () => {
  it('(a stuck pipe) stops neither requests nor the end of the process, and is counted', async () => {
    const path = join(directory.path, 'stuck')
    execFileSync(findBinary('mkfifo') ?? '', [path])
    const readFd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
    const writeFd = openSync(path, constants.O_WRONLY)
    await using connector = await startUnreadConnector({
      config: { origins: origins(), accessLog: { maxQueuedBytes: 10_000 } },
      stdout: writeFd,
    })
    const load = new SteadyLoad(`http://127.0.0.1:${connector.port}`, { connections: 8 })
    await expect.poll(() => dropped(connector.adminUrl), { timeout: 20_000 }).toBeGreaterThan(0)
    const before = load.answered
    await expect.poll(() => load.answered).toBeGreaterThan(before + 100)
    expect((await load.end()).failures).toEqual([])
    process.kill(connector.pid, 'SIGTERM')
    expect(await connector.exited).toBe(0)
    for (const fd of [readFd, writeFd]) closeSync(fd)
  })

  it('(a full disk) stops no requests, and is counted', async () => {
    await using connector = await start({ to: '/dev/full' })
    await curl(connector.url)
    await expect.poll(() => dropped(connector.adminUrl)).toBeGreaterThan(0)
    await curl(connector.url)
  })
})
