import { createHash } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { main } from '../../../../src/cli/main.ts'
import { TransportError } from '../../../../src/index.ts'
import { createCertificateAuthority } from '../../../../src/testing/certificates.ts'
import { readTrace } from '../../../support/json-sequence.ts'
import { fakeIo, INFO, response } from '../fake-io.ts'

const URL_A = 'https://a.example/x'
const directory = mkdtempSync(join(tmpdir(), 'mm-get-'))

function lines(text: string): unknown[] {
  return text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
}

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')

describe('get --json', () => {
  it('prints one line per request, with every field of the contract, and a summary', async () => {
    const { io, out, closed } = fakeIo()
    expect(await main(['get', '--json', URL_A], io)).toBe(0)
    expect(lines(out())).toEqual([
      {
        url: URL_A,
        status: 200,
        bytes: 5,
        sha256: sha256('hello'),
        protocol: 'http/1.1',
        connectionId: 7,
        reused: false,
        resumed: false,
        earlyData: 'none',
        tfo: 'off',
        remoteAddress: '192.0.2.1:443',
        attempts: INFO.attempts,
        timingsMs: {
          queue: expect.any(Number),
          dns: 2,
          connect: 3,
          tls: 4,
          ttfb: 5,
          body: expect.any(Number),
          total: 920.346,
        },
        trailers: { 'x-sum': '1' },
        informational: [{ status: 103, headers: { link: '</a>' } }],
      },
      {
        summary: {
          requests: 1,
          failed: 0,
          newConnections: 1,
          backgroundConnections: 0,
          reuseRate: 0,
          handshakes: { full: 1, resumed: 0, earlyData: 0, none: 0 },
          byProtocol: { 'http/1.1': 1 },
          migrations: [],
        },
      },
    ])
    expect(closed()).toBe(1)
  })

  it('reports a failure in its line, and exits with 1', async () => {
    const error = new TransportError('MM_CONNECT_REFUSED', 'refused')
    const { io, out } = fakeIo({ onRequest: () => Promise.reject(error) })
    expect(await main(['get', '--json', URL_A], io)).toBe(1)
    const [line, summary] = lines(out())
    expect(line).toMatchObject({
      url: URL_A,
      status: 0,
      sha256: null,
      protocol: null,
      error: {
        code: 'MM_CONNECT_REFUSED',
        message: 'refused',
        fault: 'remote',
        processed: 'no',
        retryable: true,
      },
    })
    expect(summary).toMatchObject({ summary: { requests: 1, failed: 1, newConnections: 0, byProtocol: {} } })
  })

  it('prints no hash for a body that broke off, but says how much came', async () => {
    const onRequest = async () => {
      const broken = response([])
      async function* chunks() {
        yield Buffer.from('half')
        throw new TransportError('MM_CONNECTION_RESET', 'broke', { processed: 'yes' })
      }
      return { ...broken, body: (await import('node:stream')).Readable.from(chunks()) }
    }
    const { io, out } = fakeIo({ onRequest })
    expect(await main(['get', '--json', URL_A], io)).toBe(1)
    expect(lines(out())[0]).toMatchObject({
      status: 200,
      bytes: 4,
      sha256: null,
      protocol: 'http/1.1',
      error: { code: 'MM_CONNECTION_RESET' },
    })
  })

  it('counts a status of 500 as a response', async () => {
    const { io } = fakeIo({ onRequest: async () => response([], { status: 500 }) })
    expect(await main(['get', '--json', URL_A], io)).toBe(0)
  })

  it('prints in order of completion, and has so many requests under way and no more', async () => {
    let open = 0
    let most = 0
    let overtaken = () => {}
    const overtakes = new Promise<void>(resolve => {
      overtaken = resolve
    })
    const onRequest = async (_url: string, _options: unknown, index: number) => {
      most = Math.max(most, ++open)
      // The first one is overtaken by four others.
      if (index === 5) overtaken()
      if (index === 0) await overtakes
      else await Promise.resolve()
      open--
      return response([Buffer.from(String(index))], { info: { ...INFO, reused: index > 2 } })
    }
    const { io, out, requests } = fakeIo({ onRequest })
    expect(await main(['get', '--json', '-n', '5', '--concurrency', '3', URL_A, `${URL_A}/2`], io)).toBe(0)
    expect(most).toBe(3)
    expect(requests.map(({ url }) => url)).toEqual(
      Array.from({ length: 5 }, () => [URL_A, `${URL_A}/2`]).flat(),
    )
    const printed = lines(out())
    expect(printed).toHaveLength(11)
    expect(printed.findIndex(line => (line as { sha256?: string }).sha256 === sha256('0'))).toBeGreaterThan(2)
    expect(printed.at(-1)).toMatchObject({ summary: { requests: 10, newConnections: 3, reuseRate: 0.7 } })
  })

  it('hashes a large body without keeping it', async () => {
    const chunk = Buffer.alloc(65_536, 'a')
    function* chunks() {
      for (let i = 0; i < 2_000; i++) yield chunk
    }
    const before = process.memoryUsage().arrayBuffers
    const { io, out } = fakeIo({ onRequest: async () => response(chunks()) })
    expect(await main(['get', '--json', URL_A], io)).toBe(0)
    expect(lines(out())[0]).toMatchObject({ bytes: 131_072_000 })
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000)
  })
})

describe('the options of get', () => {
  it('reach the transport and the request', async () => {
    const { cert } = await createCertificateAuthority()
    const ca = join(directory, 'ca.pem')
    writeFileSync(ca, cert)
    const { io, transports, requests } = fakeIo()
    const options = ['--ca', ca, '--resolve', 'A.example:443:192.0.2.7', '--resolve', 'b:80:[2001:db8::1]']
    const request = [
      '--header',
      'X-One: 1',
      '--header',
      'accept:text/plain',
      '--method',
      'PUT',
      '--data',
      'text',
    ]
    const args = [
      ...options,
      ...request,
      '--timeout-ms',
      '1500',
      '--protocol',
      'http/1.1',
      '--concurrency',
      '80',
    ]
    expect(await main(['get', ...args, URL_A], io)).toBe(0)
    expect(transports[0]).toMatchObject({
      resolve: { 'a.example:443': '192.0.2.7', 'b:80': '2001:db8::1' },
      defaults: {
        protocols: ['http/1.1'],
        tls: { ca: cert },
        timeouts: { requestMs: 1500 },
        pool: { maxConnections: 80 },
      },
    })
    expect(requests[0]?.options).toMatchObject({
      method: 'PUT',
      headers: ['x-one', '1', 'accept', 'text/plain', 'content-length', '4'],
      body: Buffer.from('text'),
    })
  })

  it('set the criteria of the choice, the servers for HTTPS records, and where to keep what was learned', async () => {
    const { io, transports } = fakeIo()
    const servers = ['192.0.2.53', '192.0.2.53:5353', '2001:db8::35', '[2001:db8::35]:5353']
    const args = servers.flatMap(server => ['--dns-server', server])
    expect(await main(['get', ...args, '--policy', 'latency', '--state', 'kept', URL_A], io)).toBe(0)
    expect(transports[0]).toMatchObject({
      dnsServers: ['192.0.2.53', '192.0.2.53:5353', '[2001:db8::35]', '[2001:db8::35]:5353'],
      defaults: { select: { policy: 'latency' } },
      state: { directory: 'kept' },
    })
    const plain = fakeIo()
    expect(await main(['get', URL_A], plain.io)).toBe(0)
    expect(Object.keys(plain.transports[0] ?? {})).not.toContain('dnsServers')
    expect(plain.transports[0]?.defaults).not.toHaveProperty('select')
  })

  it('turn on Fast Open, early data over any protocol, and groups of TLS, and leave them off by default', async () => {
    const { cert } = await createCertificateAuthority()
    const ca = join(directory, 'groups-ca.pem')
    writeFileSync(ca, cert)
    const { io, transports, requests } = fakeIo()
    const args = ['--tfo', '--early-data', '--groups', 'X25519:P-256', '--ca', ca]
    expect(await main(['get', ...args, URL_A], io)).toBe(0)
    expect(transports[0]?.defaults).toEqual({
      tfo: 'on',
      earlyDataOverTcp: true,
      tls: { ca: cert, groups: 'X25519:P-256' },
    })
    expect(requests[0]?.options).toMatchObject({ earlyData: true })
    const plain = fakeIo()
    expect(await main(['get', URL_A], plain.io)).toBe(0)
    expect(plain.transports[0]?.defaults).toEqual({})
    expect(plain.requests[0]?.options).toMatchObject({ earlyData: false })
  })

  it('set whom to trust', async () => {
    const { io, transports } = fakeIo()
    expect(await main(['get', '--trusted', URL_A], io)).toBe(0)
    expect(transports[0]?.defaults).toEqual({ trusted: true })
  })

  it('write a trace of the events of the transport', async () => {
    const traces = join(directory, 'traces')
    const { io, err } = fakeIo()
    expect(await main(['get', '--qlog', traces, '-n', '2', URL_A], io)).toBe(0)
    const [name, ...others] = readdirSync(traces)
    expect(others).toEqual([])
    const { events } = readTrace(readFileSync(join(traces, name!), 'utf8'))
    expect(events.map(({ name }) => name)).toEqual([
      'middlemile:connection_opened',
      'middlemile:connection_opened',
    ])
    expect(err()).toBe('')
  })

  it('go on without a trace where none can be written, and say so', async () => {
    const file = join(directory, 'no-directory')
    writeFileSync(file, '')
    const { io, err } = fakeIo()
    expect(await main(['get', '--qlog', join(file, 'below'), URL_A], io)).toBe(0)
    expect(err()).toMatch(/^middlemile get: warning: no qlog in .*ENOTDIR.*\n$/)
  })

  it('read a body from a file, and make POST the default with one', async () => {
    const file = join(directory, 'body')
    writeFileSync(file, 'from a file')
    const { io, requests } = fakeIo()
    expect(await main(['get', '--data', `@${file}`, URL_A], io)).toBe(0)
    expect(requests[0]?.options).toMatchObject({ method: 'POST', body: Buffer.from('from a file') })
  })

  it('write the body to a file', async () => {
    const file = join(directory, 'out')
    const { io, out } = fakeIo()
    expect(await main(['get', '--json', '--output', file, URL_A], io)).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe('hello')
    expect(lines(out())[0]).toMatchObject({ bytes: 5, sha256: sha256('hello') })
  })

  it('print the head of each response, and the body where it is text', async () => {
    const headers = { 'content-type': 'text/plain', 'set-cookie': ['a=1', 'b=\x1b[2J'] }
    const answers = [Buffer.from('two\tlines\nand \x07 a bell'), Buffer.from([0xff, 0xfe, 0])]
    const onRequest = async (_url: string, _options: unknown, index: number) =>
      response([answers[index]!], { headers, statusText: 'OK' })
    const { io, out } = fakeIo({ onRequest })
    expect(await main(['get', '-i', '--body', '-n', '2', URL_A], io)).toBe(0)
    const head = 'HTTP/1.1 200 OK\ncontent-type: text/plain\nset-cookie: a=1\nset-cookie: b=?[2J\n\n'
    expect(out()).toContain(`${head}two\tlines\nand ? a bell\n\n`)
    expect(out()).toContain(`${head}(3 bytes that are no text: --output FILE keeps them)\n`)
  })

  it('print so much of a long body and say how much there is', async () => {
    const { io, out } = fakeIo({ onRequest: async () => response([Buffer.alloc(70_000, 'x')]) })
    expect(await main(['get', '--body', URL_A], io)).toBe(0)
    expect(out().match(/x+/)?.[0]).toHaveLength(65_536)
    expect(out()).toContain('(and 4464 bytes more: --output FILE keeps all)')
  })

  it('send HEAD requests', async () => {
    const { io, out, requests } = fakeIo({ onRequest: async () => response([], { headers: { a: 'b' } }) })
    expect(await main(['get', '-I', URL_A], io)).toBe(0)
    expect(requests[0]?.options).toMatchObject({ method: 'HEAD' })
    expect(out()).toContain('a: b\n')
    const json = fakeIo({ onRequest: async () => response([], { headers: { a: 'b' } }) })
    expect(await main(['get', '-I', '--json', URL_A], json.io)).toBe(0)
    expect(lines(json.out())[0]).toMatchObject({ headers: { a: 'b' } })
  })

  it('write the body to standard output, and everything else to standard error', async () => {
    const { io, out, err } = fakeIo()
    expect(await main(['get', '--output', '-', URL_A], io)).toBe(0)
    expect(out()).toBe('hello')
    expect(err()).toMatch(/^status +200$/m)
  })

  it('go on without a check of certificates, with a warning, and name that option where a check fails', async () => {
    const loose = fakeIo()
    expect(await main(['get', '-k', URL_A], loose.io)).toBe(0)
    expect(loose.transports[0]?.defaults).toEqual({ tls: { rejectUnauthorized: false } })
    expect(loose.err()).toContain('warning: certificates are not checked (--insecure)')
    const error = new TransportError('MM_TLS_CERTIFICATE', 'self-signed')
    const one = fakeIo({ onRequest: () => Promise.reject(error) })
    expect(await main(['get', URL_A], one.io)).toBe(1)
    expect(one.out(), 'and no diagram').toMatch(/\ntime +[\d.]+ ms until it failed\n$/)
    const strict = fakeIo({ onRequest: () => Promise.reject(error) })
    expect(await main(['get', '-n', '3', URL_A], strict.io)).toBe(1)
    expect(strict.err().match(/--ca FILE .* --insecure/g), 'once').toHaveLength(1)
  })

  it('set what is rehearsed before the first request', async () => {
    const { io, rehearsals } = fakeIo()
    expect(await main(['get', '--protocol', 'h3', URL_A], io)).toBe(0)
    expect(rehearsals).toEqual([{ kind: 'request', isSecure: true, defaults: { protocols: ['h3'] } }])
  })

  it('prepare each origin before the first request, and leave to it what is wrong', async () => {
    const { io, prepared } = fakeIo({ preconnectFault: new Error('the tls options cannot be used') })
    expect(await main(['get', '-n', '2', URL_A, 'https://b.example/'], io)).toBe(0)
    expect(prepared).toEqual([`0 to ${URL_A} before request 1`, `0 to https://b.example/ before request 1`])
  })

  it.each([
    [['get'], 'get needs a URL'],
    [['get', 'a.example'], 'not an absolute URL: "a.example"'],
    [['get', '--concurency', '3', URL_A], 'unknown option --concurency; did you mean --concurrency?'],
    [['get', '-n', '0', URL_A], '--count must be a whole number of at least 1, not "0"'],
    [
      ['get', '--concurrency', 'many', URL_A],
      '--concurrency must be a whole number of at least 1, not "many"',
    ],
    [['get', '--header', 'nocolon', URL_A], '--header must be \'Name: value\', not "nocolon"'],
    [['get', '--resolve', 'a:443', URL_A], '--resolve must be HOST:PORT:ADDR, not "a:443"'],
    [['get', '--ca', '/absent', URL_A], '--ca: cannot read the file'],
    [['get', '--data', '@/absent', URL_A], '--data: cannot read the file'],
    [['get', '--output', 'x', '-n', '2', URL_A], '--output goes with one URL, fetched once'],
    [['get', '--protocol', 'spdy', URL_A], '--protocol must be one of auto, h3, h2, http/1.1, not "spdy"'],
    [
      ['get', '--groups', 'X25519:P-257', URL_A],
      '--groups must be a list that OpenSSL knows, such as X25519:P-256, not "X25519:P-257"',
    ],
    [
      ['get', '--groups', '', URL_A],
      '--groups must be a list that OpenSSL knows, such as X25519:P-256, not ""',
    ],
    [['get', '--state', '', URL_A], '--state needs the name of a directory'],
    [['get', '--qlog', '', URL_A], '--qlog needs the name of a directory'],
    [['get', '--policy', 'fast', URL_A], '--policy must be one of auto, latency, efficiency, not "fast"'],
    [
      ['get', '--dns-server', 'dns.example', URL_A],
      '--dns-server must be an IP address with or without a port, not "dns.example"',
    ],
    [
      ['get', '--dns-server', '192.0.2.53:70000', URL_A],
      '--dns-server must be an IP address with or without a port, not "192.0.2.53:70000"',
    ],
    [
      ['get', '--dns-server', '[192.0.2.53]:53', URL_A],
      '--dns-server must be an IP address with or without a port, not "[192.0.2.53]:53"',
    ],
    [['get', '--body', '--json', URL_A], '--body is for people'],
    [['get', '-I', '--method', 'GET', URL_A], '--head is a method of its own'],
    [['get', '-k', '--ca', 'x', URL_A], '--ca says whom to trust, and --insecure to trust everybody'],
    [['get', '--timeout-ms'], "Option '--timeout-ms <value>' argument missing"],
  ])('are refused with exit code 2: %j', async (args, message) => {
    const { io, err, transports } = fakeIo()
    expect(await main(args, io)).toBe(2)
    expect(err()).toContain(message)
    expect(transports, 'nothing was started').toEqual([])
  })
})
