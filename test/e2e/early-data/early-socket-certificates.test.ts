import { once } from 'node:events'
import { type AddressInfo, isIP } from 'node:net'
import { connect, createServer, type SecureContextOptions } from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { TlsOptions } from '../../../src/base/options/options.ts'
import { attemptError } from '../../../src/connect/tcp/connect-error.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { openEarlyClient, sessionOfNode } from '../../support/early-client.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'

const missing = requireOpenssl()
const DAY_MS = 86_400_000

interface Case {
  readonly what: string
  readonly certificate: (
    trusted: CertificateAuthority,
    foreign: CertificateAuthority,
  ) => Promise<SecureContextOptions>
  readonly serverName?: string
  /** Undefined: it is accepted. */
  readonly code: string | undefined
  /** What node:tls says, where it goes on after the first fault and names the last one. */
  readonly nodeCode?: string
}

const CASES: readonly Case[] = [
  { what: 'a good one', certificate: ca => ca.issue({ names: ['origin.test'] }), code: undefined },
  {
    what: 'an expired one',
    certificate: ca => ca.issue({ names: ['origin.test'], notAfter: new Date(Date.now() - 1000) }),
    code: 'CERT_HAS_EXPIRED',
  },
  {
    what: 'one of tomorrow',
    certificate: ca => ca.issue({ names: ['origin.test'], notBefore: new Date(Date.now() + DAY_MS) }),
    code: 'CERT_NOT_YET_VALID',
  },
  {
    what: 'one for another name',
    certificate: ca => ca.issue({ names: ['evil.test'] }),
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  {
    what: 'one of an authority that is not trusted',
    certificate: (_, foreign) => foreign.issue({ names: ['origin.test'] }),
    code: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
    nodeCode: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  },
  {
    what: 'one of an authority that is not trusted, with its chain',
    certificate: async (_, foreign) => {
      const issued = await foreign.issue({ names: ['origin.test'] })
      return { cert: issued.cert + issued.ca, key: issued.key }
    },
    code: 'SELF_SIGNED_CERT_IN_CHAIN',
  },
  {
    what: 'one that signed itself',
    certificate: async () => {
      const own = await createCertificateAuthority('origin.test')
      return { cert: own.cert, key: own.key }
    },
    code: 'DEPTH_ZERO_SELF_SIGNED_CERT',
    // It is not made for servers either.
    nodeCode: 'INVALID_PURPOSE',
  },
  {
    what: 'an address that it names',
    certificate: ca => ca.issue({ names: ['127.0.0.1'] }),
    serverName: '127.0.0.1',
    code: undefined,
  },
  {
    what: 'an address that it does not name',
    certificate: ca => ca.issue({ names: ['origin.test', '127.0.0.2'] }),
    serverName: '127.0.0.1',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
  {
    what: 'a wildcard for it',
    certificate: ca => ca.issue({ names: ['*.origin.test'] }),
    serverName: 'shop.origin.test',
    code: undefined,
  },
  {
    what: 'a wildcard one label too high',
    certificate: ca => ca.issue({ names: ['*.origin.test'] }),
    serverName: 'a.shop.origin.test',
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  },
]

describe.skipIf(missing !== undefined)(`certificates with early data (${missing ?? 'OpenSSL'})`, () => {
  for (const { what, certificate, serverName = 'origin.test', code, nodeCode = code } of CASES) {
    it(`${what}: as node:tls`, async () => {
      const trusted = await createCertificateAuthority()
      const foreign = await createCertificateAuthority('foreign')
      const good = await trusted.issue({ names: [serverName] })
      await using server = await startServer(good)
      const { port } = server
      const tls = { ca: trusted.cert }
      // A ticket of better days, which the server cannot read any more.
      const session = await sessionOfNode(port, tls.ca, { serverName })
      server.replace(await certificate(trusted, foreign))

      expect(await codeOfNode(port, tls, serverName)).toBe(nodeCode)
      server.received.length = 0
      await using client = await openEarlyClient({ port, tls, session, serverName, first: 'secret' })
      if (code === undefined) {
        expect(await client.handshake).toMatchObject({ isResumed: false })
        await client.untilText('secret')
        return
      }
      await client.closed
      expect(client.events).toEqual([`error ${code}`, 'close'])
      expect(attemptError(client.error(), 'tls', '127.0.0.1', serverName).code).toBe('MM_TLS_CERTIFICATE')
      await server.ended()
      expect(server.received).toEqual([])

      // Who does not want to know is not notified.
      const anybody = { ...tls, rejectUnauthorized: false }
      await using other = await openEarlyClient({ port, tls: anybody, session, serverName, first: 'open' })
      expect(await other.handshake).toMatchObject({ isResumed: false, certificate: undefined })
      await other.untilText('open')
    })
  }

  it('are checked anew where the peer of the session was not', async () => {
    const foreign = await createCertificateAuthority('foreign')
    await using server = await startServer(await foreign.issue({ names: ['origin.test'] }))
    const { port } = server
    const trusted = await createCertificateAuthority()
    const session = await sessionOfNode(port, trusted.cert, { rejectUnauthorized: false })
    const tls = { ca: trusted.cert }
    await using client = await openEarlyClient({ port, tls, session, first: 'secret' })
    await client.closed
    expect(client.events).toEqual(['error SELF_SIGNED_CERT_IN_CHAIN', 'close'])
    const anybody = { ...tls, rejectUnauthorized: false }
    await using other = await openEarlyClient({ port, tls: anybody, session, first: 'open' })
    expect(await other.handshake).toMatchObject({ isResumed: true })
  })

  it('that are bad, of a server that refuses early data, get it nothing else', async ctx => {
    const tool = requireBinary('nginx')
    ctx.skip(tool !== undefined, tool)
    const trusted = await createCertificateAuthority()
    const extraServer = 'ssl_early_data on;'
    const names = ['localhost', 'origin.test']
    const request = 'GET /1k HTTP/1.1\r\nhost: origin.test\r\n\r\n'
    const tls = { ca: trusted.cert }
    let session: Buffer
    {
      await using nginx = await startNginx({ authority: trusted, names, extraServer })
      session = await sessionOfNode(nginx.tlsPort, tls.ca, { first: request })
    }
    const foreign = await createCertificateAuthority('foreign')
    await using nginx = await startNginx({ authority: foreign, names, extraServer })
    const before = await nginx.counters()
    await using client = await openEarlyClient({ port: nginx.tlsPort, tls, session, first: request })
    await client.closed
    expect(client.events).toEqual(['error UNABLE_TO_GET_ISSUER_CERT_LOCALLY', 'close'])
    expect((await nginx.counters()).requests).toBe(before.requests)
  })

  it('without a list of authorities they are those of node:tls', async () => {
    const foreign = await createCertificateAuthority('foreign')
    await using server = await startServer(await foreign.issue({ names: ['origin.test'] }))
    await using client = await openEarlyClient({ port: server.port, tls: {}, first: 'secret' })
    await client.closed
    expect(client.events).toEqual(['error SELF_SIGNED_CERT_IN_CHAIN', 'close'])
  })
})

async function codeOfNode(port: number, tls: TlsOptions, servername: string): Promise<string | undefined> {
  const ca = tls.ca as string
  const name = isIP(servername) === 0 ? { servername } : {}
  const socket = connect({ port, host: '127.0.0.1', ca, ...name })
  let code: string | undefined
  socket.on('error', (error: Error & { code?: string }) => {
    code = error.code
  })
  socket.once('secureConnect', () => socket.end())
  socket.resume()
  await new Promise(resolve => socket.once('close', resolve))
  return code
}

/** Sends back what it gets, and keeps it. */
async function startServer(context: SecureContextOptions) {
  const received: string[] = []
  let open = 0
  const server = createServer({ ...context, ALPNProtocols: ['http/1.1'] }, socket => {
    open++
    socket.on('close', () => open--)
    socket.on('error', () => {}) // clients come and go
    socket.on('data', data => {
      received.push(data.toString('latin1'))
      socket.write(data)
    })
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    port,
    received,
    replace(next: SecureContextOptions) {
      const { cert, key } = next
      server.setSecureContext({ cert, key })
      // Node keeps the keys of its tickets: the old ones would still be good.
      server.setTicketKeys(Buffer.alloc(48, received.length + 7))
    },
    /** Resolves when every connection has ended. */
    async ended() {
      do await new Promise(resolve => setTimeout(resolve, 20))
      while (open > 0)
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}
