import { createHash, hkdfSync } from 'node:crypto'
import type { Logger } from 'pino'
import { systemClock } from '../../entry/events.ts'
import type { AcceptRoom } from '../../ingress/accept-gate.ts'
import type { IngressHandler } from '../../ingress/ingress-exchange.ts'
import { type IngressListener, listen } from '../../ingress/listener.ts'
import { listenQuic } from '../../ingress/quic-listener.ts'
import { unixPathOf } from '../../ingress/unix-socket.ts'
import type { IdRoute } from '../../quic/routed-ids.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'
import type { ListenTls } from '../config/fields/tls-fields.ts'
import type { Http3ListenSettings, ListenSettings, ServiceSettings } from '../config/service-settings.ts'
import { trustOf } from '../forwarding/forwarded-chain.ts'
import { proxyStatusName } from '../forwarding/own-response.ts'
import { ingressLog } from '../logging/ingress-log.ts'
import { ListenerSessions } from '../web-transport/session-table.ts'
import { isAddressInUse, listenFailure, resolveListenAddress } from './listen-failure.ts'
import { removeStaleSocket, takeSocketFile } from './unix-socket-file.ts'

/** Descriptors of the sockets of one entry of `listen`, which listen or are bound already. */
export interface InheritedEntry {
  readonly tcp: readonly number[]
  /** Of UDP, with what connection ids lead to it. */
  readonly quic?: { readonly descriptor: number } & IdRoute
}

/**
 * Makes what takes the requests of a listener; `altSvc` is asked once it is open, `sessions` are those of
 * WebTransport that it may have.
 */
type HandlerOf = (altSvc: () => string | undefined, sessions: ListenerSessions | undefined) => IngressHandler

/** What takes the requests of listeners, and what these offer for it. */
export interface Serving {
  readonly handlerOf: HandlerOf
  /** Requests may be for tunnels of datagrams. Asked for each connection of HTTP/3. */
  readonly takesDatagrams: () => boolean
}

interface ListenerParts extends Serving {
  readonly settings: ServiceSettings
  readonly entry: ListenSettings
  readonly logger: Logger
  readonly room: AcceptRoom | undefined
  /** Who has it opens the tickets of all listeners. */
  readonly ticketSecret: Buffer
}

/** A free port of TCP may be taken for UDP: others are tried, so many times. */
const MAX_PORT_ATTEMPTS = 10

/** All listeners of one entry of `listen`. Rejects with MM_LISTEN_FAILED; none stays open then. */
export async function openListeners(
  parts: ListenerParts,
  inherited?: InheritedEntry,
): Promise<IngressListener[]> {
  const { address, protocols, http3, webTransport } = parts.entry
  for (let attempt = 1; ; attempt += 1) {
    const opened: IngressListener[] = []
    let announced: string | undefined
    const sessions = webTransport && new ListenerSessions(webTransport)
    const handler = parts.handlerOf(() => announced, sessions)
    try {
      if (protocols.length > 0) {
        for (const descriptor of inherited?.tcp ?? [undefined])
          opened.push(await openTcp(parts, handler, descriptor))
      }
      if (http3 !== undefined) {
        const [tcp] = opened
        const local = tcp === undefined ? address : { host: tcp.address, port: tcp.port }
        const quic = await openQuic(parts, http3, handler, local, inherited?.quic)
        announced = altSvcOf(http3, quic.port)
        opened.push(quic)
      }
      return opened
    } catch (error) {
      await Promise.all(opened.map(listener => listener.close()))
      const mayTryAgain = address.port === 0 && isAddressInUse(error) && attempt < MAX_PORT_ATTEMPTS
      if (!mayTryAgain) throw listenFailure('a listener', address, error)
    }
  }
}

async function openTcp(
  { settings, entry, logger, room, ticketSecret }: ListenerParts,
  handler: IngressHandler,
  descriptor: number | undefined,
): Promise<IngressListener> {
  const { address, mode, tls, protocols, fastOpen, proxyProtocol } = entry
  const path = descriptor === undefined ? unixPathOf(address.host) : undefined
  if (path !== undefined) await removeStaleSocket(path)
  const listener = await listen({
    address,
    ...(descriptor !== undefined && { descriptor }),
    ...(tls !== undefined && tcpTls(tls, ticketSecret)),
    protocols,
    fastOpen,
    ...(proxyProtocol !== false && { proxyProtocol: { isTrusted: trustOf(proxyProtocol) } }),
    limits: settings.ingress,
    // A pause closes the socket, and Node removes the file of one that it has bound.
    ...(room !== undefined && path === undefined && { room }),
    handler,
    clock: systemClock,
    observer: ingressLog(logger),
    proxyName: proxyStatusName(settings.forwarding.pseudonym),
  })
  if (path !== undefined && mode !== undefined) takeSocketFile(path, mode)
  return listener
}

async function openQuic(
  { settings, entry, logger, ticketSecret, takesDatagrams }: ListenerParts,
  { retry, earlyData, allowsMigration }: Http3ListenSettings,
  handler: IngressHandler,
  address: ListenAddress,
  inherited: InheritedEntry['quic'],
): Promise<IngressListener> {
  const { tls, webTransport } = entry
  const [certificate] = tls?.certificates ?? []
  // The configuration says so before.
  if (tls === undefined || certificate === undefined) throw new Error('h3 needs tls')
  let failure: unknown
  for (const candidate of await resolveListenAddress(address)) {
    try {
      return await listenQuic({
        address: candidate,
        ...(inherited !== undefined && { descriptor: inherited.descriptor, route: inherited }),
        tls: {
          cert: certificate.cert,
          key: certificate.key,
          clientCa: tls.clientCa,
          earlyData,
          ticketKey: ticketKeyOf(ticketSecret, ticketUse('quic', tls)),
        },
        certificates: tls.certificates,
        ...(tls.unknownNames !== undefined && { unknownNames: tls.unknownNames }),
        retry,
        allowsMigration,
        webTransport: webTransport !== undefined,
        limits: quicLimits(settings.ingress, webTransport),
        handler,
        takesDatagrams,
        clock: systemClock,
        observer: ingressLog(logger),
        proxyName: proxyStatusName(settings.forwarding.pseudonym),
      })
    } catch (error) {
      failure = error
    }
  }
  throw failure
}

function quicLimits(
  ingress: ServiceSettings['ingress'],
  webTransport: ListenSettings['webTransport'],
): ServiceSettings['ingress'] {
  const maxSessions = webTransport?.maxSessionsPerConnection
  return maxSessions === undefined ? ingress : { ...ingress, http3: { ...ingress.http3, maxSessions } }
}

/** As long as OpenSSL and BoringSSL want it: a name, a key of encryption, and one of authentication. */
const TICKET_KEY_BYTES = 48

/**
 * A session that is resumed shows no certificate again. A ticket is bound to what was asked for when it was
 * made, so that no client comes to a listener that requires one by a ticket of a listener that does not.
 */
function tcpTls(tls: ListenTls, secret: Buffer) {
  const { certificates, unknownNames = 'first', clientCa, clientCertificates = 'require' } = tls
  const own = { certificates, unknownNames }
  const ticketKeys = ticketKeyOf(secret, ticketUse('tls', tls))
  if (clientCa === undefined) return { ...own, tls: { ticketKeys } }
  return { ...own, tls: { ca: clientCa, ticketKeys }, clientCertificates }
}

function ticketUse(over: 'tls' | 'quic', { clientCa, clientCertificates = 'require' }: ListenTls): string {
  if (clientCa === undefined) return over
  return `${over} ${clientCertificates} ${createHash('sha256').update(clientCa).digest('hex')}`
}

/** Tickets of one use are no good for another one. */
function ticketKeyOf(secret: Buffer, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `middlemile tickets ${use}`, TICKET_KEY_BYTES))
}

function altSvcOf({ altSvc: { port, maxAgeMs } }: Http3ListenSettings, ownPort: number): string | undefined {
  return maxAgeMs === 0 ? undefined : `h3=":${port ?? ownPort}"; ma=${Math.round(maxAgeMs / 1000)}`
}

/** `listening on https://127.0.0.1:8443 (h3, h2, http/1.1)` */
export function listeningLine({ tls, protocols, http3 }: ListenSettings, at: ListenAddress): string {
  const spoken = http3 === undefined ? '' : ` (${['h3', ...protocols].join(', ')})`
  return `listening on ${tls === undefined ? 'http' : 'https'}://${formatListenAddress(at)}${spoken}`
}
