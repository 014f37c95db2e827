import type { QuicCongestionControl } from '../../src/base/options/protocol-options.ts'
import type { CertificateFiles } from '../../test/support/certificate-files.ts'

/**
 * A server that a scenario wants. All serve /1k /10k /100k /1m /10m /200m; a request to /sink is answered
 * when the whole of its body is there. nginx speaks HTTP/1.1 and HTTP/2 and takes early data over TCP, caddy
 * speaks HTTP/3 as well and takes it over QUIC, `unary` is ours: short calls with trailers over HTTP/2 and
 * HTTP/3; `own` is our HTTP/3 listener with the same bodies, and nothing else.
 */
export type OriginPlan = OriginTraits &
  (
    | {
        readonly kind: 'nginx'
        readonly ports?: number
        /** It closes a connection after so many requests. Default: as good as never. */
        readonly keepaliveRequests?: number
        /** It closes an idle connection after so long. Default: ten minutes. */
        readonly keepaliveTimeoutMs?: number
        /** HTTP/1.1 is all that it offers. */
        readonly hasHttp1Alone?: boolean
      }
    | { readonly kind: 'caddy'; readonly ports?: number }
    | { readonly kind: 'unary'; readonly ports?: 1 }
    | {
        readonly kind: 'own'
        readonly ports?: 1
        /** Of what it sends. Default: that of `quic.congestionControl`. */
        readonly congestionControl?: QuicCongestionControl
        /** Of its process, beside what ours has. */
        readonly environment?: Readonly<Record<string, string>>
      }
  )

interface OriginTraits {
  /**
   * On the CPU of the clients, so that the two take turns and what waits for one has gathered when its turn
   * comes, as it does for a busy process. On another CPU the two hand each other one or two requests at a
   * time over loopback, and the figure is that of waking a neighbor: half of its cost can be that. Default:
   * on another one.
   */
  readonly isOnClientCpu?: boolean
}

/** Where it runs. */
export interface OriginPlace {
  /** A directory of its own. */
  readonly directory: string
  /** What it serves. */
  readonly www: string
  /** Of its certificate. */
  readonly name: string
  /** Beside 127.0.0.1, where whoever starts it looks whether it accepts. */
  readonly address: string
  readonly ports: readonly number[]
  /** On 127.0.0.1, without TLS, for what a server cannot do itself. */
  readonly sinkPort: number
  readonly certificates: CertificateFiles
}

type NginxPlan = Extract<OriginPlan, { kind: 'nginx' }>

/** What stands within `http { }`. */
export function nginxConfig(plan: NginxPlan, place: OriginPlace): string {
  const { www, name, ports, certificates } = place
  const listens = ports.flatMap(port =>
    addressesOf(place).map(at => `listen ${at}:${port} ssl${plan.hasHttp1Alone === true ? '' : ' http2'};`),
  )
  return `
  sendfile on;
  default_type application/octet-stream;
  open_file_cache max=100 inactive=600s;
  open_file_cache_valid 600s;
  keepalive_requests ${plan.keepaliveRequests ?? 1_000_000_000};
  keepalive_timeout ${plan.keepaliveTimeoutMs ?? 600_000}ms;
  ssl_certificate ${certificates.certFile};
  ssl_certificate_key ${certificates.keyFile};
  ssl_protocols TLSv1.3;
  ssl_session_cache shared:sessions:4m;
  ssl_early_data on;
  ${SINK_BUFFERS}
  server {
    ${listens.join('\n    ')}
    server_name ${name};
    root ${www};
    location = /sink { ${toSink(place)} }
  }
  ${sinkServer(place)}`
}

/** Of the nginx that stands behind a server which cannot read a body away. */
export function sinkConfig(place: OriginPlace): string {
  return `${SINK_BUFFERS}${sinkServer(place)}`
}

/** A body is read into memory, whole, before anything is answered. */
const SINK_BUFFERS = `
  client_max_body_size 0;
  client_body_buffer_size 16m;
  client_header_buffer_size 4k;`

function toSink({ sinkPort }: OriginPlace): string {
  return `proxy_pass http://127.0.0.1:${sinkPort}/done; proxy_pass_request_body off; proxy_set_header Content-Length "";`
}

function sinkServer(place: OriginPlace): string {
  return `
  server {
    listen 127.0.0.1:${place.sinkPort};
    keepalive_requests 1000000000;
    location = /done { return 200 "ok\\n"; }
    location = /sink { ${toSink(place)} }
  }`
}

/** A Caddyfile. */
export function caddyConfig(place: OriginPlace): string {
  const { www, name, ports, sinkPort, certificates } = place
  return `{
	admin off
	auto_https off
	log {
		level ERROR
	}
	servers {
		protocols h1 h2 h3
	}
}
${ports.map(port => `https://${name}:${port}`).join(', ')} {
	bind ${addressesOf(place).join(' ')}
	tls ${certificates.certFile} ${certificates.keyFile}
	reverse_proxy /sink 127.0.0.1:${sinkPort}
	root * ${www}
	file_server
}
`
}

function addressesOf({ address }: OriginPlace): string[] {
  return [...new Set(['127.0.0.1', address])]
}
