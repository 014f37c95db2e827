import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import {
  serveOptions,
  startConfiguredConnector,
  startConnectorProcess,
} from '../../support/connector-process.ts'
import { curl } from '../../support/curl.ts'
import { lintMetrics, oddLabelValues } from '../../support/metric-lint.ts'
import { parseReflection, startNginx } from '../../support/nginx.ts'
import { type MetricsPage, parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runTool } from '../../support/run-tool.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { readPool } from '../../support/start-connector.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireBinary('nginx', 'curl')

async function metricsText(adminUrl: string): Promise<string> {
  return await (await fetch(`${adminUrl}/metrics`)).text()
}

async function metricsOf(adminUrl: string): Promise<MetricsPage> {
  return parsePrometheusText(await metricsText(adminUrl))
}

describe.skipIf(missing !== undefined)('the metrics of a connector in front of nginx', () => {
  it('count what clients got, so that an alert on 5xx works while the origin is away', async () => {
    await using nginx = await startNginx()
    await using connector = await startConfiguredConnector({ origins: { shop: { url: nginx.plainUrl } } })
    for (const path of ['/1k', '/503', '/absent']) await curl([`${connector.url}${path}`])
    await nginx.server.stop()
    for (let i = 0; i < 3; i++) expect((await curl([`${connector.url}/1k`])).status).toBe(502)
    // A request that never reaches a route counts as well.
    await curl([
      '-H',
      'Bad Name: x',
      '-H',
      'Content-Length: 1',
      '-H',
      'Content-Length: 2',
      `${connector.url}/1k`,
    ])
    const page = await metricsOf(connector.adminUrl)
    const requests = (labels: Record<string, string>) => page.sum('middlemile_requests_total', labels)
    expect(requests({ origin: 'shop', status_class: '2xx' })).toBe(1)
    expect(requests({ origin: 'shop', protocol: 'http/1.1', status_class: '5xx' })).toBe(1)
    expect(requests({ origin: 'shop', protocol: 'none', status_class: '5xx' })).toBe(3)
    expect(requests({ origin: 'shop', status_class: '4xx' })).toBe(1)
    expect(requests({ origin: 'none', status_class: '4xx' })).toBe(1)
    expect(requests({ origin: 'shop' })).toBe(6)
    const responses = { origin: 'shop', protocol: 'http/1.1' }
    expect(page.sum('middlemile_client_responses_total', { ...responses, status: '502' })).toBe(3)
    expect(page.sum('middlemile_client_responses_total', { ...responses, status: '404' })).toBe(1)
    expect(page.sum('middlemile_client_duration_seconds_count', responses)).toBe(6)
    expect(page.sum('middlemile_backing_off', { origin: 'shop' })).toBe(1)
  })

  it('have bytes of both directions, the build, and when the origin’s certificate expires', async () => {
    await using nginx = await startNginx()
    await using connector = await startConnectorProcess(serveOptions(nginx.url, nginx.certificates.caFile))
    await curl([`${connector.url}/10m`], { discardBody: true })
    await curl(['-T', '-', `${connector.url}/upload/a`], { input: Buffer.alloc(50_000) })
    const page = await metricsOf(connector.adminUrl)
    const origin = { origin: 'origin', protocol: 'http/1.1' }
    expect(page.sum('middlemile_response_body_bytes_total', origin)).toBeGreaterThanOrEqual(10_000_000)
    expect(page.sum('middlemile_request_body_bytes_total', origin)).toBe(50_000)
    expect(page.sum('middlemile_build_info', { node: process.versions.node })).toBe(1)
    expect(page.sum('middlemile_backing_off', { origin: 'origin' })).toBe(0)
    const expires = page.sum('middlemile_certificate_expiry_timestamp_seconds', {
      of: 'origin',
      name: 'origin',
    })
    expect(Math.abs(expires - Date.now() / 1000 - 30 * 86_400)).toBeLessThan(86_400)
  })

  it('are clean for promtool, with label values in one style', async ctx => {
    const noPromtool = requireBinary('promtool')
    await using nginx = await startNginx({ http2: true })
    await using connector = await startConfiguredConnector({
      origins: { shop: { url: nginx.url, tls: { ca: nginx.certificates.ca }, pool: { idleTimeout: 50 } } },
    })
    for (const path of ['/1k', '/503']) await curl([`${connector.url}${path}`])
    await expect
      .poll(async () => await metricsText(connector.adminUrl), { timeout: 10_000 })
      .toMatch(/reason="idle_timeout"/)
    const text = await metricsText(connector.adminUrl)
    const page = parsePrometheusText(text)
    expect(lintMetrics(page)).toEqual([])
    expect(oddLabelValues(page)).toEqual([])
    ctx.skip(noPromtool !== undefined, noPromtool)
    using directory = makeTemporaryDirectory('promtool')
    const file = join(directory.path, 'metrics.txt')
    writeFileSync(file, text)
    const { exitCode, output } = await runTool('sh', ['-c', `promtool check metrics < ${file}`])
    expect([exitCode, output]).toEqual([0, ''])
  })

  it('and GET /pools show a connection with one id', async () => {
    await using nginx = await startNginx()
    await using connector = await startConfiguredConnector({ origins: { shop: { url: nginx.plainUrl } } })
    await curl([`${connector.url}/1k`])
    const { list } = await readPool(connector.adminUrl, 'shop')
    expect(list).toEqual([expect.stringMatching(/^http\/1\.1#\d+ .*: idle 0\/1, 1 requests$/)])
    expect(list[0]?.match(/#/g)).toHaveLength(1)
  })
})

describe.skipIf(missing !== undefined)('what clients receive', () => {
  it.each([
    [{}, false],
    [{ errors: 'detail' as const }, true],
  ])('names the address of an origin with %j: %s; the log names it', async (config, isNamed) => {
    const port = await freePort()
    await using connector = await startConfiguredConnector({
      ...config,
      origins: { shop: { url: `http://127.0.0.1:${port}` } },
    })
    const { status, headers, body } = await curl([`${connector.url}/`])
    expect(status).toBe(502)
    const told = `${body.toString()} ${headers['proxy-status']?.join() ?? ''}`
    expect(told).toContain('MM_CONNECT_REFUSED')
    expect(told.includes(`127.0.0.1:${port}`)).toBe(isNamed)
    await connector.cli.untilStdout(new RegExp(`MM_CONNECT_REFUSED .*127\\.0\\.0\\.1:${port}`))
  })

  it('is nothing of Alt-Svc of the origin', async () => {
    await using nginx = await startNginx({
      extraServer: `add_header Alt-Svc 'h3=":443"; ma=86400' always; add_header X-Kept yes always;`,
    })
    await using connector = await startConfiguredConnector({ origins: { shop: { url: nginx.plainUrl } } })
    const direct = await curl([`${nginx.plainUrl}/1k`])
    expect(direct.headers['alt-svc']).toEqual(['h3=":443"; ma=86400'])
    const { headers } = await curl([`${connector.url}/1k`])
    expect([headers['alt-svc'], headers['x-kept']]).toEqual([undefined, ['yes']])
  })
})

describe.skipIf(missing !== undefined)('forwarding.trustForwarded', () => {
  it.each([
    [['127.0.0.0/8'], true],
    [['10.0.0.0/8', '::1'], false],
  ])('trusts a client from %j: %s, and both families agree', async (trustForwarded, isBelieved) => {
    await using nginx = await startNginx()
    await using connector = await startConfiguredConnector({
      forwarding: { trustForwarded },
      origins: { shop: { url: nginx.plainUrl } },
    })
    const { body } = await curl(['-H', 'X-Forwarded-For: 203.0.113.9', `${connector.url}/reflect`])
    const seen = parseReflection(body.toString())
    const forwarded =
      (isBelieved ? 'for=203.0.113.9, ' : '') + `for=127.0.0.1;host="127.0.0.1:${connector.port}";proto=http`
    expect(seen['x-forwarded-for']).toBe(isBelieved ? '203.0.113.9, 127.0.0.1' : '127.0.0.1')
    expect(seen['forwarded']).toBe(forwarded)
  })
})

describe('a reload', () => {
  it('takes new contents of certificate files, and drops no connection', async () => {
    using directory = makeTemporaryDirectory('certificates')
    const [old, next] = [await createCertificateAuthority('old'), await createCertificateAuthority('next')]
    const write = async (authority: typeof old): Promise<X509Certificate> => {
      const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
      writeFileSync(join(directory.path, 'cert.pem'), cert)
      writeFileSync(join(directory.path, 'key.pem'), key)
      return new X509Certificate(cert)
    }
    await write(old)
    const port = await freePort()
    const tls = { cert: join(directory.path, 'cert.pem'), key: join(directory.path, 'key.pem') }
    await using connector = await startConfiguredConnector({
      listen: [{ address: '127.0.0.1:0', tls }],
      origins: { shop: { url: `http://127.0.0.1:${port}` } },
    })
    const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: old.cert })
    const get = async () => {
      const exchange = request(connector.url, { agent }).end()
      const [response] = await once(exchange, 'response')
      const { localPort } = response.socket
      response.resume()
      await once(response, 'end')
      return { status: response.statusCode, localPort }
    }
    const before = await get()
    const certificate = await write(next)
    connector.cli.signal('SIGHUP')
    await connector.cli.untilStdout(/configuration reloaded/)
    const socket = connect({ port: connector.port, host: '127.0.0.1', ca: next.cert })
    await once(socket, 'secureConnect')
    expect(socket.getPeerX509Certificate()?.fingerprint256).toBe(certificate.fingerprint256)
    socket.destroy()
    expect(await get()).toEqual(before)
    agent.destroy()
    const page = await metricsOf(connector.adminUrl)
    expect(page.sum('middlemile_config_reloads_total', { outcome: 'taken' })).toBe(1)
    const name = `127.0.0.1:${connector.port}`
    expect(page.sum('middlemile_certificate_expiry_timestamp_seconds', { of: 'listener', name })).toBe(
      Date.parse(certificate.validTo) / 1000,
    )
    writeFileSync(join(directory.path, 'key.pem'), 'no key')
    connector.cli.signal('SIGHUP')
    await connector.cli.untilStdout(/reload refused/)
    const refused = await metricsOf(connector.adminUrl)
    expect(refused.sum('middlemile_config_last_reload_successful')).toBe(0)
    expect(refused.sum('middlemile_config_reloads_total', { outcome: 'refused' })).toBe(1)
  })
})

describe('serve --check', () => {
  it('finds what cannot be right, each with its line and column and what to write', async () => {
    using directory = makeTemporaryDirectory('check')
    const { cert, key } = await (await createCertificateAuthority()).issue({
      names: ['localhost'],
      notAfter: new Date(Date.now() - 3 * 86_400_000),
    })
    writeFileSync(join(directory.path, 'cert.pem'), cert)
    writeFileSync(join(directory.path, 'key.pem'), key)
    const file = join(directory.path, 'bad.yaml')
    writeFileSync(
      file,
      `listen:
  - address: 127.0.0.1:8443
    tls: { cert: cert.pem, key: key.pem }
origins:
  shop:
    url: http://origin.example
    protocols: [h3]
    pool: { warm: 9, maxConnections: 4 }
    timeouts: { headers: 30 }
`,
    )
    const { exitCode, stderr } = await runCli(['serve', '-c', file, '--check'])
    expect(exitCode).toBe(2)
    const lines = stderr
      .trim()
      .split('\n')
      .map(line => line.replace(`${file}:`, ''))
    expect(lines).toEqual([
      expect.stringMatching(
        /^3:18: listen\[0\]\.tls\.cert: the certificate of CN=localhost expired on \d{4}-\d\d-\d\d; put a new one here$/,
      ),
      expect.stringMatching(/^7:17: origins\.shop\.protocols\[0\]: HTTP\/3 needs TLS/),
      expect.stringMatching(/^8:19: origins\.shop\.pool\.warm: warm \(9\) is above maxConnections \(4\)/),
      '9:26: origins.shop.timeouts.headers: 30 is 30 milliseconds; write 30s for seconds, or 30ms if that is meant',
    ])
    writeFileSync(
      file,
      'listen: [{ address: ":8080" }, { address: ":8080" }]\norigins: { a: { url: "https://a" } }\n',
    )
    const twice = await runCli(['serve', '-c', file, '--check'])
    expect([twice.exitCode, twice.stderr]).toEqual([
      2,
      `${file}:1:43: listen[1].address: listen[0] has :8080 already; give this one another port or address\n`,
    ])
  })
})
