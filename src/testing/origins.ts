import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { IssuedCertificate } from './certificates.ts'
import { answer, type SeenRequest, upgradeToEcho } from './origin-answers.ts'

/**
 * Origins to test against, on Node's own HTTP/1.1 server: a parser that none of ours had a part in. They
 * listen on loopback. What each path answers stands in origin-answers.ts.
 */
export interface TestOrigin {
  /** `https://localhost:43210`, without a slash at the end. */
  readonly url: string
  readonly port: number
  /** Ends every connection at once. */
  close(): Promise<void>
  /** Connections so far; with TLS those whose handshake was completed. */
  connectionsSeen(): number
  /** Connections that are open now. */
  connectionsOpen(): number
  requestsSeen(): number
  /** TLS handshakes that resumed a session. */
  resumptionsSeen(): number
}

/** How a test origin listens and answers. */
export interface OriginSettings {
  /** With a certificate it is https, else http. */
  tls?: IssuedCertificate
  /** Only clients with a certificate of this authority (PEM) are served. */
  clientCa?: string
  /** Default 0: any free port. */
  port?: number
  /** Default 127.0.0.1. */
  address?: string
  /** The text of its answer where the table has no path. Default: JSON with method and path. */
  describe?: (request: SeenRequest) => string
}

interface Behavior {
  delayMs: number
  keepAliveTimeoutMs: number
  maxRequestsPerConnection: number
}

/** Longer than any test: connections of the other origins end for the reason that the test is about. */
const LONG_KEEP_ALIVE_MS = 120_000
const WELL_BEHAVED: Behavior = {
  delayMs: 0,
  keepAliveTimeoutMs: LONG_KEEP_ALIVE_MS,
  maxRequestsPerConnection: 0,
}

/**
 * Answers at once and keeps its connections.
 *
 * @example
 * ```ts
 * const origin = await startQuickOrigin()
 * const response = await transport.request(`${origin.url}/bytes/10`)
 * ```
 */
export function startQuickOrigin(settings: OriginSettings = {}): Promise<TestOrigin> {
  return startOrigin(settings, WELL_BEHAVED)
}

/**
 * Thinks for a while before each answer.
 *
 * @example
 * ```ts
 * const origin = await startSlowOrigin({ delayMs: 500 })
 * ```
 */
export function startSlowOrigin(settings: OriginSettings & { delayMs?: number } = {}): Promise<TestOrigin> {
  return startOrigin(settings, { ...WELL_BEHAVED, delayMs: settings.delayMs ?? 300 })
}

/**
 * Closes a connection that was idle for a short while, and says so beforehand in whole seconds (`Keep-Alive:
 * timeout=`).
 *
 * @example
 * ```ts
 * const origin = await startIdleClosingOrigin({ keepAliveTimeoutMs: 2_000 })
 * ```
 */
export function startIdleClosingOrigin(
  settings: OriginSettings & { keepAliveTimeoutMs?: number } = {},
): Promise<TestOrigin> {
  return startOrigin(settings, {
    ...WELL_BEHAVED,
    keepAliveTimeoutMs: settings.keepAliveTimeoutMs ?? 1_000,
  })
}

/**
 * Ends each connection after so many requests: `Connection: close` on the last answer, then a FIN.
 *
 * @example
 * ```ts
 * const origin = await startRecyclingOrigin({ maxRequestsPerConnection: 10 })
 * ```
 */
export function startRecyclingOrigin(
  settings: OriginSettings & { maxRequestsPerConnection?: number } = {},
): Promise<TestOrigin> {
  return startOrigin(settings, {
    ...WELL_BEHAVED,
    maxRequestsPerConnection: settings.maxRequestsPerConnection ?? 100,
  })
}

async function startOrigin(settings: OriginSettings, behavior: Behavior): Promise<TestOrigin> {
  const requestsOf = new WeakMap<Socket, number>()
  let connections = 0
  let open = 0
  let resumptions = 0
  let requests = 0

  const onRequest = (request: http.IncomingMessage, response: http.ServerResponse): void => {
    requests++
    const onConnection = (requestsOf.get(request.socket) ?? 0) + 1
    requestsOf.set(request.socket, onConnection)
    if (onConnection === behavior.maxRequestsPerConnection) response.shouldKeepAlive = false
    if (behavior.delayMs === 0) answer(request, response, settings.describe)
    else setTimeout(answer, behavior.delayMs, request, response, settings.describe).unref()
  }
  const options = {
    keepAliveTimeout: behavior.keepAliveTimeoutMs,
    noDelay: true,
    ...(settings.tls && { cert: settings.tls.cert, key: settings.tls.key }),
    ...(settings.clientCa !== undefined && {
      ca: settings.clientCa,
      requestCert: true,
      rejectUnauthorized: true,
    }),
  }
  const server = settings.tls ? https.createServer(options, onRequest) : http.createServer(options, onRequest)
  server.on('upgrade', (request: http.IncomingMessage, socket: Socket, head: Buffer) => {
    requests++
    upgradeToEcho(request, socket, head)
  })
  server.on(settings.tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    connections++
    open++
    if (socket instanceof TLSSocket && socket.isSessionReused()) resumptions++
    socket.once('close', () => open--)
    socket.on('error', () => {}) // a client may go at any time: 'close' follows
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(settings.port ?? 0, settings.address ?? '127.0.0.1', resolve)
  })
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo, not a path
  return {
    url: `${settings.tls ? 'https' : 'http'}://localhost:${port}`,
    port,
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
    connectionsSeen: () => connections,
    connectionsOpen: () => open,
    requestsSeen: () => requests,
    resumptionsSeen: () => resumptions,
  }
}
