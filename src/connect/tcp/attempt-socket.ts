import { connect as connectTcp, isIP, Socket } from 'node:net'
import { constants } from 'node:os'
import { checkServerIdentity, connect as connectTls, type SecureContext, TLSSocket } from 'node:tls'
import type { TransportError } from '../../base/errors.ts'
import { containFault, guarded, guardedImmediate, guardedMicrotask } from '../../base/guard.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Protocol } from '../../base/http/protocol.ts'
import { type OnReadOptions, ReadPort } from '../../base/socket/read-port.ts'
import { descriptorOf, type StreamSocket } from '../../base/socket/stream-socket.ts'
import {
  type DescriptorSocket,
  type LocalAddress,
  openDescriptorSocket,
} from '../native/descriptor-socket.ts'
import { type SocketCalls, socketCalls } from '../native/socket-calls.ts'
import type { TcpInfo } from '../native/tcp-info.ts'
import { type VerifiedCertificate, verifiedCertificate } from '../tls/certificate-names.ts'
import type { SocketSettings } from './socket-settings.ts'

/** How one attempt connects. */
export interface AttemptOptions {
  readonly endpoint: Endpoint
  /** Silence before the first keepalive probe, in ms; 0: none are sent. */
  readonly keepAliveDelayMs: number
  readonly settings?: SocketSettings | undefined
  /** Undefined: cleartext. `later`: TLS is spoken by who takes the socket over, and reads it by events. */
  readonly secure: SecureAttemptOptions | 'later' | undefined
  /**
   * Connects with Fast Open: its SYN waits for the first write, where the kernel has a cookie. Only for who
   * writes as soon as he is notified of it.
   */
  readonly fastOpen?: SocketCalls | undefined
  /** What it leaves from. Undefined: the kernel chooses. */
  readonly local?: LocalAddress | undefined
  /** The mark of its packets, from the SYN on, where native calls can be made. Default 0: none. */
  readonly dscp?: number | undefined
  /** Leads there already, through a proxy: nothing is connected. */
  readonly tunnel?: StreamSocket | undefined
}

interface SecureAttemptOptions {
  readonly context: SecureContext
  /**
   * Sent as SNI unless it is an IP address (RFC 6066 section 3), and checked against the certificate in any
   * case.
   */
  readonly serverName: string
  readonly alpnProtocols: readonly Protocol[]
  readonly rejectUnauthorized: boolean
  /** A ticket to resume with. */
  readonly session: Buffer | undefined
  readonly keylog: ((line: Buffer) => void) | undefined
}

/** Where an attempt reports. Nothing is called after destroy() or handOver(). */
export interface AttemptListener {
  /** TCP stands; with TLS the handshake begins when this returns. */
  onConnected(): void
  /**
   * Instead: the SYN will go with what is written first. With TLS that is the ClientHello, which is made when
   * this returns.
   */
  onDeferred?(): void
  onSecured(): void
  onFailed(error: unknown): void
}

/** What the handshake agreed on; nothing for cleartext. */
interface Negotiated {
  readonly alpn: string | undefined
  readonly tlsVersion: string | undefined
  readonly isResumed: boolean
}

/** enum of net/tcp_states.h. */
const TCP_SYN_SENT = 2
const { EINPROGRESS } = constants.errno

const DURING = 'an event of a dial'

/** A socket on its way to be connected. */
export class AttemptSocket {
  /** What is read and written: TLS if that was asked for. */
  readonly socket: StreamSocket
  /** What arrives on it; nothing where TLS comes later. */
  readonly readPort: ReadPort
  /** The socket of TCP itself, below TLS where that is one of its own; or the tunnel. */
  readonly raw: StreamSocket
  readonly #fastOpen: SocketCalls | undefined
  readonly #keepAliveDelayMs: number
  readonly #settings: SocketSettings | undefined
  #listener: AttemptListener | undefined
  #keepTicket: ((session: Buffer) => void) | undefined
  #firstFlightBytes: number | undefined

  constructor(options: AttemptOptions, listener: AttemptListener) {
    this.#listener = listener
    this.#keepAliveDelayMs = options.keepAliveDelayMs
    this.#settings = options.settings
    const opened = openAttempt(options)
    this.socket = opened.socket
    this.readPort = opened.readPort
    this.raw = opened.raw
    this.#fastOpen = opened.fastOpen
    const { secure } = options
    if (secure !== undefined && secure !== 'later') {
      // From the start: Node reports the ticket of TLS 1.2 only to those who listened before it came.
      this.socket.on('session', this.#onTicket)
      this.socket.once('secureConnect', this.#onSecured)
      if (secure.keylog !== undefined) this.socket.on('keylog', secure.keylog)
    }
    // Before the listener that starts the handshake: making the ClientHello belongs to the TLS phase.
    this.socket.prependOnceListener('connect', this.#onConnected)
    for (const socket of new Set([this.socket, this.raw])) {
      socket.once('error', this.#onFailed)
      socket.once('close', this.#onClosed)
    }
    const { tunnel } = options
    if (tunnel === undefined) return
    // In the next microtask: whoever made this knows it first. What happened since the tunnel stood is over.
    guardedMicrotask(DURING, tunnel.destroyed ? this.#onClosed : this.#onConnected)
  }

  /** Ends an attempt that is of no use; what happens to it later is of no interest. */
  destroy(): void {
    this.#detach()
    this.socket.destroy()
    this.raw.destroy()
  }

  /**
   * The caller's own from now on. `keepTicket` is notified of every ticket for as long as the connection
   * lives; Node emits the first after secureConnect. (getSession() has none yet at that time over TLS 1.3.)
   */
  handOver(keepTicket: ((session: Buffer) => void) | undefined): StreamSocket {
    this.#detach()
    this.#keepTicket = keepTicket
    return this.socket
  }

  /** The certificate that this handshake has verified; undefined when none was looked at. */
  verifiedCertificate(): VerifiedCertificate | undefined {
    const { socket } = this
    if (!(socket instanceof TLSSocket) || socket.isSessionReused() || !socket.authorized) return undefined
    const certificate = socket.getPeerX509Certificate()
    return certificate && verifiedCertificate(certificate)
  }

  negotiated(): Negotiated {
    const { socket } = this
    if (!(socket instanceof TLSSocket)) return { alpn: undefined, tlsVersion: undefined, isResumed: false }
    return {
      alpn: typeof socket.alpnProtocol === 'string' ? socket.alpnProtocol : undefined,
      tlsVersion: socket.getProtocol() ?? undefined,
      isResumed: socket.isSessionReused(),
    }
  }

  /** What went with the SYN, or right behind it, in bytes. Undefined: the connect was not deferred. */
  get firstFlightBytes(): number | undefined {
    return this.#firstFlightBytes
  }

  /** By the socket of TCP; a tunnel counts nothing. */
  get bytesRead(): number {
    return this.raw instanceof Socket ? this.raw.bytesRead : 0
  }

  get bytesWritten(): number {
    return this.raw instanceof Socket ? this.raw.bytesWritten : 0
  }

  /** What the kernel says of a connect with Fast Open. Undefined: it was made without, or is gone. */
  fastOpenInfo(): TcpInfo | undefined {
    const fd = descriptorOf(this.raw)
    return this.#fastOpen === undefined || fd === undefined ? undefined : this.#fastOpen.tcpInfo(fd)
  }

  readonly #onConnected = (): void => {
    try {
      this.#prepare()
    } catch (error) {
      containFault(DURING, error, this.#onFault)
    }
  }

  #prepare(): void {
    // After the connect, since libuv sets its own delay of 60 s when it opens a socket with keepalive asked
    // for before.
    if (this.socket instanceof Socket) {
      this.socket.setNoDelay(true)
      if (this.#keepAliveDelayMs > 0) this.socket.setKeepAlive(true, this.#keepAliveDelayMs)
    }
    this.#settings?.apply(this.raw)
    if (this.fastOpenInfo()?.state !== TCP_SYN_SENT) {
      this.#listener?.onConnected()
      return
    }
    this.#listener?.onDeferred?.()
    // By then the ClientHello was written.
    guardedImmediate('the first flight of a dial', () => this.#checkDeparture())
  }

  /** TLSWrap does not report a first write that has failed (measured with Node 20: it hangs). */
  #checkDeparture(): void {
    if (this.#listener === undefined) return
    this.#firstFlightBytes = this.bytesWritten
    if (isCookieLost(this.fastOpenInfo())) this.#onFailed(lostCookieError())
  }

  readonly #onSecured = (): void => {
    try {
      this.#listener?.onSecured()
    } catch (error) {
      containFault(DURING, error, this.#onFault)
    }
  }

  /** A ticket that cannot be kept is none: the connection goes on. */
  readonly #onTicket = (session: Buffer): void => {
    guarded('keeping a ticket', () => this.#keepTicket?.(session))
  }

  readonly #onFailed = (error: unknown): void => {
    try {
      this.#listener?.onFailed(error)
    } catch (fault) {
      containFault(DURING, fault, this.#onFault)
    }
  }

  readonly #onClosed = (): void => {
    this.#onFailed(Object.assign(new Error('closed without a reason'), { code: 'ECONNRESET' }))
  }

  /** The dial is notified of it as of any other failure. */
  readonly #onFault = (error: TransportError): void => {
    this.socket.destroy()
    this.raw.destroy()
    this.#listener?.onFailed(error)
  }

  #detach(): void {
    this.#listener = undefined
    this.socket.removeListener('connect', this.#onConnected)
    this.socket.removeListener('secureConnect', this.#onSecured)
    for (const socket of new Set([this.socket, this.raw])) {
      socket.removeListener('error', this.#onFailed)
      socket.removeListener('close', this.#onClosed)
      // An error between now and the next owner's own listener must not end the process; `socket.destroyed`
      // reports it. It stays for good.
      socket.on('error', endBroken)
    }
  }
}

/**
 * The kernel had lost its cookie between connect() and the first write: that write has failed with
 * EINPROGRESS, and a SYN without it has left, so that the connection may well stand by now; but what was to
 * go with it is nowhere. Asked when something was written.
 */
export function isCookieLost(info: TcpInfo | undefined): boolean {
  return info !== undefined && info.sentDataSegments === 0
}

/** As from the failed write, where Node reports it: libuv has no name for the code. */
export function lostCookieError(): Error {
  return Object.assign(new Error('the cookie for Fast Open was gone when the SYN was to leave'), {
    code: 'EINPROGRESS',
    errno: -EINPROGRESS,
    syscall: 'write',
  })
}

/** Whether an attempt that was deferred failed for that. */
export function isLostCookieError(error: unknown): boolean {
  return error instanceof Error && 'errno' in error && error.errno === -EINPROGRESS
}

interface OpenedAttempt {
  readonly socket: StreamSocket
  readonly raw: StreamSocket
  readonly readPort: ReadPort
  readonly fastOpen: SocketCalls | undefined
}

function openAttempt(options: AttemptOptions): OpenedAttempt {
  const { endpoint, secure, fastOpen, local, tunnel } = options
  const { address, family, port } = endpoint
  if (tunnel !== undefined) return overTunnel(tunnel, address, secure)
  const readPort = new ReadPort()
  const onread = secure === undefined ? readPort.onread : undefined
  // autoSelectFamily would wrap a race of Node's own around an address that is decided already.
  const target = { host: address, port, family, autoSelectFamily: false }
  const opened = openByDescriptor(options, onread)
  if (opened !== undefined && 'socket' in opened) {
    const raw = opened.socket
    // Before tls.connect(): it would take a socket that is not connecting for one that is connected.
    raw.connect(target)
    const socket = isLater(secure) ? raw : connectTls({ socket: raw, host: address, ...tlsOptions(secure) })
    // tls.connect({ socket }) ignores onread, so that this one is read by events.
    const isByEvents = secure !== undefined && secure !== 'later'
    return {
      socket,
      raw,
      readPort: isByEvents ? ReadPort.over(socket) : readPort,
      fastOpen: opened.isFastOpen ? fastOpen : undefined,
    }
  }
  // Whatever was wrong with the descriptor, Node finds it wrong as well, and says so.
  const from = local === undefined ? target : { ...target, localAddress: local.address }
  const withPort = secure === 'later' ? from : { ...from, onread: readPort.onread }
  // By host and port, not over a socket made before: see above.
  const socket = isLater(secure) ? connectTcp(withPort) : connectTls({ ...withPort, ...tlsOptions(secure) })
  return { socket, raw: socket, readPort, fastOpen: undefined }
}

/** Undefined: nothing is asked for that Node cannot do, or native calls cannot be made. */
function openByDescriptor(
  { endpoint: { family }, fastOpen, local, dscp = 0 }: AttemptOptions,
  onread: OnReadOptions | undefined,
): DescriptorSocket | undefined {
  if (fastOpen === undefined && local === undefined && dscp === 0) return undefined
  const loaded = fastOpen === undefined ? socketCalls() : { calls: fastOpen }
  if ('unavailable' in loaded) return undefined
  return openDescriptorSocket({ family, fastOpen: fastOpen !== undefined, local, dscp }, loaded.calls, onread)
}

/** Sockets that are connected take no onread: read by events. */
function overTunnel(raw: StreamSocket, address: string, secure: AttemptOptions['secure']): OpenedAttempt {
  const socket = isLater(secure) ? raw : connectTls({ socket: raw, host: address, ...tlsOptions(secure) })
  if (socket !== raw && !(raw instanceof Socket)) {
    // TLSSocket finds neither on what is no socket of Node's, and says nothing.
    socket.ref = () => {
      raw.ref()
      return socket
    }
    socket.unref = () => {
      raw.unref()
      return socket
    }
  }
  const readPort = secure === 'later' ? new ReadPort() : ReadPort.over(socket)
  return { socket, raw, readPort, fastOpen: undefined }
}

function isLater(secure: AttemptOptions['secure']): secure is 'later' | undefined {
  return secure === 'later' || secure === undefined
}

/**
 * The context is shared, so that whatever concerns trust stands in it and in these options, never in Node's
 * defaults.
 */
function tlsOptions(secure: SecureAttemptOptions) {
  const { context, serverName, alpnProtocols, rejectUnauthorized, session } = secure
  return {
    secureContext: context,
    ALPNProtocols: [...alpnProtocols],
    rejectUnauthorized,
    // Node would check `servername` or else `host`, which is where we connect to and not who must answer
    // there.
    checkServerIdentity: (_host: string, certificate: Parameters<typeof checkServerIdentity>[1]) =>
      checkServerIdentity(serverName, certificate),
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
    ...(session === undefined ? {} : { session }),
  }
}

/**
 * Every other error destroys its socket by itself. One of TLS within an established session (a record that
 * was tampered with, an alert) is only reported (TLSSocket.prototype._emitTLSError), and the socket would
 * stay open for ever.
 */
function endBroken(this: StreamSocket): void {
  this.destroy()
}
