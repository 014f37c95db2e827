import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { writeBodyFiles } from '../../test/support/body-files.ts'
import { type CertificateFiles, writeCertificateFiles } from '../../test/support/certificate-files.ts'
import { LINK_ADDRESSES, type LossyLink } from '../../test/support/lossy-link.ts'
import { startNginxProcess } from '../../test/support/nginx-process.ts'
import { type RealServer, startRealServer } from '../../test/support/real-server.ts'
import { makeTemporaryDirectory } from '../../test/support/temporary-directory.ts'

/**
 * caddy at the server's end of a link: HTTP/1.1, HTTP/2 and HTTP/3 on one port number, and Alt-Svc in its
 * answers.
 */
export interface FarCaddy extends AsyncDisposable {
  readonly url: string
  /** PEM. */
  readonly ca: string
  /** Where its name leads. */
  readonly resolve: Readonly<Record<string, string>>
  readonly server: RealServer
}

/** The namespace is its own: nobody else has ports there. */
const PORT = 443
const NAME = 'origin.test'

/** It has been started, and may need a moment more to accept: nobody at this end can see that. */
export async function startFarCaddy(
  link: LossyLink,
  cpu: number | undefined,
  port = PORT,
): Promise<FarCaddy> {
  const directory = makeTemporaryDirectory('far-caddy')
  try {
    const certificates = await writeCertificateFiles(directory.path, undefined, [NAME])
    const www = writeBodyFiles(directory.path)
    const config = join(directory.path, 'Caddyfile')
    // By itself it would write into the home directory.
    const home = join(directory.path, 'home')
    mkdirSync(home, { recursive: true })
    writeFileSync(
      config,
      `{
	admin off
	auto_https off
	log {
		level ERROR
	}
	servers {
		protocols h1 h2 h3
	}
}
https://${NAME}:${port} {
	bind ${LINK_ADDRESSES.server}
	tls ${certificates.certFile} ${certificates.keyFile}
	root * ${www}
	file_server
}
`,
    )
    const [command = '', ...prefix] = link.prefix('server')
    const server = await startRealServer({
      command,
      args: [...prefix, 'caddy', 'run', '--config', config, '--adapter', 'caddyfile'],
      env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
      ports: [],
      cpu,
    })
    return {
      url: `https://${NAME}:${port}`,
      ca: certificates.ca,
      resolve: { [`${NAME}:${port}`]: LINK_ADDRESSES.server },
      server,
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
