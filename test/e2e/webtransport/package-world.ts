import { createHash, X509Certificate } from 'node:crypto'
import { createTransport, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import {
  type PackageServer,
  type PackageSession,
  type WebTransportPackage,
} from '../../support/webtransport-package.ts'
import { untilEnd } from './session-world.ts'

export interface PackageWorld extends AsyncDisposable {
  readonly server: PackageServer
  readonly port: number
  readonly ca: string
  /** SHA-256 of the server's certificate. */
  readonly hash: Buffer
  /** Sessions that the server has accepted, oldest first. */
  readonly accepted: PackageSession[]
  /** A session of the package's, which trusts the authority of the tests unless `options` say otherwise. */
  open(path?: string, options?: object): PackageSession
  /** A session of ours towards the server. */
  readonly transport: Transport
}

/** A server of the package's over our listener, with sessions at `/session`. */
export async function packageWorld(
  loaded: WebTransportPackage,
  serve: (session: PackageSession) => unknown = () => {},
  options: object = {},
): Promise<PackageWorld> {
  const authority = await createCertificateAuthority()
  const { cert, key } = await authority.issue({ names: ['localhost'] })
  const server = new loaded.Http3Server({
    port: 0,
    host: '127.0.0.1',
    secret: 'of no use here',
    cert,
    privKey: key,
    ...options,
  })
  const accepted: PackageSession[] = []
  void untilEnd(server.sessionStream('/session'), session => {
    accepted.push(session)
    void serve(session)
  })
  server.startServer()
  await server.ready
  const { port } = server.address()
  const transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
  const opened: PackageSession[] = []
  return {
    server,
    port,
    ca: authority.cert,
    hash: createHash('sha256').update(new X509Certificate(cert).raw).digest(),
    accepted,
    transport,
    open: (path = '/session', given = {}) => {
      const session = new loaded.WebTransport(`https://localhost:${port}${path}`, {
        ca: authority.cert,
        requireUnreliable: true,
        ...given,
      })
      opened.push(session)
      for (const promise of [session.ready, session.closed]) promise.catch(() => {})
      return session
    },
    [Symbol.asyncDispose]: async () => {
      for (const session of opened) session.close()
      server.stopServer()
      await server.closed
      await transport.close()
    },
  }
}
