import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { TlsOptions } from '../../../src/entry/options.ts'
import { createTransport } from '../../../src/index.ts'
import {
  type CertificateAuthority,
  createCertificateAuthority,
  type IssuedCertificate,
} from '../../../src/testing/certificates.ts'
import { type Http3Origin, startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { runTool } from '../../support/run-tool.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const missing = requireQuic()

/** Who may call itself by a name, over HTTP/3: by the same rules as over TCP. */
describe.skipIf(missing !== undefined)('certificates over HTTP/3', () => {
  let authority: CertificateAuthority
  let foreign: CertificateAuthority
  const origins: Http3Origin[] = []
  beforeAll(async () => {
    authority = await createCertificateAuthority()
    foreign = await createCertificateAuthority('foreign')
  })
  afterAll(async () => {
    for (const origin of origins) await origin.close()
  })

  const start = async (tls: IssuedCertificate, port = 0): Promise<Http3Origin> => {
    const origin = await startHttp3Origin({ tls, port })
    origins.push(origin)
    return origin
  }

  /** What one request to that host becomes: `200 full`, or the error's code with its message. */
  const outcome = async (port: number, host: string, tls: TlsOptions): Promise<string> => {
    await using transport = createTransport({
      defaults: { protocols: ['h3'], tls, endpoints: [`127.0.0.1:${port}`] },
    })
    return await transport.request(`https://${host}:${port}/`).then(
      async response => {
        await response.dump()
        return `${response.status} ${response.info.protocol}`
      },
      (error: { code: string; message: string; processed: string }) => `${error.code} ${error.processed}`,
    )
  }

  const day = 86_400_000
  const trusting = (): TlsOptions => ({ ca: authority.cert })
  const REFUSED = 'MM_TLS_CERTIFICATE no'
  it.for([
    ['that covers the name', 'origin.test', () => authority.issue({ names: ['origin.test'] }), '200 h3'],
    ['with a wildcard for it', 'a.wild.test', () => authority.issue({ names: ['*.wild.test'] }), '200 h3'],
    [
      'with a wildcard one label off',
      'a.b.wild.test',
      () => authority.issue({ names: ['*.wild.test'] }),
      REFUSED,
    ],
    ['for another name', 'origin.test', () => authority.issue({ names: ['other.test'] }), REFUSED],
    ['of another authority', 'origin.test', () => foreign.issue({ names: ['origin.test'] }), REFUSED],
    [
      'that has expired',
      'origin.test',
      () => authority.issue({ names: ['origin.test'], notAfter: new Date(Date.now() - 60_000) }),
      REFUSED,
    ],
    [
      'that is not valid yet',
      'origin.test',
      () => authority.issue({ names: ['origin.test'], notBefore: new Date(Date.now() + day) }),
      REFUSED,
    ],
    ['for the address', '127.0.0.1', () => authority.issue({ names: ['127.0.0.1'] }), '200 h3'],
    ['for another address', '127.0.0.1', () => authority.issue({ names: ['127.0.0.2'] }), REFUSED],
    ['for names, asked by address', '127.0.0.1', () => authority.issue({ names: ['localhost'] }), REFUSED],
    ['with the address as a name', '127.0.0.1', () => authority.issue({ names: ['*.0.0.1'] }), REFUSED],
  ] as const)(
    'are accepted or refused by their name, authority and time: one %s',
    async ([, host, issue, expected]) => {
      const { port } = await start(await issue())
      expect(await outcome(port, host, trusting())).toBe(expected)
    },
  )

  it('are accepted by a client that trusts one that signed itself, and by no other', async ctx => {
    const noOpenssl = requireBinary('openssl')
    ctx.skip(noOpenssl !== undefined, noOpenssl)
    using directory = makeTemporaryDirectory('self-signed')
    const [keyFile, certFile] = [join(directory.path, 'key.pem'), join(directory.path, 'cert.pem')]
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
    const names = ['-subj', '/CN=origin.test', '-addext', 'subjectAltName=DNS:origin.test']
    const made = await runTool('openssl', [
      'req',
      '-x509',
      ...curve,
      ...names,
      '-keyout',
      keyFile,
      '-out',
      certFile,
    ])
    expect(made.exitCode, made.output).toBe(0)
    const [cert, key] = [readFileSync(certFile, 'utf8'), readFileSync(keyFile, 'utf8')]
    const { port } = await start({ cert, key, ca: cert })
    expect(await outcome(port, 'origin.test', trusting())).toBe(REFUSED)
    expect(await outcome(port, 'origin.test', { ca: cert })).toBe('200 h3')
    expect(await outcome(port, 'other.test', { ca: cert })).toBe(REFUSED)
  })

  it('are refused by Node’s own list unless they are of its authorities', async () => {
    const { port } = await start(await authority.issue({ names: ['origin.test'] }))
    expect(await outcome(port, 'origin.test', {})).toBe(REFUSED)
  })

  it('are all accepted with rejectUnauthorized: false', async () => {
    const expired = { names: ['other.test'], notAfter: new Date(Date.now() - 60_000) }
    const { port } = await start(await foreign.issue(expired))
    expect(await outcome(port, 'origin.test', { ca: authority.cert, rejectUnauthorized: false })).toBe(
      '200 h3',
    )
    expect(await outcome(port, '127.0.0.1', { rejectUnauthorized: false })).toBe('200 h3')
  })

  it('are asked for and checked under another name with tls.serverName', async () => {
    const { port } = await start(await authority.issue({ names: ['inside.test'] }))
    expect(await outcome(port, 'origin.test', { ca: authority.cert, serverName: 'inside.test' })).toBe(
      '200 h3',
    )
    expect(await outcome(port, 'inside.test', { ca: authority.cert, serverName: 'origin.test' })).toBe(
      REFUSED,
    )
  })

  it('are refused with an error that says what is wrong', async () => {
    const { port } = await start(await authority.issue({ names: ['other.test'] }))
    await using transport = createTransport({
      defaults: { protocols: ['h3'], tls: trusting(), endpoints: [`127.0.0.1:${port}`] },
    })
    const failed: unknown = await transport
      .request(`https://origin.test:${port}/`)
      .catch((error: unknown) => error)
    expect(failed).toMatchObject({ code: 'MM_TLS_CERTIFICATE', message: expect.stringMatching(/name/) })
    // It is no reason to come back at once.
    expect(transport.stats().pools[0]).toMatchObject({ connectFailures: 1, opened: { full: 0 } })
  })
})
