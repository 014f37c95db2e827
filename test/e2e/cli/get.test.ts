import { createHash } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { patternBytes } from '../../../src/testing/origin-answers.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { bodyOf } from '../../support/body-files.ts'
import { startCaddy } from '../../support/caddy.ts'
import { startNghttpd } from '../../support/nghttpd.ts'
import { startNginx } from '../../support/nginx.ts'
import { atTerminal, requirePseudoTerminal } from '../../support/pseudo-terminal.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { type CliResult, runCli } from '../../support/spawn-cli.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

let directory: TemporaryDirectory
let origin: TestOrigin
let caFile: string

beforeAll(async () => {
  directory = makeTemporaryDirectory('cli')
  const authority = await createCertificateAuthority()
  caFile = join(directory.path, 'ca.pem')
  writeFileSync(caFile, authority.cert)
  origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost', 'origin.test'] }) })
})
afterAll(async () => {
  await origin.close()
  directory.remove()
})

const get = (...args: string[]): Promise<CliResult> => runCli(['get', '--ca', caFile, ...args])

interface JsonRecord {
  url: string
  status: number
  bytes: number
  sha256: string
  reused: boolean
  resumed: boolean
  connectionId: number
  attempts: { protocol: string; endpoint: string; startedAtMs: number; outcome: string; because: string }[]
  timingsMs: Record<string, number>
  error?: Record<string, unknown>
  [more: string]: unknown
}

interface JsonSummary {
  requests: number
  failed: number
  newConnections: number
  reuseRate: number
  handshakes: Record<string, number>
  byProtocol: Record<string, number>
}

/** Every line of `get --json`, which must all be JSON. */
function parseJson({ stdout }: CliResult): { records: JsonRecord[]; summary: JsonSummary } {
  const lines = stdout
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line) as unknown)
  const last = lines.pop() as { summary: JsonSummary } // get prints it last
  expect(Object.keys(last)).toEqual(['summary'])
  return { records: lines as JsonRecord[], summary: last.summary }
}

const RECORD_KEYS = [
  'url',
  'status',
  'bytes',
  'sha256',
  'protocol',
  'connectionId',
  'reused',
  'resumed',
  'earlyData',
  'tfo',
  'remoteAddress',
  'attempts',
  'timingsMs',
  'trailers',
  'informational',
]

describe('get --json', () => {
  it('fetches 100 times at once from caddy over HTTP/2, on one connection', async ctx => {
    const missing = requireBinary('caddy')
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http2: true })
    const many = ['-n', '100', '--concurrency', '100', '--ca', caddy.certificates.caFile]
    for (const protocol of ['h2', 'auto']) {
      const result = await runCli(['get', '--json', '--protocol', protocol, ...many, `${caddy.url}/1k`])
      expect([result.exitCode, result.stderr]).toEqual([0, ''])
      const { records, summary } = parseJson(result)
      expect(
        new Set(records.map(record => `${String(record['protocol'])} ${String(record['bytes'])}`)),
      ).toEqual(new Set(['h2 1024']))
      expect(summary).toEqual({
        requests: 100,
        failed: 0,
        newConnections: 1,
        backgroundConnections: 0,
        reuseRate: 0.99,
        handshakes: { full: 1, resumed: 0, earlyData: 0, none: 0 },
        byProtocol: { h2: 100 },
        migrations: [],
      })
    }
    const text = await runCli(['get', '-n', '2', '--ca', caddy.certificates.caFile, `${caddy.url}/1k`])
    expect(text.stdout).toMatch(/ h2#1 new .*\n.* h2#1 reused /)
    expect(text.stdout).toMatch(/^protocols +h2 2$/m)
  })

  it('speaks h2 by prior knowledge to a cleartext origin, when it is asked to', async ctx => {
    const missing = requireBinary('nghttpd')
    ctx.skip(missing !== undefined, missing)
    await using nghttpd = await startNghttpd()
    const { records, summary } = parseJson(
      await runCli(['get', '--json', '--protocol', 'h2', '-n', '3', `${nghttpd.h2cUrl}/1k`]),
    )
    expect(records.map(({ protocol }) => protocol)).toEqual(['h2', 'h2', 'h2'])
    expect(summary).toMatchObject({ failed: 0, newConnections: 1, handshakes: { none: 1 } })
  })

  it('reports that the origin does not speak the protocol that was asked for', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx()
    const result = await runCli([
      'get',
      '--json',
      '--protocol',
      'h2',
      '--ca',
      nginx.certificates.caFile,
      `${nginx.url}/1k`,
    ])
    expect(result.exitCode).toBe(1)
    expect(parseJson(result).records[0]?.error).toMatchObject({ code: 'MM_ALPN_MISMATCH', processed: 'no' })
  })

  it('fetches 200 times from nginx over 10 connections or fewer, and none fails', async ctx => {
    const missing = requireBinary('nginx')
    ctx.skip(missing !== undefined, missing)
    await using nginx = await startNginx()
    const args = ['get', '--json', '-n', '200', '--concurrency', '10', '--ca', nginx.certificates.caFile]
    const result = await runCli([...args, `${nginx.url}/1k`])
    expect([result.exitCode, result.stderr]).toEqual([0, ''])
    const { records, summary } = parseJson(result)
    expect(records).toHaveLength(200)
    const hash = createHash('sha256').update(bodyOf(1024)).digest('hex')
    for (const record of records) {
      expect(record).toMatchObject({ status: 200, bytes: 1024, sha256: hash, protocol: 'http/1.1' })
      expect(Object.keys(record)).toEqual(RECORD_KEYS)
    }
    const { newConnections } = summary
    expect(newConnections).toBeGreaterThan(0)
    expect(newConnections).toBeLessThanOrEqual(10)
    expect(summary).toEqual({
      requests: 200,
      failed: 0,
      newConnections,
      backgroundConnections: 0,
      reuseRate: 1 - newConnections / 200,
      handshakes: { full: expect.any(Number), resumed: expect.any(Number), earlyData: 0, none: 0 },
      byProtocol: { 'http/1.1': 200 },
      migrations: [],
    })
    expect((summary.handshakes['full'] ?? 0) + (summary.handshakes['resumed'] ?? 0)).toBe(newConnections)
    expect(new Set(records.map(({ connectionId }) => connectionId)).size).toBeLessThanOrEqual(newConnections)
    expect(records.filter(({ reused }) => !reused).length).toBeLessThanOrEqual(newConnections)
    expect(await nginx.counters()).toMatchObject({ connections: newConnections, requests: 200 })
  })

  it('shows where the time of a first request went, and the facts of its connection', async () => {
    const { exitCode, stdout } = await get('--json', `${origin.url}/informational`)
    const { records, summary } = parseJson({ exitCode, stdout, stderr: '' })
    expect(records).toEqual([
      {
        url: `${origin.url}/informational`,
        status: 200,
        bytes: 23,
        sha256: createHash('sha256').update('{"informational":true}\n').digest('hex'),
        protocol: 'http/1.1',
        connectionId: expect.any(Number),
        reused: false,
        resumed: false,
        earlyData: 'none',
        tfo: 'off',
        remoteAddress: expect.stringMatching(/^127\.0\.0\.1(?::\d+)?$/),
        attempts: expect.any(Array),
        timingsMs: {
          queue: expect.any(Number),
          dns: expect.any(Number),
          connect: expect.any(Number),
          tls: expect.any(Number),
          ttfb: expect.any(Number),
          body: expect.any(Number),
          total: expect.any(Number),
        },
        trailers: {},
        informational: [{ status: 103, headers: { link: '</style.css>; rel=preload; as=style' } }],
      },
    ])
    const { attempts = [], timingsMs = {} } = records[0] ?? {}
    expect(attempts.at(-1)).toEqual({
      protocol: 'http/1.1',
      endpoint: `127.0.0.1:${origin.port}`,
      startedAtMs: expect.any(Number),
      outcome: 'connected',
      because: expect.any(String),
    })
    const { total = 0, ...phases } = timingsMs
    expect(phases['connect']).toBeGreaterThan(0)
    expect(phases['tls']).toBeGreaterThan(0)
    expect(Object.values(phases).reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(total, 6)
    expect(summary).toMatchObject({ requests: 1, newConnections: 1, reuseRate: 0, handshakes: { full: 1 } })
  })

  it('has trailers, a reused connection, and any status is a response', async () => {
    const result = await get('--json', `${origin.url}/trailers`, `${origin.url}/status/503`)
    expect(result.exitCode).toBe(0)
    const { records } = parseJson(result)
    expect(records[0]).toMatchObject({ status: 200, trailers: { 'x-checksum': 'abc123' }, reused: false })
    expect(records[1]).toMatchObject({ status: 503, trailers: {}, reused: true })
    expect(records[1]?.timingsMs).toMatchObject({ dns: 0, connect: 0, tls: 0 })
  })

  it('reports a refused connection as an error object, and exits with 1', async () => {
    const url = `https://localhost:${await freePort()}/`
    const result = await get('--json', url)
    expect([result.exitCode, result.stderr]).toEqual([1, ''])
    const { records, summary } = parseJson(result)
    expect(records).toHaveLength(1)
    expect(Object.keys(records[0] ?? {})).toEqual([...RECORD_KEYS, 'error'])
    expect(records[0]).toMatchObject({
      url,
      status: 0,
      bytes: 0,
      sha256: null,
      protocol: null,
      connectionId: null,
    })
    expect(records[0]?.error).toEqual({
      code: 'MM_CONNECT_REFUSED',
      message: expect.stringContaining('refused'),
      fault: 'remote',
      processed: 'no',
      retryable: true,
      resendable: true,
      hint: 'check that the origin listens on that port',
    })
    expect(summary).toEqual({
      requests: 1,
      failed: 1,
      newConnections: 0,
      backgroundConnections: 0,
      reuseRate: 1,
      handshakes: { full: 0, resumed: 0, earlyData: 0, none: 0 },
      byProtocol: {},
      migrations: [],
    })
  })

  it('reports a body that broke off, and goes on with the others', async () => {
    const result = await get('--json', `${origin.url}/abort`, `${origin.url}/`)
    expect(result.exitCode).toBe(1)
    const { records, summary } = parseJson(result)
    expect(records[0]).toMatchObject({ status: 200, bytes: 500, sha256: null })
    expect(records[0]?.error).toMatchObject({ fault: 'remote', processed: 'yes', resendable: false })
    expect(records[1]).toMatchObject({ status: 200 })
    expect(summary).toMatchObject({ requests: 2, failed: 1 })
  })

  it('gives up after --timeout-ms', async () => {
    const result = await get('--json', '--timeout-ms', '150', `${origin.url}/silent`)
    expect(result.exitCode).toBe(1)
    expect(parseJson(result).records[0]?.error).toMatchObject({ code: 'MM_REQUEST_TIMEOUT' })
  })

  it('does not trust an authority that it was not given', async () => {
    const result = await runCli(['get', '--json', `${origin.url}/`])
    expect(result.exitCode).toBe(1)
    expect(parseJson(result).records[0]?.error).toMatchObject({ code: 'MM_TLS_CERTIFICATE', fault: 'remote' })
  })
})

describe('the options of get', () => {
  interface Inspected {
    method: string
    url: string
    rawHeaders: string[]
    bodyBytes: number
    bodySha256: string
  }

  /** What the origin saw, by way of --output. */
  async function inspected(...args: string[]): Promise<Inspected> {
    const file = join(directory.path, 'inspected.json')
    const { exitCode, stderr } = await get('--output', file, ...args)
    expect([exitCode, stderr]).toEqual([0, ''])
    return JSON.parse(readFileSync(file, 'utf8')) as Inspected
  }

  it('--resolve sends to another address, with the name in Host and certificate check', async () => {
    const url = `https://origin.test:${origin.port}/inspect`
    const { rawHeaders } = await inspected('--resolve', `origin.test:${origin.port}:127.0.0.1`, url)
    expect(rawHeaders[rawHeaders.findIndex(name => name.toLowerCase() === 'host') + 1]).toBe(
      `origin.test:${origin.port}`,
    )
    const wrong = await get(
      '--json',
      '--resolve',
      `other.test:${origin.port}:127.0.0.1`,
      url.replace('origin.', 'other.'),
    )
    expect(parseJson(wrong).records[0]?.error).toMatchObject({ code: 'MM_TLS_CERTIFICATE' })
  })

  it('--header, --method and --data make the request', async () => {
    const { method, url, rawHeaders, bodyBytes } = await inspected(
      '--header',
      'X-One: 1',
      '--header',
      'x-two:2',
      '--data',
      'hello',
      `${origin.url}/inspect?a=b`,
    )
    expect([method, url, bodyBytes]).toEqual(['POST', '/inspect?a=b', 5])
    expect(rawHeaders.join('\n')).toMatch(/x-one\n1\nx-two\n2\ncontent-length\n5/i)
    expect((await inspected('--method', 'PATCH', '--data', 'x', `${origin.url}/inspect`)).method).toBe(
      'PATCH',
    )
    expect((await inspected('--method', 'DELETE', `${origin.url}/inspect`)).method).toBe('DELETE')
    const head = await get('--json', '--method', 'HEAD', `${origin.url}/bytes/1000`)
    expect(parseJson(head).records[0]).toMatchObject({ status: 200, bytes: 0 })
  })

  it.for([1_000, 3_000_000])('--data @FILE sends %i bytes, for every request anew', async bytes => {
    const body = patternBytes(bytes)
    const file = join(directory.path, 'body.bin')
    writeFileSync(file, body)
    const { bodyBytes, bodySha256 } = await inspected('--data', `@${file}`, `${origin.url}/inspect`)
    expect([bodyBytes, bodySha256]).toEqual([bytes, createHash('sha256').update(body).digest('hex')])
    const echoed = await get('--json', '-n', '3', '--data', `@${file}`, `${origin.url}/echo`)
    expect(parseJson(echoed).records.map(({ sha256 }) => sha256)).toEqual([
      bodySha256,
      bodySha256,
      bodySha256,
    ])
  })

  it('--output writes the body as it came', async () => {
    const file = join(directory.path, 'out.bin')
    const { exitCode, stdout } = await get('--json', '--output', file, `${origin.url}/chunked/1000000`)
    expect(exitCode).toBe(0)
    expect(readFileSync(file).equals(patternBytes(1_000_000))).toBe(true)
    expect(parseJson({ exitCode, stdout, stderr: '' }).records[0]?.bytes).toBe(1_000_000)
  })

  it('--keylog writes what a packet analyzer needs, for us alone', async () => {
    const file = join(directory.path, 'keys')
    expect((await get('--keylog', file, `${origin.url}/`)).exitCode).toBe(0)
    expect(readFileSync(file, 'latin1')).toMatch(/^CLIENT_TRAFFIC_SECRET_0 [0-9a-f]{64} [0-9a-f]+$/m)
    expect(statSync(file).mode & 0o777).toBe(0o600)
  })

  it('without --json show one request in full, several as a table with totals', async () => {
    const one = await get(`${origin.url}/`)
    expect(one.stdout).toMatch(
      /^url +https:[^]*\nstatus +200\n[^]*\nconnection +http\/1\.1#\d+ new, 127\.0\.0\.1/,
    )
    expect(one.stdout).toMatch(/\n\[(?: +\d+\.\d ms +\|){5} +\d+\.\d ms +\]\n/)
    const many = await get('-n', '5', `${origin.url}/`)
    expect(many.stdout.match(/^200 /gm)).toHaveLength(5)
    expect(many.stdout).toMatch(/\nrequests +5, 0 failed\n[^]*\nconnections +1 new, 80\.0 % /)
    const failing = await get(`https://localhost:${await freePort()}/`)
    expect([failing.exitCode, failing.stdout]).toEqual([1, expect.stringContaining('MM_CONNECT_REFUSED')])
  })
})

describe('get refuses with exit code 2, a line that says why, and no request', () => {
  it.for([
    [['--protocol', 'h4'], /--protocol must be one of auto, h3, h2, http\/1\.1/],
    [['--groups', 'X25519:P-257'], /--groups must be a list that OpenSSL knows/],
    [['-n', '0'], /--count must be a whole number of at least 1/],
    [['--heder', 'X: 1'], /unknown option --heder; did you mean --header\?/],
    [['--data', '@/absent'], /--data: cannot read the file/],
    [['ftp://localhost/'], /origin must be http or https/],
  ] as const)('%j', async ([args, message]) => {
    const before = origin.requestsSeen()
    const { exitCode, stdout, stderr } = await runCli(['get', '--ca', caFile, ...args, `${origin.url}/`])
    expect([exitCode, stdout]).toEqual([2, ''])
    expect(stderr).toMatch(message)
    expect(stderr).toMatch(/^middlemile get: [^\n]+\n$/)
    expect(origin.requestsSeen()).toBe(before)
  })

  it('a call without a URL', async () => {
    expect(await runCli(['get'])).toMatchObject({ exitCode: 2, stderr: 'middlemile get: get needs a URL\n' })
  })
})

describe('get at a terminal', () => {
  const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
  const missing = requirePseudoTerminal()

  it('draws where the time went within 80 columns, in colors', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const line = [process.execPath, CLI, 'get', '--ca', caFile]
    await using one = atTerminal([...line, `${origin.url}/bytes/1000`], { columns: 80 })
    expect(await one.exited).toBe(0)
    const rows = one.screen()
    expect(one.output).toContain('\x1b[32m200\x1b[0m')
    const at = rows.findIndex(row => row.startsWith('['))
    expect(rows[at - 1]).toBe('   queue       dns      connect      tls        ttfb       body')
    const shown = (rows[at] ?? '')
      .slice(1, -1)
      .split('|')
      .map(cell => Number.parseFloat(cell))
    const total = Number(/([\d.]+) ms in all$/.exec(rows[at + 2] ?? '')?.[1])
    expect(shown.reduce((sum, ms) => sum + ms, 0)).toBeCloseTo(total, 5)
    await using several = atTerminal([...line, '-n', '3', `${origin.url}/bytes/1000`], { columns: 80 })
    expect(await several.exited).toBe(0)
    expect(several.screen()[0]).toMatch(/^status .* total$/)
    expect(several.screen().slice(1, 4).join('\n')).toMatch(/#1 new .*\n.*#1 reused .*\n.*#1 reused /)
  })

  it('has no colors with NO_COLOR, and none in a pipe', async ctx => {
    ctx.skip(missing !== undefined, missing)
    const args = ['get', '--ca', caFile, `${origin.url}/`]
    await using plain = atTerminal(
      [process.execPath, CLI, ...args],
      { columns: 120 },
      { env: { NO_COLOR: '1' } },
    )
    expect(await plain.exited).toBe(0)
    expect(plain.output).not.toContain('\x1b[')
    expect((await runCli(args)).stdout).not.toContain('\x1b[')
  })
})

describe('get with a body and a certificate', () => {
  it('writes the body alone to standard output, byte by byte', async () => {
    const { exitCode, stdout, stderr } = await get('--output', '-', '-i', `${origin.url}/`)
    expect([exitCode, stdout]).toEqual([0, '{"method":"GET","path":"/"}\n'])
    expect(stderr).toMatch(/^HTTP\/1\.1 200 OK$/m)
    const large = await get('--output', '-', `${origin.url}/bytes/3000000`)
    expect(large.exitCode).toBe(0)
    expect(large.stdout.length).toBeGreaterThan(1_000_000)
  })

  it('asks for a head with -I, and shows it', async () => {
    const { exitCode, stdout } = await get('-I', `${origin.url}/bytes/1000`)
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(/^HTTP\/1\.1 200 OK\n(?:.+\n)*content-length: 1000\n/)
    expect(stdout).toMatch(/^size +0 bytes$/m)
  })

  it('names the options for a certificate that is not trusted, and does without the check when it is asked to', async () => {
    const strict = await runCli(['get', `${origin.url}/`])
    expect(strict.exitCode).toBe(1)
    expect(strict.stdout).toContain('MM_TLS_CERTIFICATE')
    expect(strict.stdout.match(/^hint .*/gm)).toEqual([
      expect.stringMatching(/--ca FILE .*--insecure \(-k\)/),
    ])
    expect(strict.stderr, 'said once').toBe('')
    const loose = await runCli(['get', '-k', '--body', `${origin.url}/`])
    expect(loose.exitCode).toBe(0)
    expect(loose.stdout).toContain('{"method":"GET","path":"/"}\n')
    expect(loose.stderr).toMatch(/^middlemile get: warning: certificates are not checked/)
  })
})
