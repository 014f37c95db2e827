import { get } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { startNginx } from '../../support/nginx.ts'
import { startOwnProxy } from '../../support/own-proxy.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const noNginx = requireBinary('nginx')

/** The least that `objective.window` may be, and what the figures are behind. */
const WINDOW_MS = 10_000
const LOOKED_AT_EVERY_MS = 5_000
const REPORTED_WITHIN_MS = WINDOW_MS + 3 * LOOKED_AT_EVERY_MS
/** Longer than nginx keeps idle connections here. */
const LULL_MS = 1_300

function ask({ port }: TestConnector, host: string, path = '/1k'): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = get({ host: '127.0.0.1', port, path, headers: { host } }, response => {
      response.resume().on('end', resolve).on('error', reject)
    })
    request.on('error', reject)
  })
}

async function repeat(isOver: () => boolean, round: () => Promise<unknown>, pauseMs: number): Promise<void> {
  while (!isOver()) {
    await round()
    await sleep(pauseMs)
  }
}

describe.skipIf(noNginx !== undefined)('an objective that is missed', () => {
  it('names the keep-alive of the origin, a certificate that does not cover, and proxies that change', async () => {
    const authority = await createCertificateAuthority()
    const directory = makeTemporaryDirectory('other-certificate')
    const other = await writeCertificateFiles(directory.path, authority, ['c.test'])
    await using nginx = await startNginx({
      authority,
      names: ['a.test'],
      http2: true,
      tlsListen: 'default_server',
      keepaliveTimeout: '1s',
      extraHttp: `server {
        listen 127.0.0.1:TLS_PORT ssl http2;
        server_name c.test;
        ssl_certificate ${other.certFile};
        ssl_certificate_key ${other.keyFile};
        location / { return 200 "c\\n"; }
      }`,
    })
    const proxy = () => startOwnProxy({ kind: 'connect', diesAfterBytes: 800 })
    await using one = await proxy()
    await using two = await proxy()
    const secure = { protocols: ['h2' as const], tls: { ca: other.caFile } }
    await using connector = await startConnector({
      log: { level: 'warn' },
      resolve: { [`a.test:${nginx.tlsPort}`]: '127.0.0.1', [`c.test:${nginx.tlsPort}`]: '127.0.0.1' },
      egress: { out: { proxies: [one, two].map(({ port }) => `http://127.0.0.1:${port}`), sticky: 1 } },
      defaults: { protocols: ['http/1.1'], objective: { window: WINDOW_MS } },
      origins: {
        bursts: { url: nginx.plainUrl, hosts: ['bursts.example'] },
        steady: { url: `https://a.test:${nginx.tlsPort}`, hosts: ['steady.example'], ...secure },
        uncovered: {
          url: `https://c.test:${nginx.tlsPort}`,
          hosts: ['uncovered.example'],
          objective: { reuse: 1, window: WINDOW_MS },
          ...secure,
        },
        proxied: {
          url: `http://127.0.0.1:${nginx.plainPort}`,
          hosts: ['proxied.example'],
          egress: 'out',
        },
      },
    })
    const began = performance.now()
    const reports = () => connector.log.filter(line => line.includes('is below the objective'))
    const isOver = () => reports().length === 3 || performance.now() - began > REPORTED_WITHIN_MS
    const burst = (host: string) => () => Promise.all(Array.from({ length: 20 }, () => ask(connector, host)))
    await Promise.all([
      repeat(isOver, burst('bursts.example'), LULL_MS),
      repeat(isOver, () => ask(connector, 'steady.example'), 200),
      repeat(isOver, burst('uncovered.example'), LULL_MS),
      repeat(isOver, () => ask(connector, 'proxied.example', '/204'), 10),
    ])
    directory.remove()

    const log = reports().join('\n')
    expect(log).toMatch(
      /bursts: reuse [\d.]+ % is below the objective of 92\.0 %: origin-keep-alive, .*keepalive_timeout/,
    )
    expect(log).toMatch(/uncovered: reuse [\d.]+ % is below .*: certificate, .*certificateNames/)
    expect(log).toMatch(/proxied: reuse [\d.]+ % is below .*: proxy-rotation, .*egress\.NAME\.stickyMs/)
    expect(log).not.toContain('steady:')
    const metrics = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    const missed = (origin: string, labels = {}) =>
      metrics.sum('middlemile_objective_missed', { origin, ...labels })
    expect([
      missed('bursts', { cause: 'origin_keep_alive' }),
      missed('uncovered', { cause: 'certificate' }),
      missed('proxied', { cause: 'proxy_rotation' }),
    ]).toEqual([1, 1, 1])
    expect(['bursts', 'steady', 'uncovered', 'proxied'].map(origin => missed(origin))).toEqual([1, 0, 1, 1])
    const explained = (await (await fetch(`${connector.adminUrl}/origins/uncovered/explain`)).json()) as {
      savings: { saving: string; because: string }[]
    } // the page is ours
    expect(explained.savings.map(({ because }) => because).join('\n')).toMatch(
      /certificate, .*certificateNames/,
    )
  }, 60_000)
})
