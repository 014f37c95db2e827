import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { type RealServer, startRealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface OpensslServerOptions {
  authority?: CertificateAuthority
  names?: readonly string[]
  /** As `openssl s_server` has them. */
  switches?: readonly string[]
}

/**
 * `openssl s_server`, which does handshakes, one connection after the other, and sends every line back to
 * front.
 */
export interface OpensslServer extends AsyncDisposable {
  readonly server: RealServer
  readonly port: number
  readonly certificates: CertificateFiles
}

export async function startOpensslServer(options: OpensslServerOptions = {}): Promise<OpensslServer> {
  const directory = makeTemporaryDirectory('openssl')
  try {
    const certificates = await writeCertificateFiles(directory.path, options.authority, options.names)
    const port = await freePort()
    const { certFile, keyFile } = certificates
    const switches = options.switches ?? []
    const server = await startRealServer({
      command: 'openssl',
      args: [
        's_server',
        '-accept',
        `127.0.0.1:${port}`,
        '-cert',
        certFile,
        '-key',
        keyFile,
        '-rev',
        ...switches,
      ],
      ports: [port],
    })
    return {
      server,
      port,
      certificates,
      async [Symbol.asyncDispose]() {
        await server.stop()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}
