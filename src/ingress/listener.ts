import net from 'node:net'
import tls from 'node:tls'
import { type Clock, systemClock } from '../base/clock.ts'
import { containFault, guarded, guardedListener } from '../base/guard.ts'
import { descriptorOf } from '../base/socket/stream-socket.ts'
import { DeadPeerDetector } from '../connect/native/dead-peer-detector.ts'
import { socketCalls } from '../connect/native/socket-calls.ts'
import { DEFAULT_CODEC_LIMITS } from '../http/http1/codec/codec-failure.ts'
import { AcceptGate, type AcceptRoom } from './accept-gate.ts'
import { ClientLimits } from './client-limits.ts'
import { clientRefusal, withRequestRates } from './client-refusals.ts'
import { checkFastOpen, fastOpenListener } from './fast-open-listener.ts'
import { FlooderTable } from './flooder-table.ts'
import { ServerHttp1Session } from './http1/server-http1-session.ts'
import type { IngressObserver } from './ingress-event.ts'
import type { IngressHandler } from './ingress-exchange.ts'
import { type IngressLimitsInput, ingressLimits } from './ingress-limits.ts'
import { countDefence, type IngressProtocol, type IngressStats, newIngressStats } from './ingress-stats.ts'
import { withLoadShedding } from './load-shedder.ts'
import { ProxiedClients, type ProxyProtocolOptions } from './proxied-clients.ts'
import { QueuedAccepts } from './queued-accepts.ts'
import type { IngressSession, SessionContext } from './session-context.ts'
import { SessionOpening } from './session-opening.ts'
import { ServerHttp2Session } from './streams/server-http2-session.ts'
import type { CertificatePair } from './tls/server-certificates.ts'
import { TlsClients, type UnknownNames } from './tls/tls-clients.ts'
import { isUnixClient, nameUnixClient, unixPathOf } from './unix-socket.ts'

export interface ListenOptions {
  /** Port 0: a free one. `unix:` and a path for a host: a Unix socket, which is removed with the listener. */
  address: { host: string; port: number }
  /** A socket that listens already, e.g. one that was inherited, instead of a new one on `address`. */
  descriptor?: number
  /**
   * PEM certificate chain and key, and whatever else node:tls takes for a secure context. Without it: plain
   * HTTP.
   */
  tls?: tls.SecureContextOptions
  /**
   * Certificates by the server name that a client asks for (SNI), in place of `cert` and `key` of `tls`: see
   * CertificateIndex. The first one is for everybody else.
   */
  certificates?: readonly CertificatePair[]
  /** Clients that ask for a name that no certificate has. Default `first`. */
  unknownNames?: UnknownNames
  /**
   * Client certificates that `tls.ca` vouches for. `require`: without one a handshake fails; `ask`: who shows
   * none, or another one, is a client without. Default: nobody is asked.
   */
  clientCertificates?: ClientCertificates
  handler: IngressHandler
  /**
   * What clients may speak; default: all of INGRESS_PROTOCOLS. TLS settles it by ALPN. In cleartext HTTP/2
   * comes by prior knowledge (RFC 9113 3.3): its preface is told from a request of HTTP/1.1. `Upgrade: h2c`
   * is never followed.
   */
  protocols?: readonly IngressProtocol[]
  /**
   * TCP Fast Open (RFC 7413): how many clients may wait at once whose data came with their SYN, and who spare
   * themselves a round trip. 0 or undefined: off. Linux, with native calls, and only where
   * net.ipv4.tcp_fastopen allows it to listeners; elsewhere the listener works without, and the observer
   * is notified why (`fast-open-unavailable`). Only with `tls`: the network may deliver the data of a SYN
   * twice, and "a server that cannot accept receiving the same SYN data more than once MUST NOT enable TFO"
   * (section 6.1). A ClientHello that comes twice is a handshake that nobody completes; a request in
   * cleartext would be made twice, an unsafe one among them. (Early data of TLS could be sent again too: this
   * listener takes none over TCP.)
   */
  fastOpen?: number
  /**
   * Every connection begins with a header of the PROXY protocol, version 1 or 2, which names the client: an
   * edge in front of us sends it (nginx' `proxy_protocol on`, haproxy's `send-proxy-v2`). What does not begin
   * so is ended, and so is who is not trusted. Default: there is none.
   */
  proxyProtocol?: ProxyProtocolOptions
  limits?: IngressLimitsInput
  clock?: Clock
  observer?: IngressObserver
  /** What we call ourselves in Proxy-Status. Default: `middlemile`. */
  proxyName?: string
  /**
   * Where it stops accepting, since descriptors are about to run out, and lets clients wait. Default:
   * nowhere.
   */
  room?: AcceptRoom
}

export const CLIENT_CERTIFICATES = ['require', 'ask'] as const
export type ClientCertificates = (typeof CLIENT_CERTIFICATES)[number]

/** What this listener can speak, the best first. */
export const INGRESS_PROTOCOLS: readonly IngressProtocol[] = ['h2', 'http/1.1']

export interface IngressListener {
  /** The IP address that it listens on. */
  readonly address: string
  readonly port: number
  readonly stats: IngressStats
  /** What handshakes show now. Empty: plain HTTP. */
  readonly certificates: readonly CertificatePair[]
  /**
   * Other certificates for handshakes from now on; connections stay as they are. False: they are what it has
   * already, or it speaks plain HTTP. Throws MM_INVALID_ARGUMENT when one cannot be used, and keeps what it
   * has.
   */
  renewCertificates(certificates: readonly CertificatePair[]): boolean
  /**
   * Accepts no more, ends idle connections, answers requests that are under way (with `Connection: close`),
   * and resolves when the last connection has ended.
   */
  drain(): Promise<void>
  /** Ends everything now; open exchanges are notified. */
  close(): Promise<void>
}

/**
 * How much of a response a socket takes before its exchange is asked to wait, which is what a client that
 * stalls makes it hold. TLS takes at least one read of the origin's socket, since it never writes at once.
 */
const WRITE_AHEAD_BYTES = { plain: 16_384, tls: 65_536 }

/**
 * Opens a listening socket for HTTP/1.1 and HTTP/2. Rejects with Node's own error, e.g. EADDRINUSE, and with
 * MM_INVALID_ARGUMENT when `fastOpen` is no whole number, or goes without `tls`.
 */
export async function listen(options: ListenOptions): Promise<IngressListener> {
  const fastOpen = checkFastOpen(options)
  const unixPath = unixPathOf(options.address.host)
  const limits = ingressLimits(options.limits)
  const protocols = options.protocols ?? INGRESS_PROTOCOLS
  const takesHttp1 = protocols.includes('http/1.1')
  const takesHttp2 = protocols.includes('h2')
  const stats = newIngressStats()
  const observer = options.observer ?? ignoreEvent
  const clock = options.clock ?? systemClock
  const { intervalMs, timeoutMs } = limits.liveness
  const boundMs = intervalMs > 0 && timeoutMs > 0 ? intervalMs + timeoutMs : 0
  const proxyName = options.proxyName ?? 'middlemile'
  const clientLimits = new ClientLimits(limits)
  const handler = withRequestRates(options.handler, { clientLimits, clock, stats, observer, proxyName })
  const context: SessionContext = {
    handler: withLoadShedding({ handler, limits, clock, stats, proxyName }),
    limits,
    codecLimits: {
      ...DEFAULT_CODEC_LIMITS,
      maxLineBytes: limits.maxLineBytes,
      maxHeaderBytes: limits.maxHeaderBytes,
      maxHeaderCount: limits.maxHeaderCount,
      maxTrailerBytes: Math.min(limits.maxHeaderBytes, DEFAULT_CODEC_LIMITS.maxTrailerBytes),
    },
    clock,
    silence: new DeadPeerDetector({ clock, boundMs }),
    stats,
    observer,
    flooders: new FlooderTable(limits),
    scheme: options.tls === undefined ? 'http' : 'https',
    proxyName,
  }
  const sessions = new Set<IngressSession>()
  const sockets = new Set<net.Socket>()
  let isDraining = false
  let isServerClosed = false
  /**
   * Handshakes that end because we closed their connection, and whose failure Node will report: it is none.
   */
  let refusedHandshakes = 0
  let settle: () => void = () => {}
  const closed = new Promise<void>(resolve => {
    settle = resolve
  })
  // The server closes with its last connection, but before that connection's own 'close'.
  const settleIfClosed = (): void => {
    if (isServerClosed && sockets.size === 0) settle()
  }

  const newSession = (socket: net.Socket): IngressSession => {
    if (!takesHttp2) return new ServerHttp1Session(socket, context)
    // Who offers no ALPN to a listener that takes nothing else is told from his first bytes whether he knew.
    if (!takesHttp1) return new ServerHttp2Session(socket, context)
    if (!(socket instanceof tls.TLSSocket)) return new SessionOpening(socket, context)
    return socket.alpnProtocol === 'h2'
      ? new ServerHttp2Session(socket, context)
      : new ServerHttp1Session(socket, context)
  }
  /** Whether its client is refused new connections: it is closed then. Once for each connection. */
  const refuseClient = (socket: net.Socket): boolean => {
    const { remoteAddress } = socket
    if (remoteAddress === undefined || isUnixClient(remoteAddress)) return false
    const because = clientRefusal({ flooders: context.flooders, clientLimits, clock }, remoteAddress)
    if (because === undefined) {
      if (clientLimits.areSet)
        socket.once('close', () => guarded('the end of a client', () => clientLimits.onClosed(remoteAddress)))
      return false
    }
    stats.connections.refused++
    countDefence(stats, because)
    socket.destroy()
    return true
  }
  const openSession = (socket: net.Socket): void => {
    if (unixPath !== undefined && socket.remoteAddress === undefined) nameUnixClient(socket)
    proxied?.reveal(socket)
    if ((options.tls === undefined || proxied !== undefined) && refuseClient(socket)) return
    // Node only reports an error of TLS within a session (a spoiled record, an alert), and leaves the socket
    // open: see endBroken in tcp/.
    socket.on('error', () => socket.destroy())
    const session = newSession(socket)
    sessions.add(session)
    socket.once('close', () => sessions.delete(session))
    if (isDraining) session.drain()
  }
  const startSession = guardedPerSocket('a new client', openSession)
  const onRefused = (refused: RefusedSocket = {}): void => {
    stats.connections.refused++
    const { remoteAddress = '', remotePort = 0 } = refused
    observer({ type: 'connection-refused', remoteAddress, remotePort })
  }
  const socketOptions = {
    allowHalfOpen: true,
    noDelay: true,
    highWaterMark: options.tls === undefined ? WRITE_AHEAD_BYTES.plain : WRITE_AHEAD_BYTES.tls,
    // Finds who has vanished while nothing is sent: after an upgrade nothing else would. Half of the bound,
    // then Node's ten probes a second apart.
    keepAlive: boundMs > 0,
    keepAliveInitialDelay: Math.max(1_000, boundMs / 2), // below 1 s Node leaves it at two hours
  }
  const failClient = (error: Error, { remoteAddress = '', remotePort = 0 }: net.Socket): void => {
    stats.connections.failedHandshakes++
    observer({ type: 'handshake-failed', error, remoteAddress, remotePort })
  }
  const onHandshakeFailed = (socket: tls.TLSSocket, error: Error): void => {
    if (refusedHandshakes > 0 && (error as NodeJS.ErrnoException).code === 'ECONNRESET') {
      // Node says so of a socket that was closed
      refusedHandshakes--
      return
    }
    proxied?.reveal(socket)
    failClient(error, socket)
    // After a timeout Node leaves that to us.
    socket.destroy()
  }
  const overTls =
    options.tls &&
    new TlsClients({
      tls: options.tls,
      certificates: options.certificates,
      unknownNames: options.unknownNames ?? 'first',
      serverOptions: {
        ...socketOptions,
        requestCert: options.clientCertificates !== undefined,
        rejectUnauthorized: options.clientCertificates === 'require',
        // Node takes the first of ours that the client offers. `http/1.0` is what `curl --http1.0`
        // offers, and nothing else.
        ALPNProtocols: [...(takesHttp2 ? ['h2'] : []), ...(takesHttp1 ? ['http/1.1', 'http/1.0'] : [])],
        // 0 would end every handshake at once.
        handshakeTimeout: limits.tlsHandshakeTimeoutMs === 0 ? MAX_TIMEOUT_MS : limits.tlsHandshakeTimeoutMs,
      },
      clock,
      timeoutMs: limits.tlsHandshakeTimeoutMs,
      onSecure: startSession,
      onFailed: guardedPerSocket('a failed handshake', onHandshakeFailed),
      onRefused: (socket, because) => {
        proxied?.reveal(socket)
        failClient(new Error(because), socket)
      },
      onUnknownName: () => countDefence(stats, 'unknownNames'),
    })
  /** In cleartext or over TLS: the server that listens, unless something comes before what they say. */
  const clients = overTls?.server ?? net.createServer(socketOptions, startSession)
  const proxied =
    options.proxyProtocol &&
    new ProxiedClients({
      ...options.proxyProtocol,
      clock,
      timeoutMs: limits.headerTimeoutMs,
      onClient: (socket, rest) => {
        if (overTls !== undefined) {
          overTls.accept(socket, rest)
          return
        }
        clients.emit('connection', socket)
        // A session takes what comes once it listens.
        if (rest.length > 0) socket.unshift(rest)
      },
      onRefused: (socket, because) => failClient(new Error(because), socket),
    })
  const server = serverInFront()
  function serverInFront(): net.Server {
    if (proxied !== undefined) {
      const receive = (socket: net.Socket): void => proxied.receive(socket)
      return net.createServer(socketOptions, guardedPerSocket('a proxy in front', receive))
    }
    if (overTls?.readsHello !== true) return clients
    const receive = (socket: net.Socket): void => overTls.accept(socket, NOTHING)
    return net.createServer(socketOptions, guardedPerSocket('a ClientHello', receive))
  }
  if (limits.maxConnections > 0) server.maxConnections = limits.maxConnections
  const gate =
    options.room &&
    new AcceptGate({
      server,
      room: options.room,
      clock,
      open: () => sockets.size,
      makeRoom: connections => endOldest(sessions, connections),
      onPaused: because => {
        stats.accepting.pauses++
        stats.accepting.isPaused = true
        observer({ type: 'accept-paused', because, address, port })
      },
      onResumed: pausedMs => {
        stats.accepting.isPaused = false
        observer({ type: 'accept-resumed', pausedMs, address, port })
      },
    })
  // What QueuedAccepts accepts is unknown to `server.maxConnections`.
  const hasRoom = (): boolean => limits.maxConnections === 0 || sockets.size < limits.maxConnections
  const queued = new QueuedAccepts({
    server,
    maxAcceptsPerTurn: limits.maxAcceptsPerTurn,
    socketOptions,
    onSocket: socket => {
      if (hasRoom()) server.emit('connection', socket)
      else {
        onRefused(socket)
        socket.destroy()
      }
    },
    onLimit: () => {
      stats.accepting.limitedTurns++
    },
  })
  /** Node begins a handshake with every connection, those among them that are closed at once. */
  const beginsWithTls = server === overTls?.server
  // With TLS this is the connection before its handshake: it counts, and must be found when all are ended.
  const onAccepted = (socket: net.Socket): void => {
    const isTooMany = !hasRoom()
    stats.connections.open++
    sockets.add(socket)
    const onGone = (): void => {
      stats.connections.open--
      sockets.delete(socket)
      settleIfClosed()
    }
    socket.once('close', () => guarded('the end of a client', onGone))
    if (isTooMany || gate?.onAccepted(socket) === false) {
      onRefused(socket)
      socket.destroy()
      if (beginsWithTls) refusedHandshakes++
      return
    }
    stats.connections.accepted++
    if (limits.minResponseRate > 0) keepLittleUnsent(socket)
    const isRefused = options.tls !== undefined && proxied === undefined && refuseClient(socket)
    if (isRefused && beginsWithTls) refusedHandshakes++
  }
  server.on('connection', guardedPerSocket('a new connection', onAccepted))
  // Before whoever else is notified of it.
  if (unixPath !== undefined)
    server.prependListener('connection', guardedPerSocket('a new connection', nameUnixClient))
  server.on('connection', () => guarded('accepting what waits', () => queued.onAccepted()))
  server.on('drop', dropped =>
    guarded('a connection that was dropped', () => {
      onRefused(dropped)
      queued.onAccepted()
    }),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    const onListening = (): void => {
      resolve()
      server.off('error', reject)
    }
    const guarded = guardedListener('opening a listener', onListening, reject)
    if (options.descriptor !== undefined) server.listen({ fd: options.descriptor }, guarded)
    else if (unixPath !== undefined) server.listen({ path: unixPath }, guarded)
    else server.listen(options.address.port, options.address.host, guarded)
  })
  // An accept may fail later, when the process has no file descriptor left. The server lives on, and the next
  // accept may work.
  server.on('error', () => {})
  const { address, port } =
    unixPath === undefined
      ? (server.address() as net.AddressInfo) // listening on a port, not on a path
      : { address: options.address.host, port: 0 }
  // Who connects before this is set does so as always.
  const because = fastOpen === 0 ? undefined : fastOpenListener(server, fastOpen)
  if (because !== undefined) observer({ type: 'fast-open-unavailable', because, address, port })
  const onServerClosed = (): void => {
    if (gate?.isPaused === true || server.listening) return // it only pauses
    isServerClosed = true
    settleIfClosed()
  }
  server.on('close', () => guarded('the end of a listener', onServerClosed))
  const stopAccepting = (): void => {
    const isPaused = gate?.isPaused === true
    gate?.end()
    server.close()
    if (!isPaused) return
    stats.accepting.isPaused = false
    // Its 'close' may have come already.
    isServerClosed = true
    settleIfClosed()
  }

  return {
    address,
    port,
    stats,
    get certificates() {
      return overTls?.pairs ?? []
    },
    renewCertificates: next => overTls?.renew(next) ?? false,
    drain() {
      isDraining = true
      stopAccepting()
      proxied?.drain()
      for (const session of sessions) session.drain()
      return closed
    },
    close() {
      stopAccepting()
      for (const session of sessions) session.destroy()
      // Those within a handshake, and those that were upgraded.
      for (const socket of sockets) socket.destroy()
      return closed
    },
  }
}

/**
 * So that the kernel takes more as soon as the client takes some: else it waits until a third of its buffer
 * is free, which may be a megabyte, and a client at `minResponseRate` seems to take nothing for minutes.
 */
function keepLittleUnsent(socket: net.Socket): void {
  const loaded = socketCalls()
  const fd = descriptorOf(socket)
  if ('calls' in loaded && fd !== undefined) loaded.calls.set(fd, 'notSentLowWaterBytes', UNSENT_BYTES)
}

/** What goes wrong with one client ends that one. */
function guardedPerSocket<Client extends net.Socket, Rest extends readonly unknown[]>(
  during: string,
  listener: (socket: Client, ...rest: Rest) => void,
): (socket: Client, ...rest: Rest) => void {
  return (socket, ...rest) => {
    try {
      listener(socket, ...rest)
    } catch (error) {
      containFault(during, error, () => socket.destroy())
    }
  }
}

const MAX_TIMEOUT_MS = 2 ** 31 - 1

const NOTHING = Buffer.alloc(0)
const UNSENT_BYTES = 16_384

/** As much as is known of a connection that was not taken. */
interface RefusedSocket {
  readonly remoteAddress?: string | undefined
  readonly remotePort?: number | undefined
}

/**
 * Of those that have carried a request. Who was asked comes last the next time: what it has under way may
 * take long.
 */
function endOldest(sessions: Set<IngressSession>, count: number): void {
  let left = count
  const last = [...sessions].at(-1)
  for (const session of sessions) {
    if (session.hasRequests) {
      if (left-- === 0) return
      sessions.delete(session)
      sessions.add(session)
      session.drain()
    }
    if (session === last) return
  }
}

function ignoreEvent(): void {}
