import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { curl } from '../../support/curl.ts'
import { type Nginx, parseReflection, startNginx } from '../../support/nginx.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startConnector } from '../../support/start-connector.ts'

const missing = requireBinary('nginx') ?? requireBinary('curl')
const noQuic = requireQuic()

describe.skipIf(missing !== undefined)('routes in front of nginx', () => {
  let authority: CertificateAuthority
  let nginx: Nginx
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    nginx = await startNginx({
      authority,
      http2: true,
      extraServer:
        'location /twice { add_header x-path $request_uri; add_header x-field $http_x_field; return 200 $http_x_mirrored; }',
    })
  })
  afterAll(() => nginx.stop())

  const origins = (): ServiceConfig['origins'] => ({
    plain: { url: nginx.plainUrl },
    tls: { url: nginx.url, tls: { ca: authority.cert }, protocols: ['h2', 'http/1.1'] },
  })
  const routes: ServiceConfig['routes'] = [
    { name: 'rest', origin: 'plain' },
    {
      name: 'tenant',
      pathPattern: '/t/{tenant}/{rest...}',
      methods: ['GET'],
      origin: 'plain',
      rewrite: { path: '/twice/${capture.rest}', host: '${capture.tenant}.internal' },
      requestFields: { set: { 'x-field': '${capture.tenant} $tlsVersion $protocol' } },
      responseFields: { set: { 'x-route': '$route' }, remove: ['server'] },
    },
    { name: 'h1', path: '/h1', origin: 'tls', protocols: ['http/1.1'], rewrite: { path: '/' } },
    { name: 'small', path: '/upload', origin: 'plain', maxBodyBytes: 1_000 },
    { name: 'copied', path: '/1k', origin: 'plain', mirror: { origin: 'tls' } },
    { name: 'moved', path: '/old', redirect: { location: '/new$path', keepQuery: true } },
    { name: 'fixed', path: '/fixed', respond: { status: 418, body: 'tea\n' } },
  ]

  it.each([
    ['HTTP/1.1', ['--http1.1']],
    ['HTTP/2', ['--http2']],
  ])('rewrite, redirect and answer over %s', async (protocol, args) => {
    const identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
    await using connector = await startConnector({
      listen: [{ address: '127.0.0.1:0', tls: { cert: identity.cert, key: identity.key } }],
      origins: origins(),
      routes,
    })
    const get = (path: string, ...more: string[]) =>
      curl([`${connector.url}${path}`, '--insecure', '--path-as-is', ...args, ...more])
    const rewritten = await get('/t/blue/%61/x?y=1')
    expect(rewritten.status).toBe(200)
    expect(rewritten.headers).toMatchObject({
      'x-path': ['/twice/a/x?y=1'],
      'x-field': [`blue TLSv1.3 ${protocol === 'HTTP/2' ? 'HTTP/2' : protocol}`],
      'x-route': ['tenant'],
    })
    expect(rewritten.headers['server']).toBeUndefined()
    const moved = await get('/old/a?b')
    expect([moved.status, moved.headers['location']]).toEqual([302, ['/new/old/a?b']])
    const fixed = await get('/fixed')
    expect([fixed.status, fixed.body.toString()]).toEqual([418, 'tea\n'])
    expect((await get('/%2e%2e/x')).status).toBe(400)
    expect((await get('/x%2f..%2ffixed')).status).toBe(400)
    expect((await get('//fixed')).status).toBe(400)
  })

  it('hold requests to one protocol, and bodies to a length', async () => {
    await using connector = await startConnector({ origins: origins(), routes })
    const reflected = await curl([`${connector.url}/h1/reflect`])
    expect(parseReflection(reflected.body.toString())['request-line']).toBe('GET /reflect HTTP/1.1')
    const input = Buffer.alloc(1_001)
    // nginx answers when it has all of it.
    const put = (bytes: Uint8Array, ...args: string[]) =>
      curl([`${connector.url}/upload/x`, '-X', 'PUT', '-H', 'Expect:', ...args], { input: bytes })
    const known = await put(input, '--data-binary', '@-')
    const chunked = await put(input, '-T', '-')
    expect([known.status, chunked.status]).toEqual([413, 413])
    const fits = await put(input.subarray(1), '-T', '-')
    expect(fits.status).toBe(201)
  })

  it('copy requests to another origin', async () => {
    await using connector = await startConnector({ origins: origins(), routes })
    const { status, bytes } = await curl([`${connector.url}/1k`])
    expect([status, bytes]).toEqual([200, 1_024])
    const mirrored = async () => {
      const text = await (await fetch(`${connector.adminUrl}/metrics`)).text()
      return parsePrometheusText(text)
        .samples.filter(({ name }) => name === 'middlemile_mirrored_requests_total')
        .map(({ labels, value }) => [labels['route'], labels['outcome'], value])
    }
    await expect.poll(mirrored, { timeout: 20_000 }).toEqual([['copied', 'answered', 1]])
  })

  it.skipIf(noQuic !== undefined)('are found over HTTP/3 as well', async () => {
    const identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
    await using connector = await startConnector({
      listen: [
        {
          address: '127.0.0.1:0',
          tls: { cert: identity.cert, key: identity.key },
          protocols: ['h3', 'h2'],
        },
      ],
      origins: origins(),
      routes,
    })
    await using transport = createTransport({
      defaults: { protocols: ['h3'], tls: { ca: authority.cert } },
    })
    const response = await transport.request(`https://localhost:${connector.port}/t/blue/x`)
    expect([response.status, response.headers['x-route'], response.headers['x-field']]).toEqual([
      200,
      'tenant',
      'blue TLSv1.3 HTTP/3',
    ])
    await response.dump()
  })
})
