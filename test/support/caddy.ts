import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { writeBodyFiles } from './body-files.ts'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { type RealServer, startRealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'
import { freeDualPort, waitUntilSpeaksQuic } from './udp-port.ts'

export interface CaddyOptions {
  authority?: CertificateAuthority
  names?: readonly string[]
  /** Idle connections are closed after this (Go time, `2s`). */
  idleTimeout?: string
  /** Offers HTTP/2 on the TLS port too, and takes it by prior knowledge on the cleartext port. */
  http2?: boolean
  /** Offers HTTP/3 too, on the UDP port of the same number as the TLS port. It takes early data. */
  http3?: boolean
  /** Lets reload() replace the configuration while it runs. */
  reloadable?: boolean
  cpu?: number | undefined
  /** Caddyfile text for both sites, before the file server. */
  extraSite?: string
}

/**
 * caddy as an origin, on a TLS port and a cleartext port: the files of writeBodyFiles; /reflect, one `name:
 * value` a line; /hello a short text; /204 /503.
 */
export interface Caddy extends AsyncDisposable {
  /** The process that serves now. */
  readonly server: RealServer
  readonly tlsPort: number
  readonly plainPort: number
  readonly url: string
  readonly plainUrl: string
  readonly certificates: CertificateFiles
  /**
   * Takes the same configuration anew, as `caddy reload` does: the old listeners end gracefully, new ones
   * take their place.
   */
  reload(): Promise<void>
  /** Another process in its place, on the same ports, with the same certificate, and another ticket key. */
  restart(signal?: NodeJS.Signals): Promise<void>
  stop(): Promise<void>
}

export async function startCaddy(options: CaddyOptions = {}): Promise<Caddy> {
  const directory = makeTemporaryDirectory('caddy')
  try {
    const certificates = await writeCertificateFiles(directory.path, options.authority, options.names)
    const www = writeBodyFiles(directory.path)
    const tlsPort = await freeDualPort()
    const plainPort = await freePort()
    const adminPort = options.reloadable === true ? await freePort() : undefined
    const config = caddyfile(options, { www, certificates, tlsPort, plainPort, adminPort })
    const start = async (): Promise<RealServer> => {
      const started = await startCaddyProcess(directory.path, config, [tlsPort, plainPort], options.cpu)
      if (options.http3 !== true || (await waitUntilSpeaksQuic(tlsPort, 10_000, () => started.hasExited())))
        return started
      await started.stop('SIGKILL')
      throw new Error(`caddy does not speak QUIC on port ${tlsPort}:\n${started.output()}`)
    }
    let server = await start()
    const stop = async (): Promise<void> => {
      await server.stop()
      directory.remove()
    }
    return {
      get server() {
        return server
      },
      tlsPort,
      plainPort,
      url: `https://localhost:${tlsPort}`,
      plainUrl: `http://localhost:${plainPort}`,
      certificates,
      async reload() {
        if (adminPort === undefined) throw new Error('started without `reloadable`')
        // Without must-revalidate caddy sees that nothing has changed, and does nothing.
        const headers = { 'content-type': 'text/caddyfile', 'cache-control': 'must-revalidate' }
        const url = `http://127.0.0.1:${adminPort}/load`
        const response = await fetch(url, { method: 'POST', headers, body: config })
        if (!response.ok) throw new Error(`caddy did not reload: ${await response.text()}`)
      },
      async restart(signal) {
        await server.stop(signal)
        server = await start()
      },
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}

/** Starts caddy with its state inside `directory`: by itself it would write into the home directory. */
function startCaddyProcess(
  directory: string,
  config: string,
  ports: readonly number[],
  cpu?: number,
): Promise<RealServer> {
  const path = join(directory, 'Caddyfile')
  const home = join(directory, 'home')
  mkdirSync(home, { recursive: true })
  writeFileSync(path, config)
  return startRealServer({
    command: 'caddy',
    args: ['run', '--config', path, '--adapter', 'caddyfile'],
    env: { HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
    ports,
    cpu,
  })
}

interface Places {
  www: string
  certificates: CertificateFiles
  tlsPort: number
  plainPort: number
  adminPort: number | undefined
}

function caddyfile(options: CaddyOptions, places: Places): string {
  const { www, certificates, tlsPort, plainPort, adminPort } = places
  return `{
	admin ${adminPort === undefined ? 'off' : `127.0.0.1:${adminPort}`}
	auto_https off
	# Clients that connect by address send no SNI.
	default_sni localhost
	log {
		level ERROR
	}
	servers {
		protocols h1${options.http2 === true ? ' h2 h2c' : ''}${options.http3 === true ? ' h3' : ''}
		timeouts {
			idle ${options.idleTimeout ?? '60s'}
		}
	}
}
(origin) {
	bind 127.0.0.1
	${options.extraSite ?? ''}
	respond /hello "hello from caddy
" 200
	respond /204 204
	respond /503 "busy" 503
	respond /reflect "${REFLECTION}" 200
	root * ${www}
	file_server
}
https://:${tlsPort} {
	tls ${certificates.certFile} ${certificates.keyFile}
	import origin
}
http://:${plainPort} {
	import origin
}
`
}

const REFLECTION = [
  'request-line: {method} {uri} {http.request.proto}',
  'host: {hostport}',
  'connection: {header.Connection}',
  'via: {header.Via}',
  'forwarded: {header.Forwarded}',
  'x-test: {header.X-Test}',
  'tls-version: {tls_version}',
  'tls-server-name: {http.request.tls.server_name}',
  'tls-reused: {http.request.tls.resumed}',
  'remote-port: {remote_port}',
]
  .map(line => `${line}\n`)
  .join('')
