import { existsSync, lstatSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createNetServer, type Server } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startService } from '../../../src/service/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { startConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('curl')
const directory = makeTemporaryDirectory('unix')
let origin: { url: string; close(): void }
beforeAll(async () => {
  const server = createServer((request, response) => {
    response.end(JSON.stringify([request.headers['x-forwarded-for'], request.headers['forwarded']]))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  origin = {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`,
    close: () => server.close(),
  }
})
afterAll(() => {
  origin.close()
  directory.remove()
})

let sockets = 0
const newPath = (): string => join(directory.path, `${(sockets += 1)}.sock`)
const origins = () => ({ a: { url: origin.url } })

async function ask(path: string, ...args: string[]): Promise<string> {
  const { output } = await runTool('curl', ['-s', '-S', '-k', '--unix-socket', path, ...args])
  return output
}

async function listenOn(path: string): Promise<Server> {
  const server = createNetServer(socket => socket.destroy())
  await new Promise<void>(resolve => server.listen(path, resolve))
  return server
}

describe.skipIf(missing !== undefined)(`a Unix socket${missing === undefined ? '' : `: ${missing}`}`, () => {
  it('takes requests of HTTP/1.1, HTTP/2 and TLS, whose clients nobody knows', async () => {
    const { cert, key } = await (await createCertificateAuthority()).issue({ names: ['localhost'] })
    const [plain, secure] = [newPath(), newPath()]
    await using connector = await startConnector({
      listen: [
        { unix: plain, mode: '0600' },
        { unix: secure, tls: { cert, key } },
      ],
      ingress: { requestRatePerClient: 1, maxConnectionsPerClient: 1 },
      origins: origins(),
    })
    const expected = '["unknown","for=unknown;host=localhost;proto='
    for (const args of [['--http1.1'], ['--http2-prior-knowledge'], ['--http1.1'], ['--http1.1']])
      expect(await ask(plain, ...args, 'http://localhost/')).toContain(expected)
    for (const args of ['--http1.1', '--http2'])
      expect(await ask(secure, args, 'https://localhost/')).toContain(expected)
    expect([lstatSync(plain).mode & 0o777, lstatSync(secure).mode & 0o777]).toEqual([0o600, 0o660])
    expect(connector.service.addresses).toEqual([
      { host: `unix:${plain}`, port: 0 },
      { host: `unix:${secure}`, port: 0 },
    ])
    expect(connector.log.some(line => line.includes(`listening on http://unix:${plain}`))).toBe(true)
    await connector.service.close()
    expect([existsSync(plain), existsSync(secure)]).toEqual([false, false])
  })

  it('believes what a proxy says of its clients, where unix: is trusted', async () => {
    const [forwarded, proxied] = [newPath(), newPath()]
    await using _connector = await startConnector({
      listen: [{ unix: forwarded }, { unix: proxied, proxyProtocol: ['unix:'] }],
      forwarding: { trustForwarded: ['unix:'] },
      origins: origins(),
    })
    const given = await ask(forwarded, '-H', 'X-Forwarded-For: 192.0.2.7', 'http://localhost/')
    expect(given).toContain('["192.0.2.7, unknown"')
    // curl names no client there is: what matters is that its header is read.
    expect(await ask(proxied, '--haproxy-protocol', 'http://localhost/')).toMatch(/^\["/)
    expect(await ask(proxied, 'http://localhost/')).toMatch(/^curl: /)
  })

  it('takes the place of what nobody listens on, and of nothing else', async () => {
    const [stale, taken, file] = [newPath(), newPath(), newPath()]
    const left = await startConfiguredConnector({
      listen: [{ address: '127.0.0.1:0' }, { unix: stale }],
      origins: origins(),
    })
    process.kill(left.cli.pid, 'SIGKILL')
    await left[Symbol.asyncDispose]()
    expect(existsSync(stale)).toBe(true)
    const other = await listenOn(taken)
    writeFileSync(file, 'mine')
    const start = (unix: string) =>
      startService({ listen: [{ unix }], admin: 'off', origins: origins() }, { logTo: { write() {} } })
    await expect(start(taken)).rejects.toMatchObject({
      code: 'MM_LISTEN_FAILED',
      message: expect.stringContaining('the address is in use'),
    })
    await expect(start(file)).rejects.toMatchObject({
      code: 'MM_LISTEN_FAILED',
      message: expect.stringContaining('a file that is no socket is there'),
    })
    await using _service = await start(stale)
    expect(await ask(stale, 'http://localhost/')).toContain('unknown')
    expect([existsSync(taken), existsSync(file)]).toEqual([true, true])
    other.close()
  })

  it('is that of all workers, goes over to a new program, and is removed with the last', {
    timeout: 150_000,
  }, async () => {
    const path = newPath()
    await using connector = await startConfiguredConnector({
      workers: 2,
      listen: [{ address: '127.0.0.1:0' }, { unix: path, mode: '0666' }],
      shutdown: { drainTimeout: '10s' },
      origins: origins(),
    })
    expect(lstatSync(path).mode & 0o777).toBe(0o666)
    const requests = async (count: number): Promise<void> => {
      const answers = await Promise.all(Array.from({ length: count }, () => ask(path, 'http://localhost/')))
      for (const answer of answers) expect(answer).toContain('unknown')
    }
    await requests(4)
    const { ino } = lstatSync(path)
    const answer = await fetch(`${connector.adminUrl}/upgrade`, { method: 'POST' })
    const { pid } = (await answer.json()) as { pid: number } // the page is ours
    try {
      await requests(4)
      await expect.poll(() => isAlive(connector.cli.pid), { timeout: 40_000 }).toBe(false)
      expect(lstatSync(path).ino).toBe(ino)
      await requests(4)
    } finally {
      process.kill(pid, 'SIGTERM')
    }
    await expect.poll(() => isAlive(pid), { timeout: 40_000 }).toBe(false)
    expect(existsSync(path)).toBe(false)
  })

  it('has the admin server, which believes whoever may open it', async () => {
    const path = newPath()
    await using connector = await startConnector({ admin: { unix: path, mode: '0600' }, origins: origins() })
    expect(connector.service.adminAddress).toEqual({ host: `unix:${path}`, port: 0 })
    expect(lstatSync(path).mode & 0o777).toBe(0o600)
    expect(await ask(path, 'http://any.example/readyz')).toContain('ready')
    expect(await ask(path, 'http://any.example/pools')).toContain('"pools"')
    // A browser does not come this way; who passes its requests on shows them for what they are.
    const foreign = ['-X', 'POST', '-H', 'Origin: http://other.example', 'http://localhost/drain']
    expect(await ask(path, ...foreign)).toBe('not from another site\n')
    await connector.service.close()
    expect(existsSync(path)).toBe(false)
  })

  it('has the admin server of workers, whom the next program takes it over from', {
    timeout: 150_000,
  }, async () => {
    const path = newPath()
    await using connector = await startConfiguredConnector({
      workers: 1,
      admin: { unix: path },
      shutdown: { drainTimeout: '10s' },
      origins: origins(),
    })
    const { ino, mode } = lstatSync(path)
    expect(mode & 0o777).toBe(0o660)
    const upgraded = await runCli(['upgrade', '-c', connector.file])
    expect(upgraded.stdout).toMatch(/^process \d+ has taken over\n$/)
    const pid = Number(/\d+/.exec(upgraded.stdout)?.[0])
    try {
      await expect.poll(() => isAlive(connector.cli.pid), { timeout: 40_000 }).toBe(false)
      expect(lstatSync(path).ino).toBe(ino)
      expect(await ask(path, 'http://localhost/readyz')).toContain('ready')
    } finally {
      process.kill(pid, 'SIGTERM')
    }
    await expect.poll(() => isAlive(pid), { timeout: 40_000 }).toBe(false)
    expect(existsSync(path)).toBe(false)
    expect((await runCli(['upgrade', '--admin', `unix:${path}`])).stderr).toContain('does not answer')
  })
})

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}
