import { type CertificateFiles, writeCertificateFiles } from '../../../test/support/certificate-files.ts'
import { LINK_ADDRESSES, type LossyLink } from '../../../test/support/lossy-link.ts'
import { startNginxProcess } from '../../../test/support/nginx-process.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'

/**
 * nginx at the server's end of a link: HTTP/1.1 and HTTP/2, TLS 1.3 with early data, Fast Open. `/first-byte`
 * reports how the session came to be.
 */
export interface FarNginx extends AsyncDisposable {
  readonly name: string
  readonly address: string
  readonly port: number
  readonly certificates: CertificateFiles
}

/** The namespace is its own: nobody else has ports there. */
const PORT = 443
const NAME = 'origin.test'

/**
 * Whether Fast Open is used is a matter of the namespace's sysctl. Connections are closed by the client, or
 * else here after a second.
 */
export async function startFarNginx(link: LossyLink, cpu: number | undefined): Promise<FarNginx> {
  const directory = makeTemporaryDirectory('far-nginx')
  // It is waited for on 127.0.0.1 of that end.
  const stay = link.enter('server')
  try {
    const certificates = await writeCertificateFiles(directory.path, undefined, [NAME])
    const { server } = await startNginxProcess({
      directory: directory.path,
      ports: [PORT],
      cpu,
      http: `
  keepalive_timeout 1s;
  ssl_certificate ${certificates.certFile};
  ssl_certificate_key ${certificates.keyFile};
  ssl_protocols TLSv1.3;
  ssl_session_cache shared:sessions:4m;
  ssl_early_data on;
  server {
    listen ${PORT} ssl http2 fastopen=256;
    server_name ${NAME};
    location = /first-byte {
      default_type text/plain;
      return 200 "reused=$ssl_session_reused early=$ssl_early_data\\n";
    }
  }`,
    })
    return {
      name: NAME,
      address: LINK_ADDRESSES.server,
      port: PORT,
      certificates,
      async [Symbol.asyncDispose]() {
        await server.stop()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw error
  } finally {
    stay[Symbol.dispose]()
  }
}
