import type { Socket } from 'node:net'
import {
  createServer,
  type SecureContextOptions,
  type Server,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import type { Clock } from '../../base/clock.ts'
import { guardedListener } from '../../base/guard.ts'
import { HelloReader } from './hello-reader.ts'
import { type CertificatePair, type OfferedCertificates, ServerCertificates } from './server-certificates.ts'

/** `first`: they are shown the first certificate; `refuse`: the alert `unrecognized_name` (RFC 6066 3). */
export const UNKNOWN_NAMES = ['first', 'refuse'] as const
export type UnknownNames = (typeof UNKNOWN_NAMES)[number]

interface TlsClientsParts {
  /** Of every handshake; `cert` and `key` only where there are no `certificates`. */
  readonly tls: SecureContextOptions
  readonly certificates: readonly CertificatePair[] | undefined
  readonly unknownNames: UnknownNames
  /** Of Node's servers, each of which is for one set of certificates. */
  readonly serverOptions: TlsOptions
  readonly clock: Clock
  /** For a ClientHello; 0: no bound. */
  readonly timeoutMs: number
  readonly onSecure: (socket: TLSSocket) => void
  readonly onFailed: (socket: TLSSocket, error: Error) => void
  /** Before TLS began; the connection is closed. */
  readonly onRefused: (socket: Socket, because: string) => void
  readonly onUnknownName: () => void
}

/** So that a session of one server, or worker, is known to the others. */
const SESSION_CONTEXT = 'middlemile'

/**
 * A fatal alert, `unrecognized_name`, in a record of its own. Nothing is encrypted before the ServerHello.
 */
const UNRECOGNIZED_NAME = Buffer.of(21, 3, 3, 0, 2, 2, 112)

/** What is made of one set of certificates. */
interface MadeServer {
  readonly offered: OfferedCertificates
  readonly server: Server
}

/**
 * TLS of a listener on TCP. With one certificate it is one server, which may listen by itself; else who is
 * asked for is read first, and each set of certificates that go with a name has a server of its own.
 */
export class TlsClients {
  readonly #parts: TlsClientsParts
  readonly #certificates: ServerCertificates<MadeServer> | undefined
  readonly #reader: HelloReader | undefined
  /** The first one; it listens by itself unless `readsHello`. */
  readonly server: Server

  /** Throws MM_INVALID_ARGUMENT when certificates cannot be used. */
  constructor(parts: TlsClientsParts) {
    this.#parts = parts
    const { tls, certificates = pairsOf(tls), unknownNames, clock, timeoutMs, onRefused } = parts
    this.#certificates =
      certificates &&
      new ServerCertificates(certificates, offered => ({ offered, server: this.#makeServer(offered) }))
    this.server = this.#certificates?.first.server ?? this.#makeServer()
    if (unknownNames === 'first' && (certificates === undefined || certificates.length === 1)) return
    this.#reader = new HelloReader({
      clock,
      timeoutMs,
      onHello: (socket, name, bytes) => this.#onHello(socket, name, bytes),
      onFailed: onRefused,
    })
  }

  /** Whether connections have to come by accept(). */
  get readsHello(): boolean {
    return this.#reader !== undefined
  }

  /** PEM. Empty: they are given in another form. */
  get pairs(): readonly CertificatePair[] {
    return this.#certificates?.pairs ?? []
  }

  /** A connection, and what has come of it already. */
  accept(socket: Socket, firstBytes: Buffer): void {
    if (this.#reader === undefined) begin(this.server, socket, firstBytes)
    else this.#reader.receive(socket, firstBytes)
  }

  /** See IngressListener. */
  renew(pairs: readonly CertificatePair[]): boolean {
    if (this.#certificates?.renew(pairs) !== true) return false
    // Where it listens it stays, with another certificate.
    if (!this.readsHello)
      this.server.setSecureContext({ ...this.#parts.tls, ...this.#certificates.first.offered })
    return true
  }

  #onHello(socket: Socket, name: string | undefined, bytes: Buffer): void {
    const { unknownNames, onUnknownName, onRefused } = this.#parts
    const found = name === undefined ? undefined : this.#certificates?.find(name)
    if (name !== undefined && found === undefined && unknownNames === 'refuse') {
      onUnknownName()
      onRefused(socket, `TLS: no certificate is for the server name ${JSON.stringify(name)}`)
      socket.on('error', ignoreError)
      socket.end(UNRECOGNIZED_NAME, () => socket.destroy())
      return
    }
    begin(found?.server ?? this.#certificates?.first.server ?? this.server, socket, bytes)
  }

  #makeServer(offered?: OfferedCertificates): Server {
    const { tls, serverOptions, onSecure, onFailed } = this.#parts
    const server = createServer(
      { ...tls, ...offered, ...serverOptions, sessionIdContext: SESSION_CONTEXT },
      onSecure,
    )
    const onError = (error: Error, socket: TLSSocket): void => onFailed(socket, error)
    return server.on(
      'tlsClientError',
      guardedListener('a failed handshake', onError, () => {}),
    )
  }
}

/** TLS takes what lies in the socket when it begins. */
function begin(server: Server, socket: Socket, firstBytes: Buffer): void {
  socket.pause().unshift(firstBytes)
  server.emit('connection', socket)
}

/** Undefined: `tls` has what only Node understands. */
function pairsOf({ cert, key }: SecureContextOptions): readonly CertificatePair[] | undefined {
  const isPem = (value: unknown): value is string | Buffer =>
    typeof value === 'string' || value instanceof Buffer
  return isPem(cert) && isPem(key) ? [{ cert: cert.toString(), key: key.toString() }] : undefined
}

/** 'close' follows. */
function ignoreError(): void {}
