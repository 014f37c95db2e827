import { startCaddy } from './caddy.ts'
import { startTcpRelay, type TcpRelay } from './tcp-relay.ts'
import { freeDualPort, openUdpSocket } from './udp-port.ts'
import { UdpRelay } from './udp-relay.ts'

/**
 * An origin of caddy whose TCP port and UDP port are relays of ours. It advertises HTTP/3 at its own port, as
 * caddy does.
 */
export interface RelayedCaddy extends AsyncDisposable {
  readonly port: number
  readonly tcp: TcpRelay
  readonly udp: UdpRelay
  /** `https://localhost:PORT`. */
  readonly url: string
  /** What its clients have to trust. */
  readonly ca: string
  /** Another process in its place, behind the same relays. */
  restart(signal?: NodeJS.Signals): Promise<void>
}

/**
 * `tcpDelayMs`: what TCP takes longer in each direction, so that HTTP/3 is the better choice. `extraSite`:
 * see CaddyOptions.
 */
export async function startRelayedCaddy(
  options: { tcpDelayMs?: number; extraSite?: string } = {},
): Promise<RelayedCaddy> {
  const { extraSite = '' } = options
  const caddy = await startCaddy({ http2: true, http3: true, extraSite: `${ALT_SVC_HERE}\n\t${extraSite}` })
  const port = await freeDualPort()
  const tcp = await startTcpRelay(caddy.tlsPort, { port, delayMs: options.tcpDelayMs ?? 0 })
  const udp = new UdpRelay(await openUdpSocket(port), caddy.tlsPort, {})
  return {
    port,
    tcp,
    udp,
    url: `https://localhost:${port}`,
    ca: caddy.certificates.ca,
    restart: signal => caddy.restart(signal),
    async [Symbol.asyncDispose]() {
      await udp[Symbol.asyncDispose]()
      await tcp[Symbol.asyncDispose]()
      await caddy.stop()
    },
  }
}

/** HTTP/3 at the port of the request, wherever there is none. For a Caddyfile. */
export const ALT_SVC_HERE = altSvc(':{http.request.port}')

/** A line of a Caddyfile that advertises HTTP/3 at `authority` (`:8443`, `other.example:443`). */
export function altSvc(authority: string): string {
  return `header {
		Alt-Svc \`h3="${authority}"; ma=3600\`
		defer
	}`
}
