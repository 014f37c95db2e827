import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { BODY_BYTES, bodyOf } from '../../support/body-files.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { curl } from '../../support/curl.ts'
import { runH2load } from '../../support/h2load.ts'
import { runNghttp } from '../../support/nghttp.ts'
import { type Nginx, parseReflection, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { startConnector, type TestConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { volume } from '../../support/volume.ts'

const H2LOAD_REQUESTS = volume(2_000, 20_000)
const missing = requireBinary('nginx', 'curl', 'nghttp', 'h2load')
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')

/** curl, nghttp and h2load as clients of the ingress; nginx behind it, spoken to in HTTP/2. */
describe.skipIf(missing !== undefined).each(['h2c', 'TLS'] as const)('over %s', security => {
  const directory = makeTemporaryDirectory('clients')
  let nginx: Nginx
  let connector: TestConnector
  /** What tells curl to speak HTTP/2 to this listener, and whom to trust. */
  let http2: string[]

  beforeAll(async () => {
    const authority = await createCertificateAuthority()
    const certificates = await writeCertificateFiles(directory.path, authority)
    nginx = await startNginx({ http2: true, authority, slowBytesPerSecond: 100_000 })
    const { cert, key } = await authority.issue({ names: ['127.0.0.1'] })
    connector = await startConnector({
      listen: [{ address: '127.0.0.1:0', ...(security === 'TLS' && { tls: { cert, key } }) }],
      origins: { nginx: { url: nginx.url, protocols: ['h2'], tls: { ca: nginx.certificates.ca } } },
      log: { level: 'warn' },
    })
    http2 = security === 'TLS' ? ['--http2', '--cacert', certificates.caFile] : ['--http2-prior-knowledge']
  })
  afterAll(async () => {
    await connector?.[Symbol.asyncDispose]()
    await nginx?.stop()
    directory.remove()
  })
  const at = (path: string): string => `${connector.url}${path}`

  describe('curl', () => {
    it('gets through the connector what it gets without', async () => {
      for (const args of [[], ['--head'], ['--range', '100-199']]) {
        for (const path of ['/1k', '/100k', '/10m', '/chunked/100k', '/204', '/503', '/absent']) {
          const direct = await curl([
            ...args,
            '--cacert',
            nginx.certificates.caFile,
            '--http2',
            nginx.url + path,
          ])
          const through = await curl([...http2, ...args, at(path)])
          expect([through.exitCode, through.status, through.httpVersion, through.message]).toEqual([
            0,
            direct.status,
            '2',
            '',
          ])
          if (args[0] !== '--head') expect(sha256(through.body)).toBe(sha256(direct.body))
          const { via, date: _, ...rest } = through.headers
          const { date: __, ...wanted } = direct.headers
          expect(rest).toEqual(wanted)
          expect(via?.at(-1)).toMatch(/^(?:2|2\.0) middlemile \([0-9a-f]{8}\)$/)
        }
      }
    })

    it('uploads with a length and without, and downloads slowly', async () => {
      const input = bodyOf(BODY_BYTES['10m'])
      const known = await curl([...http2, '-X', 'PUT', '--data-binary', '@-', at('/upload/known')], { input })
      expect([known.exitCode, known.status]).toEqual([0, 201])
      const streamed = await curl([...http2, '-T', '-', at('/upload/streamed')], { input })
      expect([streamed.exitCode, streamed.status]).toEqual([0, 201])
      for (const name of ['known', 'streamed'])
        expect(sha256((await curl([...http2, at(`/upload/${name}`)])).body)).toBe(sha256(input))
      expect((await curl([...http2, at('/slow/100k')])).bytes).toBe(102_400)
    })

    it('may speak HTTP/1.1 to the same port', async () => {
      const trust = http2.slice(http2.indexOf('--cacert')).filter(() => security === 'TLS')
      const old = await curl([...trust, '--http1.1', at('/1k')])
      expect(old).toMatchObject({ exitCode: 0, status: 200, httpVersion: '1.1', bytes: 1024 })
      if (security === 'TLS') return
      // Upgrade: h2c is gone from HTTP/2 (RFC 9113 3.1): it is ignored.
      const upgrading = await curl(['--http2', at('/1k')])
      expect(upgrading).toMatchObject({ exitCode: 0, status: 200, httpVersion: '1.1', bytes: 1024 })
    })

    it('is recognized by the origin', async () => {
      const { body } = await curl([...http2, '-H', 'x-test: a b', at('/reflect')])
      expect(parseReflection(body.toString())).toMatchObject({
        'request-line': 'GET /reflect HTTP/2.0',
        'x-test': 'a b',
        via: expect.stringMatching(/^(?:2|2\.0) middlemile \(/),
        forwarded: expect.stringContaining(`proto=${security === 'TLS' ? 'https' : 'http'}`),
      })
    })
  })

  describe('nghttp', () => {
    it('sends a hundred requests at once, with padding, with continuations, with priorities', async () => {
      for (const args of [
        ['--multiply=100'],
        ['--padding=200'],
        ['--continuation'],
        ['--no-dep', '--multiply=5'],
      ]) {
        const { exitCode, responses, dataBytes, trace } = await runNghttp(at('/1k'), args)
        const expected = Number(/--multiply=(\d+)/.exec(args.join(' '))?.[1] ?? 1)
        expect(exitCode).toBe(0)
        expect(responses.map(({ status }) => status)).toEqual(Array.from({ length: expected }, () => 200))
        expect(dataBytes).toBe(expected * 1024)
        expect(trace).not.toMatch(/\[ERROR\]|INVALID/)
      }
    })

    it('gets trailers, and sends them', async () => {
      const got = await runNghttp(at('/trailers/1k'), ['-H', 'te: trailers'])
      expect(got.responses[0]).toMatchObject({ status: 200, headers: { 'x-checksum': 'middlemile' } })
      const file = join(directory.path, 'upload')
      writeFileSync(file, bodyOf(100_000))
      const sent = await runNghttp(at('/sink'), [`--data=${file}`, '--trailer=x-sum: 1'])
      expect(sent.responses).toMatchObject([{ status: 200 }])
    })

    it('gets a large body through small windows', async () => {
      const { responses, dataBytes } = await runNghttp(at('/10m'), [
        '--window-bits=14',
        '--connection-window-bits=16',
      ])
      expect(responses).toMatchObject([{ status: 200, headers: { 'content-length': '10485760' } }])
      expect(dataBytes).toBe(BODY_BYTES['10m'])
    })

    it('waits with its body until the origin says 100', async () => {
      const file = join(directory.path, 'expected')
      writeFileSync(file, bodyOf(100_000))
      const { responses } = await runNghttp(at('/upload/expected'), [
        `--data=${file}`,
        '-H:method: PUT',
        '--expect-continue',
      ])
      expect(responses.at(-1)?.status).toBe(201)
      expect(sha256((await curl([...http2, at('/upload/expected')])).body)).toBe(sha256(bodyOf(100_000)))
    })
  })

  it(`h2load: ${H2LOAD_REQUESTS} requests, 10 clients with 32 at a time, are all answered with 200`, {
    timeout: 60_000,
  }, async () => {
    const before = await connector.pool('nginx')
    const report = await runH2load({ url: at('/1k'), requests: H2LOAD_REQUESTS, clients: 10, streams: 32 })
    expect(report.requests).toMatchObject({
      total: H2LOAD_REQUESTS,
      done: H2LOAD_REQUESTS,
      succeeded: H2LOAD_REQUESTS,
      failed: 0,
      errored: 0,
    })
    expect(report.statuses).toEqual({ '2xx': H2LOAD_REQUESTS, '3xx': 0, '4xx': 0, '5xx': 0 })
    expect(report.protocol).toBe(security === 'TLS' ? 'h2' : 'h2c')
    const after = await connector.pool('nginx')
    expect(after.requests - before.requests).toBe(H2LOAD_REQUESTS + after.retries - before.retries)
  })
})
