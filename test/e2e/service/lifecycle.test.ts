import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, startSlowOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import {
  type ConnectorProcess,
  serveOptions,
  startConnectorProcess,
} from '../../support/connector-process.ts'
import { curl } from '../../support/curl.ts'
import { rawClient } from '../../support/raw-client.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { type CliResult, runCli } from '../../support/spawn-cli.ts'
import { readPool } from '../../support/start-connector.ts'
import { accepts, freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const noCurl = requireBinary('curl')

let directory: TemporaryDirectory
let quick: TestOrigin
let slow: TestOrigin
let files = 0

beforeAll(async () => {
  directory = makeTemporaryDirectory('lifecycle')
  const authority = await createCertificateAuthority()
  const written = await writeCertificateFiles(directory.path, authority)
  expect(written.caFile).toBe(join(directory.path, 'ca.pem'))
  const tls = await authority.issue({ names: ['localhost'] })
  quick = await startQuickOrigin({ tls })
  slow = await startSlowOrigin({ tls, delayMs: 700 })
})
afterAll(async () => {
  await Promise.all([quick.close(), slow.close()])
  directory.remove()
})

/** Writes a configuration beside the certificates, which it names without their directory. */
function writeConfig(text: string, file = join(directory.path, `config-${++files}.yaml`)): string {
  writeFileSync(file, text)
  return file
}

function goodConfig(
  routes = 'routes: [{ host: "*", path: /slow, origin: slow }, { host: "*", origin: quick }]',
): string {
  return `
listen: [{ address: 127.0.0.1:0 }]
admin: { address: 127.0.0.1:0 }
shutdown: { drainTimeout: 5s }
defaults: { tls: { ca: ca.pem }, timeouts: { connect: 2s } }
origins:
  quick:
    url: ${quick.url}
    hosts: [quick.test]
  slow: { url: "${slow.url}", hosts: ["*.slow.test"], pool: { maxConnections: 4 } }
${routes}
workers: 1
`
}

async function get(connector: ConnectorProcess, host: string, path = '/') {
  const { status, body } = await curl(['-H', `Host: ${host}`, `${connector.url}${path}`])
  return { status, body: body.toString() }
}

describe.skipIf(noCurl !== undefined)('a configuration file', () => {
  it('routes by host and path to several origins', async () => {
    await using connector = await startConnectorProcess(['-c', writeConfig(goodConfig())])
    const before = slow.requestsSeen()
    for (const [host, path] of [
      ['quick.test', '/'],
      ['quick.test:8080', '/slow'],
      ['QUICK.test', '/slower'],
      ['elsewhere.test', '/slower'],
    ] as const)
      expect(await get(connector, host, path)).toMatchObject({ status: 200 })
    expect(slow.requestsSeen()).toBe(before)
    expect((await get(connector, 'a.slow.test')).status).toBe(200)
    expect((await get(connector, 'elsewhere.test', '/slow/er')).status).toBe(200)
    expect(slow.requestsSeen()).toBe(before + 2)
  })

  it('listens over TLS', async () => {
    const config = goodConfig('').replace(
      '127.0.0.1:0 }]',
      '127.0.0.1:0, tls: { cert: server.pem, key: server.key }, protocols: [http/1.1] }]',
    )
    await using connector = await startConnectorProcess(['-c', writeConfig(config)])
    expect(connector.url).toMatch(/^https:/)
    const answer = await curl([
      '--cacert',
      join(directory.path, 'ca.pem'),
      '-H',
      'Host: quick.test',
      `${connector.url}/x`,
    ])
    expect([answer.exitCode, answer.status]).toEqual([0, 200])
    expect((await curl(['-H', 'Host: quick.test', `${connector.url}/x`])).exitCode).toBe(60) // curl(1): an unknown authority
  })

  it('keeps connections warm from the start', async () => {
    const config = goodConfig().replace('hosts: [quick.test]', 'hosts: [quick.test]\n    pool: { warm: 3 }')
    const before = quick.connectionsSeen()
    await using connector = await startConnectorProcess(['-c', writeConfig(config)])
    await expect.poll(async () => (await readPool(connector.adminUrl, 'quick')).connections.idle).toBe(3)
    expect((await get(connector, 'quick.test')).status).toBe(200)
    expect(quick.connectionsSeen()).toBe(before + 3)
  })
})

describe.skipIf(noCurl !== undefined)('SIGHUP', () => {
  it('changes routes and keeps the connections of the origins that stay', async () => {
    const file = writeConfig(goodConfig())
    await using connector = await startConnectorProcess(['-c', file])
    expect((await get(connector, 'quick.test')).status).toBe(200)
    expect((await get(connector, 'a.slow.test')).status).toBe(200)
    const connections = quick.connectionsSeen()
    const before = slow.requestsSeen()

    // A request that is under way ends on the pool that it began on.
    const running = get(connector, 'a.slow.test', '/running')
    await expect.poll(() => slow.requestsSeen()).toBe(before + 1)
    writeConfig(
      goodConfig('routes: [{ host: new.test, origin: quick }]').replace(
        'maxConnections: 4',
        'maxConnections: 5',
      ),
      file,
    )
    connector.cli.signal('SIGHUP')
    await connector.cli.untilStdout(/configuration reloaded: 2 origins, 3 routes/)
    expect(await running).toEqual({ status: 200, body: '{"method":"GET","path":"/running"}\n' })
    expect((await get(connector, 'new.test')).status).toBe(200)
    expect((await get(connector, 'elsewhere.test')).status).toBe(404)
    expect(quick.connectionsSeen()).toBe(connections)
    // The origin whose options changed has a new pool; the connection of the old one ended with its exchange.
    expect((await get(connector, 'a.slow.test')).status).toBe(200)
    expect(await readPool(connector.adminUrl, 'slow')).toMatchObject({ requests: 1, opened: { resumed: 1 } })
    await expect.poll(() => slow.connectionsOpen()).toBe(1)
  })

  it('keeps the old configuration when the new one is bad, and says why', async () => {
    const file = writeConfig(goodConfig())
    await using connector = await startConnectorProcess(['-c', file])
    expect((await get(connector, 'quick.test')).status).toBe(200)
    const connections = quick.connectionsSeen()
    writeConfig(goodConfig().replace('timeouts: { connect: 2s }', 'timeouts: { conect: 2s }'), file)
    connector.cli.signal('SIGHUP')
    const [line] = await connector.cli.untilStdout(/reload refused.*\n/)
    expect(line).toBe(
      'reload refused, the old configuration stays: 5:46: defaults.timeouts.conect: unknown key; did you mean "connect"?\n',
    )
    const answer = await fetch(`${connector.adminUrl}/reload`, { method: 'POST' })
    expect([answer.status, await answer.json()]).toEqual([
      422,
      {
        reloaded: false,
        error: { code: 'MM_CONFIG_INVALID', message: 'the configuration was not changed' },
        faults: [{ path: 'defaults.timeouts.conect', message: expect.any(String), line: 5, column: 46 }],
      },
    ])
    expect((await get(connector, 'quick.test')).status).toBe(200)
    expect(quick.connectionsSeen()).toBe(connections)
  })

  it('names the changes that need a restart', async () => {
    const file = writeConfig(goodConfig())
    await using connector = await startConnectorProcess(['-c', file])
    writeConfig(goodConfig().replace('admin: { address: 127.0.0.1:0 }', 'admin: off'), file)
    connector.cli.signal('SIGHUP')
    await connector.cli.untilStdout(/admin: the change takes effect at the next start\n/)
    expect((await fetch(`${connector.adminUrl}/readyz`)).status).toBe(200)
  })

  it('reads the certificates that it trusts again, though their file has the same name', async () => {
    const trusted = join(directory.path, 'trusted.pem')
    writeFileSync(trusted, readFileSync(join(directory.path, 'ca.pem')))
    const file = writeConfig(goodConfig().replace('ca: ca.pem', 'ca: trusted.pem'))
    await using connector = await startConnectorProcess(['-c', file])
    expect((await get(connector, 'quick.test')).status).toBe(200)
    writeFileSync(trusted, (await createCertificateAuthority()).cert)
    connector.cli.signal('SIGHUP')
    await connector.cli.untilStdout(/configuration reloaded/)
    // A ticket of the old trust must not open the door (design invariant 3).
    expect(await get(connector, 'quick.test')).toMatchObject({
      status: 502,
      body: expect.stringContaining('MM_TLS_CERTIFICATE'),
    })
  })
})

describe.skipIf(noCurl !== undefined)('SIGTERM', () => {
  it('lets what runs finish, refuses what is new, and exits with 0', async () => {
    await using connector = await startConnectorProcess(
      serveOptions(slow.url, join(directory.path, 'ca.pem')),
    )
    using idle = rawClient(connector.port)
    const before = slow.requestsSeen()
    const running = curl([`${connector.url}/running`])
    await expect.poll(() => slow.requestsSeen()).toBe(before + 1)
    connector.cli.signal('SIGTERM')
    await connector.cli.untilStdout(/draining/)
    await idle.untilClosed()
    expect(await accepts(connector.port)).toBe(false)
    expect(await running).toMatchObject({ exitCode: 0, status: 200 })
    const { exitCode, stdout, stderr } = await connector.cli.exited
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/drained\n.*closed\n$/)
  })

  it('cuts what does not end within shutdown.drainTimeout', async () => {
    const config = goodConfig().replace('drainTimeout: 5s', 'drainTimeout: 200ms')
    await using connector = await startConnectorProcess(['-c', writeConfig(config)])
    const before = slow.requestsSeen()
    const running = curl(['-H', 'Host: a.slow.test', `${connector.url}/silent`])
    await expect.poll(() => slow.requestsSeen()).toBe(before + 1)
    connector.cli.signal('SIGINT')
    expect((await connector.cli.exited).exitCode).toBe(0)
    expect([52, 56]).toContain((await running).exitCode) // curl(1): an empty reply, or a reset
  })

  it('cuts an open WebSocket then, too', async () => {
    const config = goodConfig().replace('drainTimeout: 5s', 'drainTimeout: 2s')
    await using connector = await startConnectorProcess(['-c', writeConfig(config)])
    using client = rawClient(connector.port)
    client.send('GET / HTTP/1.1\r\nHost: quick.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
    await client.until(/ 101 [^]*\r\n\r\n/)
    client.send('still here')
    await client.until(/still here$/)
    connector.cli.signal('SIGTERM')
    await connector.cli.untilStdout(/draining/)
    client.send(', and now')
    await client.until(/still here, and now$/)
    await client.untilClosed()
    expect(await connector.cli.exited).toMatchObject({
      exitCode: 0,
      stdout: expect.stringContaining('drain timeout'),
    })
  })

  it('exits at once when it comes twice', async () => {
    await using connector = await startConnectorProcess(
      serveOptions(slow.url, join(directory.path, 'ca.pem')),
    )
    const before = slow.requestsSeen()
    const running = curl([`${connector.url}/silent`])
    await expect.poll(() => slow.requestsSeen()).toBe(before + 1)
    connector.cli.signal('SIGTERM')
    await connector.cli.untilStdout(/draining/)
    const startedAt = performance.now()
    connector.cli.signal('SIGTERM')
    expect((await connector.cli.exited).exitCode).toBe(1)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
    expect((await running).status).toBe(0)
  })

  it('exits with 0 when nothing was under way, and leaves no port', async () => {
    await using connector = await startConnectorProcess(
      serveOptions(quick.url, join(directory.path, 'ca.pem')),
    )
    expect((await curl([`${connector.url}/`])).status).toBe(200)
    connector.cli.signal('SIGTERM')
    expect((await connector.cli.exited).exitCode).toBe(0)
    expect(await accepts(connector.port)).toBe(false)
  })
})

describe('serve --check', () => {
  const check = (text: string): Promise<CliResult> => runCli(['serve', '--check', '-c', writeConfig(text)])

  it('says that a good file is good, and exits with 0', async () => {
    const { exitCode, stdout, stderr } = await check(goodConfig())
    expect([exitCode, stderr]).toEqual([0, ''])
    expect(stdout).toMatch(/config-\d+\.yaml: good, 2 origins, 4 routes\n$/)
  })

  it('lists every fault with its line and path, and exits with 2', async () => {
    const { exitCode, stdout, stderr } = await check(`listen: [{ adress: 127.0.0.1:80 }]
defaults:
  timeouts:
    headers: 5 parsecs
origins:
  shop:
    url: ftp://shop.example
    pool: { warm: -1, maxConection: 8 }
  other: { url: "https://other.example", tls: { ca: absent.pem } }
routes:
  - { host: shop.example, origin: shopp }
  - { host: "shop.example:80", origin: shop }
`)
    expect([exitCode, stdout]).toEqual([2, ''])
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map(line => line.replace(/^.*config-\d+\.yaml:/, ''))
    expect(lines).toEqual([
      expect.stringMatching(/^1:\d+: listen\[0\]\.address: missing/),
      expect.stringMatching(/^1:\d+: listen\[0\]\.adress: unknown key; did you mean "address"\?$/),
      expect.stringMatching(/^4:14: defaults\.timeouts\.headers: must be .*duration.*, not "5 parsecs"$/),
      expect.stringMatching(
        /^7:10: origins\.shop\.url: must be an http or https URL, not "ftp:\/\/shop\.example"$/,
      ),
      expect.stringMatching(/^8:19: origins\.shop\.pool\.warm: must be at least 0, not -1$/),
      expect.stringMatching(
        /^8:23: origins\.shop\.pool\.maxConection: unknown key; did you mean "maxConnections"\?$/,
      ),
      expect.stringMatching(/^9:\d+: origins\.other\.tls\.ca\[0\]: cannot read .*absent\.pem: no such file$/),
      expect.stringMatching(
        /^11:\d+: routes\[0\]\.origin: no origin is called "shopp"; did you mean shop\?$/,
      ),
      expect.stringMatching(/^12:\d+: routes\[1\]\.host: must be a host name/),
    ])
  })

  it('finds what is no YAML, and a file that is not there', async () => {
    expect(await check('listen: [')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/\.yaml:1:\d+: /),
    })
    expect(await runCli(['serve', '--check', '-c', '/absent.yaml'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringMatching(/^\/absent\.yaml: cannot read the configuration: ENOENT/),
    })
  })
})

describe('a connector that cannot start', () => {
  it('exits with 3 and names the address when its port is in use', async () => {
    const holder = createServer()
    const port = await freePort()
    await new Promise<void>(resolve => holder.listen(port, '127.0.0.1', resolve))
    const options = ['--origin', quick.url, '--admin', 'off', '--listen', `127.0.0.1:${port}`]
    const { exitCode, stdout, stderr } = await runCli(['serve', ...options])
    expect([exitCode, stderr]).toEqual([
      3,
      `middlemile serve: cannot open a listener on 127.0.0.1:${port}: the address is in use\n`,
    ])
    expect(stdout).not.toContain('listening')
    const admin = ['--origin', quick.url, '--admin', `127.0.0.1:${port}`, '--listen', '127.0.0.1:0']
    expect(await runCli(['serve', ...admin])).toMatchObject({
      exitCode: 3,
      stderr: `middlemile serve: cannot open the admin server on 127.0.0.1:${port}: the address is in use\n`,
    })
    holder.close()
  })

  it('exits with 2 when its configuration is bad', async () => {
    const { exitCode, stderr } = await runCli([
      'serve',
      '-c',
      writeConfig(goodConfig().replace('listen', 'lisen')),
    ])
    expect(exitCode).toBe(2)
    expect(stderr).toMatch(/config-\d+\.yaml:2:1: lisen: unknown key; did you mean "listen"\?/)
  })
})
