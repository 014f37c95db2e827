import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type SecureContext } from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { abortError, TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { ProxyServer } from '../../base/options/egress-options.ts'
import { attemptError } from '../tcp/connect-error.ts'
import { ConnectDecoder, connectRequest, type TunnelTarget } from './connect-codec.ts'
import { connectRefusal, socksRefusal } from './proxy-error.ts'
import { SocksNegotiation, socksGreeting } from './socks5-codec.ts'

export interface TunnelRequest {
  readonly proxy: ProxyServer
  /** Where the proxy is. */
  readonly endpoint: Endpoint
  readonly target: TunnelTarget
  /** For `https` proxies. */
  readonly context: SecureContext | undefined
  readonly clock: Clock
  /** For all of it. 0: no limit. */
  readonly timeoutMs: number
}

const DURING = 'an event of a tunnel'

/**
 * Connects to a proxy and has it open a tunnel. Resolves with a socket that leads to the target, which nobody
 * reads yet. Rejects with a TransportError that names the proxy; after an abort with the signal's reason.
 * Nothing stays open then.
 */
export function openTunnel(request: TunnelRequest, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal, 'the tunnel'))
    const { proxy, clock, timeoutMs } = request
    const socket = openSocket(request)
    let hasConnected = false
    const end = (): void => {
      timer?.cancel()
      signal.removeEventListener('abort', onAbort)
      socket.removeListener('readable', onReadable)
      socket.removeListener('error', onError)
      socket.removeListener('close', onClose)
    }
    const fail = (error: TransportError): void => {
      end()
      socket.destroy()
      reject(error)
    }
    const onAbort = guardedListener(DURING, () => fail(abortError(signal, 'the tunnel')), fail)
    const onTimeout = (): void => {
      const what = hasConnected ? 'opened no tunnel' : 'did not answer'
      fail(new TransportError('MM_PROXY_TIMEOUT', `the proxy ${proxy.name} ${what} within ${timeoutMs} ms`))
    }
    const timer =
      timeoutMs > 0 ? clock.setTimer(timeoutMs, guardedListener(DURING, onTimeout, fail)) : undefined
    const onError = guardedListener(
      DURING,
      (cause: Error) => fail(unreachable(proxy, cause, hasConnected)),
      fail,
    )
    const onClose = guardedListener(
      DURING,
      () => fail(failed(proxy, 'closed the connection before the tunnel stood')),
      fail,
    )
    const negotiation = negotiationOf(request)
    const onReady = guardedListener(
      DURING,
      () => {
        hasConnected = true
        socket.write(negotiation.first)
      },
      fail,
    )
    const onReadable = guardedListener(
      DURING,
      () => {
        for (let chunk = readFrom(socket); chunk !== undefined; chunk = readFrom(socket)) {
          const step = negotiation.push(chunk)
          if (step instanceof TransportError) return fail(step)
          if (step.send !== undefined) socket.write(step.send)
          if (step.rest === undefined) continue
          end()
          // Who takes it over listens from the next turn of the microtasks on.
          if (step.rest.length > 0) socket.unshift(step.rest)
          return resolve(socket)
        }
      },
      fail,
    )
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', endBroken)
    socket.on('error', onError)
    socket.on('close', onClose)
    socket.once(proxy.isSecure ? 'secureConnect' : 'connect', onReady)
    socket.on('readable', onReadable)
    socket.setNoDelay(true)
  })
}

/** The next bytes that have come; undefined: none. */
function readFrom(socket: Socket): Buffer | undefined {
  const chunk: unknown = socket.read()
  return Buffer.isBuffer(chunk) ? chunk : undefined
}

/** For good: between two owners an error must not end the process. */
function endBroken(this: Socket): void {
  this.destroy()
}

function openSocket({ proxy, endpoint, context }: TunnelRequest): Socket {
  const { address, family, port } = endpoint
  const target = { host: address, port, family, autoSelectFamily: false }
  if (!proxy.isSecure) return connectTcp(target)
  return connectTls({
    ...target,
    secureContext: context,
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: true, // whatever NODE_TLS_REJECT_UNAUTHORIZED says: credentials go to it
    checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(proxy.host, certificate),
    ...(isIP(proxy.host) === 0 && { servername: proxy.host }),
  })
}

interface Negotiation {
  readonly first: Buffer
  /** `rest`: the tunnel stands, and begins with it. */
  push(chunk: Buffer): { readonly send?: Buffer; readonly rest?: Buffer } | TransportError
}

function negotiationOf({ proxy, target }: TunnelRequest): Negotiation {
  return proxy.kind === 'connect' ? connectNegotiation(proxy, target) : socksNegotiation(proxy, target)
}

function connectNegotiation(proxy: ProxyServer, target: TunnelTarget): Negotiation {
  const decoder = new ConnectDecoder()
  return {
    first: connectRequest(target, proxy.credentials),
    push(chunk) {
      const answer = decoder.push(chunk)
      switch (answer.kind) {
        case 'more':
          break
        case 'tunnel':
          return { rest: answer.rest }
        case 'refused':
          return connectRefusal(proxy.name, target, answer.status, answer.reason)
        case 'broken':
          return failed(proxy, `cannot be understood: ${answer.because}`)
      }
      return {}
    },
  }
}

function socksNegotiation(proxy: ProxyServer, target: TunnelTarget): Negotiation {
  const negotiation = new SocksNegotiation(target, proxy.credentials)
  return {
    first: socksGreeting(proxy.credentials),
    push(chunk) {
      const answer = negotiation.push(chunk)
      switch (answer.kind) {
        case 'more':
          break
        case 'send':
          return { send: answer.bytes }
        case 'tunnel':
          return { rest: answer.rest }
        case 'unauthorized':
          return new TransportError('MM_PROXY_AUTH', `the proxy ${proxy.name} refused us: ${answer.because}`)
        case 'refused':
          return socksRefusal(proxy.name, target, answer.reply, answer.because)
        case 'broken':
          return failed(proxy, `cannot be understood: ${answer.because}`)
      }
      return {}
    },
  }
}

function failed({ name }: ProxyServer, because: string): TransportError {
  return new TransportError('MM_PROXY_FAILED', `the proxy ${name} ${because}`)
}

/** Of its codes only what concerns this process stays: the others would speak of the origin. */
function unreachable(proxy: ProxyServer, cause: Error, hasConnected: boolean): TransportError {
  const phase = proxy.isSecure && !hasConnected ? 'tls' : 'connect'
  const { code, message, hint } = attemptError(cause, phase, `the proxy ${proxy.name}`, proxy.host)
  if (code === 'MM_OUT_OF_DESCRIPTORS' || code === 'MM_PORTS_EXHAUSTED')
    return new TransportError(code, message, { cause })
  const advice = code === 'MM_TLS_CERTIFICATE' ? { hint } : {}
  return new TransportError('MM_PROXY_FAILED', message, { cause, ...advice })
}
