import { hkdfSync } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import { type Clock, systemClock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { QuicOptions } from '../base/options/protocol-options.ts'
import type { QuicHandshake, QuicLink, QuicServerTls } from '../quic/engine.ts'
import { quicEngine } from '../quic/load-engine.ts'
import type { IdRoute } from '../quic/routed-ids.ts'
import { ServerEndpoint } from '../quic/server-endpoint.ts'
import type { HelloChoice } from '../quic/server-endpoint-options.ts'
import { ClientLimits } from './client-limits.ts'
import { clientRefusal, withRequestRates } from './client-refusals.ts'
import { FlooderTable } from './flooder-table.ts'
import type { IngressObserver } from './ingress-event.ts'
import type { IngressHandler } from './ingress-exchange.ts'
import { type IngressLimitsInput, ingressLimits } from './ingress-limits.ts'
import { countDefence, type IngressStats, newIngressStats } from './ingress-stats.ts'
import type { IngressListener } from './listener.ts'
import { withLoadShedding } from './load-shedder.ts'
import { ServerHttp3Session, type ServerHttp3SessionContext } from './streams/server-http3-session.ts'
import { readClientHello } from './tls/client-hello.ts'
import { type CertificatePair, ServerCertificates } from './tls/server-certificates.ts'
import type { UnknownNames } from './tls/tls-clients.ts'

export const RETRY_RULES = ['under-load', 'always', 'never'] as const
export type RetryRule = (typeof RETRY_RULES)[number]

export interface ListenQuicOptions {
  /** An IP address. Port 0: a free one. */
  address: { host: string; port: number }
  /** A UDP socket that is bound already, e.g. one that was inherited, instead of a new one on `address`. */
  descriptor?: number
  /** Connection ids that lead to the socket, among several of the address. Default: all. */
  route?: IdRoute
  /**
   * PEM certificate chain and key, for who asks for no other one. 0-RTT is refused unless `earlyData` says
   * otherwise; requests that came in it are marked (RFC 8470).
   */
  tls: QuicServerTls
  /**
   * Several certificates, by the names that clients ask for, the first one for everybody else; those of `tls`
   * do not count then. Default: the one in `tls`.
   */
  certificates?: readonly CertificatePair[]
  /** See UNKNOWN_NAMES. Default: first. */
  unknownNames?: UnknownNames
  handler: IngressHandler
  limits?: IngressLimitsInput
  /**
   * Whether clients have to prove their address first (Retry), which costs them a round trip. Default: under
   * load.
   */
  retry?: RetryRule
  /**
   * Clients may move to another address. Only where all clients are yours (native-notes/quic-engine.md).
   * Default false.
   */
  allowsMigration?: boolean
  /** Clients are offered WebTransport: see acceptWebTransport(). Default false. */
  webTransport?: boolean
  /**
   * Clients are offered HTTP datagrams for their tunnels (RFC 9297). Asked for each connection. Default: not,
   * but for WebTransport.
   */
  takesDatagrams?: () => boolean
  clock?: Clock
  observer?: IngressObserver
  /** What we call ourselves in Proxy-Status. Default: `middlemile`. */
  proxyName?: string
  /** A handshake is complete. */
  onHandshake?: (handshake: QuicHandshake) => void
}

/**
 * Opens a UDP socket for HTTP/3. Rejects with Node's own error (EADDRINUSE), with MM_INVALID_ARGUMENT when
 * the certificate and the key are no pair, and with MM_PROTOCOL_UNAVAILABLE where there is no QUIC engine.
 */
export async function listenQuic(options: ListenQuicOptions): Promise<IngressListener> {
  const loaded = quicEngine()
  if ('unavailable' in loaded) {
    throw new TransportError('MM_PROTOCOL_UNAVAILABLE', `there is no HTTP/3 here: ${loaded.unavailable}`)
  }
  const {
    certificates = [options.tls],
    unknownNames = 'first',
    tls: common,
    allowsMigration = false,
  } = options
  const limits = ingressLimits(options.limits)
  const policy = { quic: limits.quic, protocols: ['h3'], allowsSecondPath: allowsMigration }
  // The engine has one for each connection: of several kinds for one name the first.
  const shown = new ServerCertificates<QuicServerTls>(
    certificates,
    ({ cert: [cert = ''], key: [key = ''] }) => {
      const tls = { ...common, cert, key }
      checkIdentity(tls)
      loaded.engine.checkServer({ ...policy, tls })
      return tls
    },
  )
  const { clock = systemClock, proxyName = 'middlemile', webTransport = false } = options
  const takesDatagrams = options.takesDatagrams ?? (() => false)
  const sessions = new Set<ServerHttp3Session>()
  // Of the handshakes that the endpoint handed on while they were under way.
  let failedEarly = 0
  let handedOn = 0
  let isDraining = false
  let settle: () => void = () => {}
  const closed = new Promise<void>(resolve => {
    settle = resolve
  })
  const closeEndpoint = (): void => {
    endpoint.close()
    settle()
  }
  const startSession = (link: QuicLink, serverName: string | undefined): void => {
    handedOn++
    const session = new ServerHttp3Session(link, context, serverName)
    sessions.add(session)
    if (isDraining) session.drain()
  }

  const choose = (hello: Buffer): HelloChoice => {
    const read = readClientHello(hello)
    if (read.kind === 'incomplete') return { kind: 'incomplete' }
    const serverName = read.kind === 'hello' ? read.serverName : undefined
    const found = serverName === undefined ? undefined : shown.find(serverName)
    if (serverName !== undefined && found === undefined && unknownNames === 'refuse') {
      countDefence(context.stats, 'unknownNames')
      return { kind: 'refused' }
    }
    return { kind: 'shown', tls: found ?? shown.first, serverName }
  }

  const flooders = new FlooderTable(limits)
  const clientLimits = new ClientLimits(limits)
  const admit = (host: string): (() => void) | undefined => {
    const because = clientRefusal({ flooders, clientLimits, clock }, host)
    if (because === undefined) return () => clientLimits.onClosed(host)
    countDefence(context.stats, because)
    return undefined
  }

  const endpoint = await ServerEndpoint.listen({
    engine: loaded.engine,
    clock,
    local: options.address,
    descriptor: options.descriptor,
    route: options.route,
    resetKey: resetKeyOf(certificates[0]?.key ?? common.key),
    tls: shown.first,
    choose: hello => choose(hello),
    protocols: ['h3'],
    quic: webTransport ? withSessionStreams(limits.quic) : limits.quic,
    retry: options.retry ?? 'under-load',
    maxConnections: limits.maxConnections > 0 ? limits.maxConnections : Number.POSITIVE_INFINITY,
    handshakeTimeoutMs: limits.tlsHandshakeTimeoutMs > 0 ? limits.tlsHandshakeTimeoutMs : MAX_TIMEOUT_MS,
    allowsMigration,
    admit,
    onConnection: startSession,
  })
  const stats = statsOf(endpoint, () => ({ handedOn, failedEarly }))
  const observer = options.observer ?? ignoreEvent
  const handler = withRequestRates(options.handler, { clientLimits, clock, stats, observer, proxyName })
  const context: ServerHttp3SessionContext = {
    handler: withLoadShedding({ handler, limits, clock, stats, proxyName }),
    limits,
    webTransport,
    takesDatagrams,
    clock,
    stats,
    observer,
    flooders,
    scheme: 'https',
    proxyName,
    onHandshake: handshake => options.onHandshake?.(handshake),
    onHandshakeFailed: () => void failedEarly++,
    onGone: session => {
      sessions.delete(session)
      if (isDraining && sessions.size === 0) closeEndpoint()
    },
  }

  return {
    address: endpoint.local.host,
    port: endpoint.local.port,
    stats: context.stats,
    get certificates() {
      return shown.pairs
    },
    renewCertificates(pairs) {
      if (pairs.length === 0 || !shown.renew(pairs)) return false
      endpoint.renewTls(shown.first)
      return true
    },
    drain() {
      isDraining = true
      endpoint.drain()
      if (sessions.size === 0) closeEndpoint()
      for (const session of sessions) session.drain()
      return closed
    },
    close() {
      isDraining = true
      for (const session of sessions) session.destroy()
      closeEndpoint()
      return closed
    },
  }
}

/**
 * Every process that serves with the key of the certificate resets connections of the others: after a crash,
 * and as a worker in place of another one (RFC 9000 10.3.2 wants a static key). Nothing else can be learned
 * from it.
 */
function resetKeyOf(privateKey: string): Buffer {
  return Buffer.from(hkdfSync('sha256', privateKey, '', 'middlemile quic stateless reset', 32))
}

/** Longer ones fire at once. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1

/**
 * Connections are the endpoint's to count: most of what may go wrong with one does so before a session is
 * made.
 */
function statsOf(
  endpoint: ServerEndpoint,
  own: () => { handedOn: number; failedEarly: number },
): IngressStats {
  const stats = newIngressStats()
  stats.connections = {
    get open() {
      return endpoint.stats.connections
    },
    get accepted() {
      return endpoint.stats.accepted
    },
    get refused() {
      return endpoint.stats.refused
    },
    get failedHandshakes() {
      const { accepted, handshakes } = endpoint.stats
      const { handedOn, failedEarly } = own()
      return accepted - handshakes - handedOn + failedEarly
    },
  }
  return stats
}

/** The engine finds it out with the first client only. */
function checkIdentity({ cert, key }: QuicServerTls): void {
  try {
    createSecureContext({ cert, key })
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `tls: the certificate and the key are no pair: ${reason}`,
      {
        cause,
      },
    )
  }
}

/** Sessions have unidirectional streams of their own beside the three of HTTP/3 (RFC 9114 6.2). */
function withSessionStreams(quic: QuicOptions): QuicOptions {
  const { maxUnidirectionalStreams: most, maxConcurrentStreams } = quic
  return { ...quic, maxUnidirectionalStreams: Math.max(most, maxConcurrentStreams + 3) }
}

function ignoreEvent(): void {}
