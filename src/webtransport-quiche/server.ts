import { lookup } from 'node:dns/promises'
import { systemClock, type Timer } from '../base/clock.ts'
import { guarded, guardedPromise } from '../base/guard.ts'
import { headersToRecord, NO_HEADERS } from '../base/http/headers.ts'
import { acceptWebTransport, offeredProtocols } from '../ingress/accept-web-transport.ts'
import type { IngressExchange } from '../ingress/ingress-exchange.ts'
import type { IngressListener } from '../ingress/listener.ts'
import { listenQuic } from '../ingress/quic-listener.ts'
import { AdaptedSession } from './adapted-session.ts'
import {
  type PackageServer,
  type PackageServerOptions,
  type SessionAnswer,
  type SessionRequest,
  windowsOf,
} from './package-contract.ts'

const DURING = 'a server of @fails-components/webtransport'
/** How long its request callback may take: the package keeps to itself what it rejects with. */
const ANSWER_MS = 30_000
/** The package knows no bound, and its clients may pool. */
const MAX_SESSIONS = 64

/** A request for a session that the request callback thinks about. */
class PendingRequest {
  readonly exchange: IngressExchange
  readonly header: SessionRequest['header']
  readonly #timer: Timer
  #isOver = false

  constructor(exchange: IngressExchange, header: SessionRequest['header']) {
    this.exchange = exchange
    this.header = header
    this.#timer = systemClock.setTimer(ANSWER_MS, () => {
      if (this.take()) refuse(exchange, 503)
    })
    exchange.events = { onDrain() {}, onAborted: () => void this.take() }
  }

  /** True: it is to be answered now. */
  take(): boolean {
    this.#timer.cancel()
    const isFirst = !this.#isOver
    this.#isOver = true
    return isFirst
  }
}

/**
 * The package's server over our listener.
 *
 * @example
 * ```ts
 * const cert = readFileSync('cert.pem', 'utf8')
 * const server = new Http3WebTransportServer({ port: 4433, cert, privKey: readFileSync('key.pem', 'utf8') })
 * server.addPath('/app')
 * server.startServer()
 * ```
 */
export class Http3WebTransportServer {
  /** The package puts its own server here, and its socket. */
  jsobj: PackageServer | undefined
  socket: Http3WebTransportServerSocket | undefined
  readonly #options: PackageServerOptions
  readonly #paths = new Set<string>()
  #asksForRequests = false
  #listener: Promise<IngressListener> | undefined

  constructor(options: PackageServerOptions) {
    this.#options = options
  }

  startServer(): void {
    if (this.#listener !== undefined) return
    const listener = this.#listen()
    this.#listener = listener
    listener.then(
      ({ address, port }) => this.#tell(server => server.onServerListening({ port, host: address })),
      (error: unknown) => this.#tell(server => server.onServerError(error)),
    )
  }

  stop(): void {
    const close = async (): Promise<void> => {
      const listener = await this.#listener?.catch(() => undefined) // it was never there
      await listener?.close()
      this.#tell(server => server.onServerClose())
    }
    guardedPromise(DURING, close())
  }

  // What the package calls

  addPath(path: string): void {
    this.#paths.add(path)
  }

  setJSRequestHandler(asks: boolean): void {
    this.#asksForRequests = asks
  }

  /** `http2Only`: it is for the other half of a server that speaks both. */
  updateCert(cert: string | readonly string[], key: string | readonly string[], http2Only?: boolean): void {
    if (http2Only === true) return
    const renew = async (): Promise<void> => {
      const listener = await this.#listener
      listener?.renewCertificates([{ cert: textOf(cert), key: textOf(key) }])
    }
    guardedPromise(DURING, renew())
  }

  /** What the request callback has said: whatever its author returned. */
  finishSessionRequest(answer: SessionAnswer): void {
    const { session: pending, status, userData, selectedProtocol } = answer
    if (!(pending instanceof PendingRequest) || !pending.take()) return
    const { exchange } = pending
    const code = Number(status)
    const path = typeof answer.path === 'string' ? answer.path : exchange.path
    if (code !== 200) refuse(exchange, Number.isInteger(code) && code >= 300 && code <= 599 ? code : 500)
    // Whom nobody waits for would be open for ever.
    else if (this.jsobj?.sessionController?.[path] === undefined) refuse(exchange, 404)
    else this.#accept(exchange, { path, header: pending.header, userData, protocol: selectedProtocol })
  }

  // Requests

  async #listen(): Promise<IngressListener> {
    const { host = 'localhost', port = 443, cert, privKey, maxConnections } = this.#options
    const { address } = await lookup(host)
    return listenQuic({
      address: { host: address, port: Number(port) },
      tls: { cert: textOf(cert), key: textOf(privKey) },
      webTransport: true,
      limits: {
        quic: windowsOf(this.#options),
        http3: { maxSessions: MAX_SESSIONS },
        ...(maxConnections !== undefined && { maxConnections }),
      },
      handler: exchange => this.#onRequest(exchange),
    })
  }

  #onRequest(exchange: IngressExchange): void {
    exchange.events = { onDrain() {}, onAborted() {} }
    const { jsobj } = this
    if (exchange.upgrade !== 'webtransport' || jsobj === undefined) return refuse(exchange, 404)
    const header = headerOf(exchange)
    const { path } = exchange
    if (!this.#asksForRequests) {
      if (this.#paths.has(path)) this.#accept(exchange, { path, header, userData: {}, protocol: undefined })
      else refuse(exchange, 404)
      return
    }
    const pending = new PendingRequest(exchange, header)
    const asked = guarded(DURING, () => {
      const peerAddress = peerOf(exchange)
      jsobj.onSessionRequest({ header, peerAddress, session: pending, promise: pending, protocol: PROTOCOL })
      return true
    })
    if (asked !== true && pending.take()) refuse(exchange, 500)
  }

  #accept(
    exchange: IngressExchange,
    asked: { path: string; header: object; userData: unknown; protocol: unknown },
  ): void {
    const { path, header, userData, protocol } = asked
    const offered = offeredProtocols(exchange)
    const chosen = offered.find(name => name === protocol)
    const session = new AdaptedSession(acceptWebTransport(exchange, { protocol: chosen }))
    this.#tell(server =>
      server.onHttpWTSessionVisitor({ session, path, header, peerAddress: peerOf(exchange), userData }),
    )
    session.begin()
  }

  #tell(say: (server: PackageServer) => void): void {
    const { jsobj } = this
    if (jsobj !== undefined) guarded(DURING, () => say(jsobj))
  }
}

/**
 * The package wants one beside each server. The sockets themselves are those of our listener.
 *
 * @example
 * ```ts
 * const socket = new Http3WebTransportServerSocket()
 * socket.stopServer()
 * ```
 */
export class Http3WebTransportServerSocket {
  /** The package puts the server here. */
  cobj: Http3WebTransportServer | undefined

  init(): void {}

  stopServer(): void {
    this.cobj?.stop()
  }
}

/** As the package calls its HTTP/3. */
const PROTOCOL = 'http3:libquiche'

function headerOf(exchange: IngressExchange): SessionRequest['header'] {
  const protocols = offeredProtocols(exchange)
  return {
    ...headersToRecord(exchange.headers),
    ':method': 'CONNECT',
    ':protocol': 'webtransport',
    ':scheme': exchange.scheme,
    ':authority': exchange.authority,
    ':path': exchange.path,
    ...(protocols.length > 0 && { 'wt-available-protocols': protocols }),
  }
}

function peerOf({ remoteAddress, remotePort }: IngressExchange): string {
  return `${remoteAddress}:${remotePort}`
}

function refuse(exchange: IngressExchange, status: number): void {
  exchange.respondStart(status, NO_HEADERS)
  exchange.respondEnd(NO_HEADERS)
}

/** Of several for one name the first. */
function textOf(pem: string | readonly string[]): string {
  return typeof pem === 'string' ? pem : (pem[0] ?? '')
}
