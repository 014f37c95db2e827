import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type SecureContext, TLSSocket } from 'node:tls'
import type { Endpoint } from '../endpoint.ts'
import type { SocketOptions } from '../options.ts'
import type { Protocol } from '../protocol.ts'
import { ReadPort } from '../read-port.ts'

/** How one attempt connects. */
interface AttemptOptions {
  readonly endpoint: Endpoint
  readonly socket: SocketOptions
  /** Undefined: cleartext. */
  readonly secure: SecureAttemptOptions | undefined
}

interface SecureAttemptOptions {
  readonly context: SecureContext
  /** Sent as SNI unless it is an IP address (RFC 6066 section 3), and checked against the certificate in any case. */
  readonly serverName: string
  readonly alpnProtocols: readonly Protocol[]
  readonly rejectUnauthorized: boolean
  /** A ticket to resume with. */
  readonly session: Buffer | undefined
  readonly keylog: ((line: Buffer) => void) | undefined
}

/** Where an attempt reports. Nothing is called after destroy() or handOver(). */
interface AttemptListener {
  /** TCP stands; with TLS the handshake begins when this returns. */
  onConnected(): void
  onSecured(): void
  onFailed(error: unknown): void
}

/** What the handshake agreed on; nothing for cleartext. */
interface Negotiated {
  readonly alpn: string | undefined
  readonly tlsVersion: string | undefined
  readonly isResumed: boolean
}

/** A socket on its way to be connected. */
export class AttemptSocket {
  readonly socket: Socket
  readonly readPort = new ReadPort()
  #listener: AttemptListener | undefined
  #keepTicket: ((session: Buffer) => void) | undefined
  readonly #keepAliveDelayMs: number

  constructor(options: AttemptOptions, listener: AttemptListener) {
    this.#listener = listener
    this.#keepAliveDelayMs = options.socket.keepAliveDelayMs
    const { address, family, port } = options.endpoint
    // autoSelectFamily would wrap a race of Node's own around an address that is decided already.
    const target = { host: address, port, family, autoSelectFamily: false, onread: this.readPort.onread }
    if (options.secure === undefined) {
      this.socket = connectTcp(target)
    } else {
      // By host and port, not over a socket made before: tls.connect({ socket }) ignores onread. The context is shared, so
      // that whatever concerns trust stands in it and in these options, never in Node's defaults.
      const { context, serverName, alpnProtocols, rejectUnauthorized, session } = options.secure
      const socket = connectTls({
        ...target,
        secureContext: context,
        ALPNProtocols: [...alpnProtocols],
        rejectUnauthorized,
        // Node would check `servername` or else `host`, which is where we connect to and not who must answer there.
        checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
        ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
        ...(session === undefined ? {} : { session }),
      })
      // From the start: Node tells of the ticket of TLS 1.2 only to those who listened before it came.
      socket.on('session', this.#onTicket)
      socket.once('secureConnect', this.#onSecured)
      if (options.secure.keylog !== undefined) socket.on('keylog', options.secure.keylog)
      this.socket = socket
    }
    // Before the listener that starts the handshake: making the ClientHello belongs to the TLS phase.
    this.socket.prependOnceListener('connect', this.#onConnected)
    this.socket.once('error', this.#onFailed)
    this.socket.once('close', this.#onClosed)
  }

  /** Ends an attempt that is of no use; what happens to it later is of no interest. */
  destroy(): void {
    this.#detach()
    this.socket.destroy()
  }

  /**
   * The caller's own from now on. `keepTicket` hears of every ticket for as long as the connection lives; Node emits the first after
   * secureConnect. (getSession() has none yet at that time over TLS 1.3.)
   */
  handOver(keepTicket: ((session: Buffer) => void) | undefined): Socket {
    this.#detach()
    this.#keepTicket = keepTicket
    return this.socket
  }

  /** How long the certificate is still valid that this handshake has verified; undefined when it was not looked at. */
  certificateEndsInMs(): number | undefined {
    const { socket } = this
    if (!(socket instanceof TLSSocket) || socket.isSessionReused() || !socket.authorized) return undefined
    const certificate = socket.getPeerX509Certificate()
    return certificate === undefined ? undefined : Date.parse(certificate.validTo) - Date.now()
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

  readonly #onConnected = (): void => {
    // After the connect, since libuv sets its own delay of 60 s when it opens a socket with keepalive asked for before.
    this.socket.setNoDelay(true)
    if (this.#keepAliveDelayMs > 0) this.socket.setKeepAlive(true, this.#keepAliveDelayMs)
    this.#listener?.onConnected()
  }

  readonly #onSecured = (): void => this.#listener?.onSecured()

  readonly #onTicket = (session: Buffer): void => this.#keepTicket?.(session)

  readonly #onFailed = (error: unknown): void => this.#listener?.onFailed(error)

  readonly #onClosed = (): void => {
    this.#listener?.onFailed(Object.assign(new Error('closed without a reason'), { code: 'ECONNRESET' }))
  }

  #detach(): void {
    this.#listener = undefined
    this.socket.removeListener('connect', this.#onConnected)
    this.socket.removeListener('secureConnect', this.#onSecured)
    this.socket.removeListener('error', this.#onFailed)
    this.socket.removeListener('close', this.#onClosed)
    // An error between now and the next owner's own listener must not end the process; `socket.destroyed` tells of it. It stays for good.
    this.socket.on('error', endBroken)
  }
}

/**
 * Every other error destroys its socket by itself. One of TLS within an established session (a record that was tampered with, an alert)
 * is only told (TLSSocket.prototype._emitTLSError), and the socket would stay open for ever.
 */
function endBroken(this: Socket): void {
  this.destroy()
}
