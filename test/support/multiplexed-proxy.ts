import { connect, type Socket } from 'node:net'
import type { IngressExchange, IngressHandler } from '../../src/ingress/ingress-exchange.ts'
import { listen } from '../../src/ingress/listener.ts'
import { listenQuic } from '../../src/ingress/quic-listener.ts'
import type { OwnProxy } from './own-proxy.ts'

export interface MultiplexedProxyOptions {
  readonly protocol: 'h2' | 'h3'
  readonly tls: { readonly cert: string; readonly key: string }
  /** The value of Proxy-Authorization that it wants. */
  readonly authorization?: string
  /** Instead of a tunnel: a status, or nothing at all. */
  readonly answer?: number | 'silence'
  /** The status of each CONNECT-UDP; or it is accepted, and breaks. */
  readonly answerToUdp?: number | 'breaks'
  /** Each tunnel is reset when so much came from the origin. */
  readonly diesAfterBytes?: number
}

/** A proxy of ours that takes CONNECT over HTTP/2 or HTTP/3, on 127.0.0.1. */
export async function startMultiplexedProxy(options: MultiplexedProxyOptions): Promise<OwnProxy> {
  const { protocol, tls } = options
  const open = new Set<Socket>()
  const targets: string[] = []
  const handler: IngressHandler = exchange => {
    exchange.events = { onDrain: () => {}, onAborted: () => {} }
    const { authorization, answer } = options
    if (answer === 'silence') return
    if (authorization !== undefined && !exchange.headers.includes(authorization))
      return refuse(exchange, 407, ['proxy-authenticate', 'Basic'])
    if (answer !== undefined) return refuse(exchange, answer, [])
    if (exchange.upgrade === 'connect-udp') {
      const { answerToUdp = 501 } = options
      if (answerToUdp !== 'breaks') return refuse(exchange, answerToUdp, [])
      const tunnel = exchange.acceptUpgrade(200, ['capsule-protocol', '?1'])
      tunnel.on('error', () => {}).once('data', () => tunnel.destroy(new Error('it breaks')))
      return
    }
    targets.push(exchange.authority)
    openTunnel(exchange, open, options.diesAfterBytes ?? Infinity)
  }
  const address = { host: '127.0.0.1', port: 0 }
  const listener =
    protocol === 'h2'
      ? await listen({ address, tls: { ...tls }, protocols: ['h2'], handler })
      : await listenQuic({
          address,
          tls: { ...tls, clientCa: undefined, ticketKey: undefined, earlyData: false },
          retry: 'never',
          allowsMigration: false,
          limits: {},
          handler,
        })
  const close = async (): Promise<void> => {
    for (const socket of open) socket.destroy()
    await listener.close()
  }
  return {
    port: listener.port,
    connections: () => listener.stats.protocols[protocol].connections,
    targets,
    close,
    [Symbol.asyncDispose]: close,
  }
}

function refuse(exchange: IngressExchange, status: number, headers: string[]): void {
  exchange.respondStart(status, headers)
  exchange.respondEnd([])
}

function openTunnel(exchange: IngressExchange, open: Set<Socket>, diesAfterBytes: number): void {
  const at = exchange.authority.lastIndexOf(':')
  const host = exchange.authority.slice(0, at).replace(/^\[|\]$/g, '')
  const origin = connect({ host, port: Number(exchange.authority.slice(at + 1)) })
  open.add(origin)
  origin.once('close', () => open.delete(origin))
  origin.once('error', () => refuse(exchange, 502, []))
  origin.once('connect', () => {
    origin.removeAllListeners('error')
    const tunnel = exchange.acceptUpgrade(200, [])
    let bytes = 0
    origin.on('error', () => tunnel.destroy())
    tunnel.on('error', () => origin.destroy())
    tunnel.on('close', () => origin.destroy())
    origin.on('data', chunk => {
      bytes += chunk.length
      if (bytes > diesAfterBytes) tunnel.destroy(new Error('the proxy gives up'))
    })
    tunnel.pipe(origin).pipe(tunnel)
  })
}
