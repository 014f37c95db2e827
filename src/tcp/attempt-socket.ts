import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { checkServerIdentity, connect as connectTls, type SecureContext, TLSSocket } from 'node:tls'
import type { Protocol } from '../connection.ts'
import type { Endpoint } from '../endpoint.ts'
import type { SocketOptions } from '../options.ts'
import { ReadPort } from '../read-port.ts'

/** How one attempt connects. */
export interface AttemptOptions {
  readonly endpoint: Endpoint
  readonly socket: SocketOptions
  /** Undefined: cleartext. */
  readonly secure: SecureAttemptOptions | undefined
}

export interface SecureAttemptOptions {
  readonly context: SecureContext
  /** Sent as SNI unless it is an IP address (RFC 6066 section 3), and checked against the certificate in any case. */
  readonly serverName: string
  readonly alpnProtocols: readonly Protocol[]
  readonly rejectUnauthorized: boolean
  /** A ticket to resume with. */
  readonly session: Buffer | undefined
  /** A ticket came; also long after the hand-over, for as long as the connection lives. Undefined: tickets are not wanted. */
  readonly onTicket: ((session: Buffer) => void) | undefined
}

/** Where an attempt reports. Nothing is called after destroy() or handOver(). */
export interface AttemptListener {
  /** TCP stands; with TLS the handshake begins when this returns. */
  onConnected(): void
  onSecured(): void
  onFailed(error: unknown): void
}

/** What the handshake agreed on; nothing for cleartext. */
export interface Negotiated {
  readonly alpn: string | undefined
  readonly tlsVersion: string | undefined
  readonly isResumed: boolean
}

/** A socket on its way to be connected. */
export class AttemptSocket {
  readonly socket: Socket
  readonly readPort = new ReadPort()
  #listener: AttemptListener | undefined
  readonly #keepAliveDelayMs: number
  readonly #onTicket: ((session: Buffer) => void) | undefined

  constructor(options: AttemptOptions, listener: AttemptListener) {
    this.#listener = listener
    this.#keepAliveDelayMs = options.socket.keepAliveDelayMs
    this.#onTicket = options.secure?.onTicket
    const { address, family, port } = options.endpoint
    // autoSelectFamily would wrap a race of Node's own around an address that is decided already.
    const target = { host: address, port, family, autoSelectFamily: false, onread: this.readPort.onread }
    if (options.secure === undefined) {
      this.socket = connectTcp(target)
    } else {
      // By host and port, not over a socket made before: tls.connect({ socket }) ignores onread. The context is shared, so
      // that whatever concerns trust stands in it and in these options, never in Node's defaults.
      const { context, serverName, alpnProtocols, rejectUnauthorized, session, onTicket } = options.secure
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
      // One event per ticket, the first after secureConnect; getSession() has none yet at that time (TLS 1.3).
      if (onTicket !== undefined) socket.on('session', onTicket)
      socket.once('secureConnect', this.#onSecured)
      this.socket = socket
    }
    // Before the listener that starts the handshake: a race that is lost, or won, is settled before a byte of TLS is sent.
    this.socket.prependOnceListener('connect', this.#onConnected)
    this.socket.once('error', this.#onFailed)
    this.socket.once('close', this.#onClosed)
  }

  /** Ends an attempt that is of no use; what happens to it later is of no interest. */
  destroy(): void {
    this.#detach()
    if (this.#onTicket !== undefined) this.socket.removeListener('session', this.#onTicket)
    this.socket.destroy()
  }

  /** The caller's own from now on. */
  handOver(): Socket {
    this.#detach()
    return this.socket
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
    // An error between now and the next owner's own listener must not end the process; `socket.destroyed` tells of it.
    this.socket.on('error', ignoreError)
  }
}

function ignoreError(): void {}
