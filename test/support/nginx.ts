import type { CertificateAuthority } from '../../src/testing/certificates.ts'
import { writeBodyFiles } from './body-files.ts'
import { type CertificateFiles, writeCertificateFiles } from './certificate-files.ts'
import { type NginxCounters, nginxCounters } from './nginx-counters.ts'
import { startNginxProcess } from './nginx-process.ts'
import type { RealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface NginxOptions {
  /** Signs the certificate; default: one of its own. */
  authority?: CertificateAuthority
  /** What the certificate is for; default SERVER_NAMES. */
  names?: readonly string[]
  tlsProtocols?: readonly ('TLSv1.2' | 'TLSv1.3')[]
  /** Offers HTTP/2 on the TLS port too, and listens on the h2c port. */
  http2?: boolean
  /** SETTINGS_MAX_CONCURRENT_STREAMS. nginx' own default is 128. */
  http2MaxConcurrentStreams?: number
  /** The connection is closed after this many requests. nginx' own default is 1000. */
  keepaliveRequests?: number
  /** Idle connections are closed after this (nginx time, `75s`). */
  keepaliveTimeout?: string
  /** The rate of /slow/; nginx sends the first second's worth at once. */
  slowBytesPerSecond?: number
  /** Words behind `listen` of the TLS port: `fastopen=256`. */
  tlsListen?: string
  workers?: number
  cpu?: number | undefined
  /** Configuration text for `http { }`, where TLS_PORT stands for the TLS port, and for `server { }`. */
  extraHttp?: string
  extraServer?: string
}

/**
 * nginx as an origin, on a TLS port and a cleartext port, and with `http2` on a third one that speaks
 * cleartext HTTP/2 and nothing else (nginx 1.22 tells the two apart by the port): /1k /100k /10m (see bodyOf)
 * /huge; /chunked/1k … without content-length; /trailers/1k … with `x-checksum: middlemile` behind the body;
 * /slow/1k … at a crawl; /204 /503 /redirect; PUT and GET /upload/NAME; /sink answers at once and reads the
 * request body away; /reflect says what nginx saw, one `name: value` a line.
 */
export interface Nginx extends AsyncDisposable {
  readonly server: RealServer
  readonly directory: string
  readonly tlsPort: number
  readonly plainPort: number
  readonly h2cPort: number
  /** `https://localhost:PORT`, without a slash at its end. */
  readonly url: string
  readonly plainUrl: string
  readonly h2cUrl: string
  readonly certificates: CertificateFiles
  reload(): Promise<void>
  restart(): Promise<void>
  /** Connections and requests since the start or restart, the helper's own left out. */
  counters(): Promise<NginxCounters>
  stop(): Promise<void>
}

export async function startNginx(options: NginxOptions = {}): Promise<Nginx> {
  const directory = makeTemporaryDirectory('nginx')
  try {
    const certificates = await writeCertificateFiles(directory.path, options.authority, options.names)
    const www = writeBodyFiles(directory.path)
    const tlsPort = await freePort()
    const plainPort = await freePort()
    const h2cPort = await freePort()
    const nginx = await startNginxProcess({
      directory: directory.path,
      http: originConfig(options, {
        directory: directory.path,
        www,
        certificates,
        tlsPort,
        plainPort,
        h2cPort,
      }),
      ports: options.http2 === true ? [tlsPort, plainPort, h2cPort] : [tlsPort, plainPort],
      workers: options.workers ?? 1,
      cpu: options.cpu,
    })
    const counters = nginxCounters(plainPort)
    await counters.reset()
    const stop = async (): Promise<void> => {
      await nginx.server.stop()
      directory.remove()
    }
    return {
      get server() {
        return nginx.server
      },
      directory: directory.path,
      tlsPort,
      plainPort,
      h2cPort,
      url: `https://localhost:${tlsPort}`,
      plainUrl: `http://localhost:${plainPort}`,
      h2cUrl: `http://localhost:${h2cPort}`,
      certificates,
      reload: () => nginx.reload(),
      async restart() {
        await nginx.restart()
        await counters.reset()
      },
      counters: () => counters.read(),
      stop,
      [Symbol.asyncDispose]: stop,
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}

interface Places {
  directory: string
  www: string
  certificates: CertificateFiles
  tlsPort: number
  plainPort: number
  h2cPort: number
}

function originConfig(options: NginxOptions, places: Places): string {
  const { directory, www, certificates, tlsPort, plainPort, h2cPort } = places
  const h2c = options.http2 === true ? `listen 127.0.0.1:${h2cPort} http2 backlog=4096;` : ''
  return `
  sendfile on;
  keepalive_requests ${options.keepaliveRequests ?? 1000};
  keepalive_timeout ${options.keepaliveTimeout ?? '75s'};
  client_max_body_size 0;
  default_type application/octet-stream;
  open_file_cache max=100 inactive=600s;
  open_file_cache_valid 600s;
  ssl_certificate ${certificates.certFile};
  ssl_certificate_key ${certificates.keyFile};
  ssl_protocols ${(options.tlsProtocols ?? ['TLSv1.2', 'TLSv1.3']).join(' ')};
  ssl_session_cache shared:sessions:4m;
  http2_max_concurrent_streams ${options.http2MaxConcurrentStreams ?? 128};
  ${(options.extraHttp ?? '').replaceAll('TLS_PORT', String(tlsPort))}
  server {
    listen 127.0.0.1:${tlsPort} ssl${options.http2 === true ? ' http2' : ''} backlog=4096 ${options.tlsListen ?? ''};
    listen 127.0.0.1:${plainPort} backlog=4096;
    ${h2c}
    server_name localhost;
    root ${www};
    location / { }
    # A filter that may change the length takes content-length off, whether it finds anything or not.
    location /chunked/ { alias ${www}/; sub_filter_types *; sub_filter 'middlemile-absent' ''; }
    location /trailers/ { alias ${www}/; add_trailer x-checksum middlemile; }
    location /slow/ { alias ${www}/; limit_rate ${options.slowBytesPerSecond ?? 50_000}; }
    location = /204 { return 204; }
    location = /503 { return 503 "busy\\n"; }
    location = /redirect { return 302 /1k; }
    location = /sink { return 200 "ok\\n"; }
    location = /reflect { default_type text/plain; return 200 "${REFLECTION}"; }
    location = /nginx-status { stub_status; }
    location /upload/ { root ${directory}; dav_methods PUT DELETE; create_full_put_path on; }
    ${options.extraServer ?? ''}
  }`
}

const REFLECTION = [
  'request-line: $request',
  'host: $http_host',
  'connection: $http_connection',
  'te: $http_te',
  'via: $http_via',
  'forwarded: $http_forwarded',
  'x-forwarded-for: $http_x_forwarded_for',
  'user-agent: $http_user_agent',
  'content-length: $http_content_length',
  'transfer-encoding: $http_transfer_encoding',
  'x-test: $http_x_test',
  'tls-version: $ssl_protocol',
  'tls-server-name: $ssl_server_name',
  'tls-reused: $ssl_session_reused',
  'connection-number: $connection',
  'connection-requests: $connection_requests',
  'remote-port: $remote_port',
]
  .map(line => `${line}\\n`)
  .join('')

/** What a /reflect said. A field that the server did not see is ''. */
export function parseReflection(text: string): Record<string, string> {
  const reflection: Record<string, string> = {}
  for (const line of text.trim().split('\n')) {
    const colon = line.indexOf(':')
    reflection[line.slice(0, colon)] = line.slice(colon + 1).trim()
  }
  return reflection
}
