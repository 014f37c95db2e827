import type { Clock } from '../base/clock.ts'
import { abortError, TransportError } from '../base/errors.ts'
import { guardedListener, guardedPromise } from '../base/guard.ts'
import type { ExchangeController, ExchangeHandler } from '../base/http/exchange.ts'
import type { HeaderList } from '../base/http/headers.ts'
import { parseOrigin } from '../base/http/origin.ts'
import type { ProxyServer } from '../base/options/egress-options.ts'
import type { TransportOptions } from '../base/options/transport-options.ts'
import type { DatagramTunnel } from '../base/socket/datagram-tunnel.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'
import { basicCredentials, formatTarget } from '../connect/proxy/connect-codec.ts'
import { connectRefusal } from '../connect/proxy/proxy-error.ts'
import type { DispatchRequest } from '../exchange/dispatch.ts'
import { UdpTemplate } from '../masque/udp-template.ts'
import { UdpTunnel } from '../masque/udp-tunnel.ts'
import type { ProxyEgress } from '../origin/egress/egress-settings.ts'
import type { PooledTunnelRequest } from '../origin/egress/proxied-route.ts'
import type { Transport } from './types.ts'

/**
 * The connections to proxies that speak HTTP/2 or HTTP/3. To us such a proxy is an origin as any other: a
 * transport of its own has its pools, tickets and liveness, and each tunnel is a CONNECT (RFC 9113 8.5, RFC
 * 9114 4.4). Each egress and protocol has one, so that a proxy cannot see that two egresses are both us.
 */
export class PooledTunnels {
  readonly #make: (options: TransportOptions) => Transport
  readonly #clock: Clock
  readonly #transports = new Map<string, { readonly ca: ProxyEgress['ca']; readonly transport: Transport }>()

  constructor(clock: Clock, make: (options: TransportOptions) => Transport) {
    this.#clock = clock
    this.#make = make
  }

  /**
   * Rejects with a TransportError that names the proxy; after an abort with the signal's reason. Nothing of
   * it stays open then.
   */
  async open(request: PooledTunnelRequest, signal: AbortSignal): Promise<StreamSocket> {
    const authority = formatTarget(request.target)
    return await this.#open(
      request,
      { method: 'CONNECT', authority, path: '', headers: [], body: null },
      signal,
    )
  }

  /** For UDP (RFC 9298). Rejects with MM_PROXY_REFUSED where the proxy takes none, too. */
  async openUdp(request: PooledTunnelRequest, signal: AbortSignal): Promise<DatagramTunnel> {
    const { egress, target, proxy } = request
    const template = UdpTemplate.parse(egress.udpTemplate)
    if (typeof template === 'string') throw new TransportError('MM_INTERNAL', `udpTemplate ${template}`)
    const asked = {
      method: 'GET', // an extended CONNECT by the name of what it stands for (RFC 8441 5)
      path: template.expand(target),
      headers: ['capsule-protocol', '?1'],
      body: null,
      upgrade: 'connect-udp',
    }
    try {
      const stream = await this.#open(request, asked, signal)
      return new UdpTunnel(stream, { clock: this.#clock, maxQueuedBytes: MAX_QUEUED_BYTES })
    } catch (error) {
      if (!(error instanceof TransportError) || error.code !== 'MM_UPGRADE_UNAVAILABLE') throw error
      const message = `the proxy ${proxy.name} takes no CONNECT-UDP: ${error.message}`
      throw new TransportError('MM_PROXY_REFUSED', message, { cause: error })
    }
  }

  #open(request: PooledTunnelRequest, asked: DispatchRequest, signal: AbortSignal): Promise<StreamSocket> {
    const { egress, proxy, timeoutMs } = request
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'the tunnel'))
      const exchange = new TunnelExchange(request, asked.upgrade !== undefined, {
        onOpened: tunnel => {
          end()
          resolve(tunnel)
        },
        onFailed: error => {
          end()
          reject(error)
        },
      })
      const end = (): void => {
        timer?.cancel()
        signal.removeEventListener('abort', onAbort)
      }
      const fail = (error: TransportError): void => {
        end()
        reject(error)
        handle.abort(error)
      }
      const onAbort = guardedListener(DURING, () => fail(abortError(signal, 'the tunnel')), fail)
      const onTimeout = (): void => {
        const message = `the proxy ${proxy.name} opened no tunnel within ${timeoutMs} ms`
        fail(new TransportError('MM_PROXY_TIMEOUT', message))
      }
      const timer =
        timeoutMs > 0 ? this.#clock.setTimer(timeoutMs, guardedListener(DURING, onTimeout, fail)) : undefined
      signal.addEventListener('abort', onAbort, { once: true })
      const { credentials, host, port, kind } = proxy
      const headers =
        credentials === undefined
          ? asked.headers
          : [...asked.headers, 'proxy-authorization', basicCredentials(credentials)]
      const place = parseOrigin(`https://${formatTarget({ host, port })}`)
      const handle = this.#transportOf(egress, kind).dispatch(place, { ...asked, headers }, exchange)
    })
  }

  /** When no tunnel is wanted any more. */
  async close(): Promise<void> {
    const all = Array.from(this.#transports.values(), ({ transport }) => transport.close())
    this.#transports.clear()
    await Promise.all(all)
  }

  #transportOf({ name, ca }: ProxyEgress, kind: 'h2' | 'h3'): Transport {
    const key = `${kind} ${name}`
    const known = this.#transports.get(key)
    if (known !== undefined && JSON.stringify(known.ca) === JSON.stringify(ca)) return known.transport
    // Other authorities, since a reload: what they have not vouched for carries no new tunnels.
    if (known !== undefined) guardedPromise('the end of connections to proxies', known.transport.drain())
    const transport = this.#make({
      defaults: {
        protocols: [kind],
        coalesce: 'never',
        quic: { maxQueuedDatagrams: MAX_QUEUED_DATAGRAMS },
        ...(ca !== undefined && { tls: { ca } }),
      },
    })
    this.#transports.set(key, { ca, transport })
    return transport
  }
}

const DURING = 'an event of a tunnel'
/** Of UDP, for the congestion window of the connection to the proxy: about what a router holds. */
const MAX_QUEUED_DATAGRAMS = 1_024
/** The same of each tunnel whose datagrams go as part of its stream. */
const MAX_QUEUED_BYTES = 1_048_576

interface TunnelListener {
  readonly onOpened: (tunnel: StreamSocket) => void
  readonly onFailed: (error: TransportError) => void
}

/** One CONNECT: the tunnel, or why there is none. */
class TunnelExchange implements ExchangeHandler {
  readonly #request: PooledTunnelRequest
  readonly #isUdp: boolean
  readonly #listener: TunnelListener

  constructor(request: PooledTunnelRequest, isUdp: boolean, listener: TunnelListener) {
    this.#request = request
    this.#isUdp = isUdp
    this.#listener = listener
  }

  onRequestStart(): void {}
  onInformational(): void {}

  /** Any status but 2xx; its body is not read. */
  onResponseStart(controller: ExchangeController, status: number): void {
    const { proxy, target } = this.#request
    // 501 is of the proxy: it does not know what it is asked for (RFC 9110 15.6.2).
    const refusal =
      this.#isUdp && status === 501
        ? new TransportError('MM_PROXY_REFUSED', `the proxy ${proxy.name} takes no CONNECT-UDP (501)`)
        : connectRefusal(proxy.name, target, status, '')
    controller.abort(refusal)
  }

  onResponseData(): void {}
  onResponseEnd(): void {}

  onUpgrade(
    _controller: ExchangeController,
    _status: number,
    _headers: HeaderList,
    tunnel: StreamSocket,
  ): void {
    // As a socket of a pool: who waits for what it carries holds the process.
    tunnel.unref()
    tunnel.on('error', endBroken)
    this.#listener.onOpened(tunnel)
  }

  onResponseError(_controller: ExchangeController | undefined, error: TransportError): void {
    this.#listener.onFailed(proxyError(this.#request.proxy, error))
  }
}

/** For good: between two owners an error must not end the process. */
function endBroken(this: StreamSocket): void {
  this.destroy()
}

const OUT_OF_TIME: ReadonlySet<string> = new Set([
  'MM_CONNECT_TIMEOUT',
  'MM_TLS_TIMEOUT',
  'MM_HEADERS_TIMEOUT',
])

/**
 * What concerns this process alone, or names the proxy already, stays; the rest would speak of the origin.
 */
function proxyError({ name }: ProxyServer, error: TransportError): TransportError {
  const { code, message, hint, fault } = error
  if (message.includes(name) || (fault === 'local' && code !== 'MM_TLS_CERTIFICATE')) return error
  const advice = code === 'MM_TLS_CERTIFICATE' ? { hint } : {}
  return new TransportError(
    OUT_OF_TIME.has(code) ? 'MM_PROXY_TIMEOUT' : 'MM_PROXY_FAILED',
    `the proxy ${name}: ${message}`,
    { cause: error, ...advice },
  )
}
