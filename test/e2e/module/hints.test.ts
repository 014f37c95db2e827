import { createServer } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  asTransportError,
  createTransport,
  type TransportError,
  type TransportOptions,
} from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { freePort } from '../../support/tcp-port.ts'

const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

async function failureOf(url: string, options: TransportOptions = {}): Promise<TransportError> {
  await using transport = createTransport(options)
  const outcome = await transport.request(url).catch((error: unknown) => asTransportError(error))
  if ('status' in outcome) throw new Error(`it was answered with ${outcome.status}`)
  return outcome
}

/** An origin whose certificate is for these names, until then; and its authority. */
async function originFor(names: readonly string[], notAfter?: Date): Promise<{ url: string; ca: string }> {
  const authority = await createCertificateAuthority()
  const notBefore = new Date(Date.now() - 10 * 86_400_000)
  const tls = await authority.issue({ names, notBefore, ...(notAfter !== undefined && { notAfter }) })
  const origin = await startQuickOrigin({ tls })
  closing.push(() => origin.close())
  return { url: origin.url.replace('127.0.0.1', 'localhost'), ca: authority.cert }
}

describe('the hint of a failure fits it, and says by `retryable` whether to try again', () => {
  it('where nobody listens', async () => {
    const error = await failureOf(`http://127.0.0.1:${await freePort()}/`)
    expect(error).toMatchObject({ code: 'MM_CONNECT_REFUSED', retryable: true, resendable: true })
    expect(error.hint).toContain('listens on that port')
  })

  it('where the name does not exist', async () => {
    const error = await failureOf('http://does-not-exist.invalid/')
    expect(error).toMatchObject({ code: 'MM_DNS_FAILED', retryable: false, resendable: true })
    expect(error.hint).toContain('check the host name')
  })

  it('where the certificate has expired', async () => {
    const { url, ca } = await originFor(['localhost'], new Date(Date.now() - 86_400_000))
    const error = await failureOf(url, { defaults: { tls: { ca } } })
    expect(error).toMatchObject({ code: 'MM_TLS_CERTIFICATE', retryable: false, resendable: true })
    expect(error.hint).toContain("renew the origin's certificate")
  })

  it('where the authority is not trusted', async () => {
    const { url } = await originFor(['localhost'])
    const error = await failureOf(url)
    expect(error).toMatchObject({ code: 'MM_TLS_CERTIFICATE', retryable: false })
    expect(error.hint).toContain('tls.ca')
  })

  it('where the certificate is for another name', async () => {
    const { url, ca } = await originFor(['shop.test'])
    const error = await failureOf(url, { defaults: { tls: { ca } } })
    expect(error).toMatchObject({ code: 'MM_TLS_CERTIFICATE', retryable: false })
    expect(error.hint).toContain('tls.serverName')
  })

  it('where there is no version of TLS in common', async () => {
    const authority = await createCertificateAuthority()
    const { cert, key } = await authority.issue({ names: ['localhost'] })
    const server = createServer({ cert, key, maxVersion: 'TLSv1.2' }).listen(0, '127.0.0.1')
    await new Promise(resolve => server.once('listening', resolve))
    closing.push(() => new Promise(resolve => server.close(resolve)))
    const { port } = server.address() as { port: number } // it listens on a port
    const tls = { ca: authority.cert, minVersion: 'TLSv1.3' } as const
    const error = await failureOf(`https://127.0.0.1:${port}/`, { defaults: { tls } })
    expect(error).toMatchObject({ code: 'MM_TLS_FAILED', retryable: false })
    expect(error.hint).toContain('tls.minVersion')
  })

  describe.skipIf(requireBinary('nginx'))('where nginx speaks no TLS', () => {
    let nginx: Nginx
    beforeAll(async () => {
      nginx = await startNginx()
    })
    afterAll(() => nginx[Symbol.asyncDispose]())

    it('and names http://, not ciphers', async () => {
      const error = await failureOf(nginx.plainUrl.replace('http:', 'https:'))
      expect(error).toMatchObject({ code: 'MM_TLS_FAILED', retryable: false })
      expect(error.message).toContain('does not speak TLS on this port')
      expect(error.hint).toContain('http://')
      expect(error.hint).not.toContain('cipher')
    })
  })
})
