import { existsSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { bodyOf } from './body-files.ts'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { type RealServer, startRealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'
import { until } from './until.ts'

export interface HaproxyOptions {
  authority?: CertificateAuthority
  names?: readonly string[]
  /** Idle connections are closed after this (haproxy time, `2s`). */
  keepAliveTimeout?: string
  /** Silence of a client within a request. */
  clientTimeout?: string
  /** Offers HTTP/2 on the TLS port too, and listens on the h2c port. */
  http2?: boolean
  /** SETTINGS_MAX_CONCURRENT_STREAMS. haproxy's own default is 100. */
  http2MaxConcurrentStreams?: number
  cpu?: number | undefined
  /** Configuration text for the frontend. */
  extraFrontend?: string
}

/**
 * haproxy as an origin, on a TLS port and a cleartext port, and with `http2` on a third one that speaks
 * cleartext HTTP/2 only: it answers by itself, out of `http-request return`. /1k (see bodyOf); /reflect, one
 * `name: value` a line; /close answers `connection: close`; /204 /503; /sink waits for the request body (up
 * to haproxy's buffer, 16 KB) and answers with its size. All else is 404.
 */
export interface Haproxy extends AsyncDisposable {
  readonly server: RealServer
  readonly tlsPort: number
  readonly plainPort: number
  readonly h2cPort: number
  readonly url: string
  readonly plainUrl: string
  readonly h2cUrl: string
  readonly certificates: CertificateFiles
  /** Connections and requests since the start; those of the start itself are left out. */
  counters(): Promise<{ connections: number; requests: number }>
  stop(): Promise<void>
}

export async function startHaproxy(options: HaproxyOptions = {}): Promise<Haproxy> {
  const directory = makeTemporaryDirectory('haproxy')
  let forget = async (): Promise<void> => directory.remove()
  try {
    const certificates = await writeCertificateFiles(directory.path, options.authority, options.names)
    const tlsPort = await freePort()
    const plainPort = await freePort()
    const h2cPort = await freePort()
    const file = join(directory.path, '1k')
    const socket = join(directory.path, 'stats.sock')
    writeFileSync(file, bodyOf(1024))
    const config = originConfig(options, {
      file,
      socket,
      bundle: certificates.bundleFile,
      tlsPort,
      plainPort,
      h2cPort,
    })
    const ports = options.http2 === true ? [tlsPort, plainPort, h2cPort] : [tlsPort, plainPort]
    const server = await startHaproxyProcess(directory.path, config, ports, options.cpu)
    const stop = async (): Promise<void> => {
      await server.stop()
      directory.remove()
    }
    forget = stop
    // It gets its name after the ports are open.
    await until(() => existsSync(socket), 'the socket for statistics')
    const baseline = await readCounters(socket)
    return {
      server,
      tlsPort,
      plainPort,
      h2cPort,
      url: `https://localhost:${tlsPort}`,
      plainUrl: `http://localhost:${plainPort}`,
      h2cUrl: `http://localhost:${h2cPort}`,
      certificates,
      async counters() {
        const now = await readCounters(socket)
        return {
          connections: now.connections - baseline.connections,
          requests: now.requests - baseline.requests,
        }
      },
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    await forget()
    throw error
  }
}

/**
 * Starts haproxy in the foreground. `-db` forbids the background that a `daemon` in the configuration would
 * ask for.
 */
export function startHaproxyProcess(
  directory: string,
  config: string,
  ports: readonly number[],
  cpu?: number,
): Promise<RealServer> {
  const path = join(directory, 'haproxy.cfg')
  writeFileSync(path, config)
  return startRealServer({ command: 'haproxy', args: ['-db', '-f', path], ports, cpu })
}

interface Places {
  file: string
  socket: string
  bundle: string
  tlsPort: number
  plainPort: number
  h2cPort: number
}

function originConfig(options: HaproxyOptions, places: Places): string {
  const alpn = options.http2 === true ? 'h2,http/1.1' : 'http/1.1'
  const h2c = options.http2 === true ? `bind 127.0.0.1:${places.h2cPort} proto h2` : ''
  // lf-string is a log format: spaces are escaped, \n makes the lines.
  const reflection = REFLECTION.map(line => `${line.replaceAll(' ', '\\ ')}\\n`).join('')
  return `global
  nbthread 1
  maxconn 4000
  tune.h2.max-concurrent-streams ${options.http2MaxConcurrentStreams ?? 100}
  # Without this a second haproxy on the same port would share it instead of failing.
  noreuseport
  stats socket ${places.socket} mode 600 level user
defaults
  mode http
  timeout connect 5s
  timeout client ${options.clientTimeout ?? '60s'}
  timeout server 60s
  timeout http-request 10s
  timeout http-keep-alive ${options.keepAliveTimeout ?? '60s'}
frontend origin
  bind 127.0.0.1:${places.tlsPort} ssl crt ${places.bundle} alpn ${alpn}
  bind 127.0.0.1:${places.plainPort}
  ${h2c}
  ${options.extraFrontend ?? ''}
  http-request return status 200 content-type application/octet-stream file ${places.file} if { path /1k }
  http-request return status 204 if { path /204 }
  http-request return status 503 content-type text/plain string "busy" if { path /503 }
  http-request return status 200 content-type text/plain string "bye" hdr connection close if { path /close }
  http-request wait-for-body time 10s if { path /sink }
  http-request return status 200 content-type text/plain lf-string %[req.body_size] if { path /sink }
  http-request return status 200 content-type text/plain lf-string ${reflection} if { path /reflect }
  http-request return status 404 content-type text/plain string "nothing here"
`
}

const REFLECTION = [
  'request-line: %[method] %[path] HTTP/%[req.ver]',
  'host: %[req.hdr(host)]',
  'connection: %[req.hdr(connection)]',
  'via: %[req.hdr(via)]',
  'forwarded: %[req.hdr(forwarded)]',
  'x-test: %[req.hdr(x-test)]',
  'tls-version: %[ssl_fc_protocol]',
  'tls-server-name: %[ssl_fc_sni]',
  'tls-reused: %[ssl_fc_is_resumed]',
  'remote-port: %[src_port]',
]

/** Out of the stats socket, whose own connections do not count towards the frontend. */
async function readCounters(socketPath: string): Promise<{ connections: number; requests: number }> {
  const text = await new Promise<string>((resolve, reject) => {
    const socket = connect({ path: socketPath })
    let answer = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      answer += chunk
    })
    socket.setTimeout(5_000, () => socket.destroy(new Error('no answer')))
    socket.once('end', () => resolve(answer)).once('error', reject)
    socket.write('show stat\n')
  })
  const lines = text.trim().split('\n')
  const names = lines[0]?.replace(/^# /, '').split(',') ?? []
  const row = lines.find(line => line.startsWith('origin,FRONTEND,'))?.split(',')
  if (row === undefined) throw new Error(`not a statistics page: ${text.slice(0, 200)}`)
  const column = (name: string): number => Number(row[names.indexOf(name)])
  return { connections: column('conn_tot'), requests: column('req_tot') }
}
