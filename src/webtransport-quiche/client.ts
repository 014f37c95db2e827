import { TransportError } from '../base/errors.ts'
import { guarded, guardedMicrotask } from '../base/guard.ts'
import type { WebTransportSession } from '../webtransport/types.ts'
import { AdaptedSession } from './adapted-session.ts'
import { ClientTransports, type TransportLease } from './client-transports.ts'
import type { PackageClient, PackageClientOptions } from './package-contract.ts'

const DURING = 'a client of @fails-components/webtransport'

const transports = new ClientTransports()

/**
 * Where a session stands.
 * - `idle`: nothing was asked for. Valid transitions: opening, closed
 * - `opening`: its CONNECT is under way. Valid transitions: decided, closed
 * - `decided`: it is open, or was refused, and the package asks for it next. Valid transitions: closed
 * - `closed`: final
 */
type State =
  | { readonly kind: 'idle' }
  | { readonly kind: 'opening'; readonly lease: TransportLease; readonly session: WebTransportSession }
  | {
      readonly kind: 'decided'
      readonly lease: TransportLease
      readonly session: WebTransportSession
      readonly refusal: TransportError | undefined
    }
  | { readonly kind: 'closed' }

/**
 * One session of the package's WebTransport over our transport. The package connects first and asks for the
 * session then; here both are one CONNECT, whose answer tells whether there is HTTP/3 at all.
 *
 * @example
 * ```ts
 * const client = new Http3WebTransportClient({ host: 'origin.example', port: 443, allowPooling: true })
 * client.createTransport({ path: '/app' })
 * ```
 */
export class Http3WebTransportClient {
  /** The package puts its own client here, and its socket. */
  jsobj: PackageClient | undefined
  socket: Http3WebTransportClientSocket | undefined
  readonly #options: PackageClientOptions
  #state: State = { kind: 'idle' }

  constructor(options: PackageClientOptions) {
    this.#options = options
  }

  createTransport({ path }: { path: string }): void {
    if (this.#state.kind !== 'idle') return
    const opening = this.#open(path)
    if (opening === undefined) {
      this.#state = { kind: 'closed' }
      // Not thrown: the package would go on over HTTP/2. It waits for it only behind this call.
      guardedMicrotask(DURING, () => this.#tell(client => client.onClientConnected({ success: false })))
      return
    }
    this.#state = opening
    opening.session.ready.then(
      () => this.#decide(undefined),
      (error: unknown) => this.#decide(error),
    )
  }

  openWTSession(_path: string): void {
    const state = this.#state
    if (state.kind !== 'decided') return
    const { session, refusal } = state
    const adapted = new AdaptedSession(session)
    // Not from within: the package waits for its session only behind this call.
    guardedMicrotask(DURING, () => {
      this.#tell(client => client.onHttpWTSessionVisitor({ session: adapted, reliable: false }))
      if (adapted.jsobj === undefined) this.abandon()
      else if (refusal === undefined) adapted.begin()
      else adapted.fail(refusal)
    })
  }

  /** The session is over, or nobody wants it any more. */
  abandon(): void {
    const state = this.#state
    if (state.kind === 'closed') return
    this.#state = { kind: 'closed' }
    if (state.kind === 'idle') return
    guarded(DURING, () => state.session.close())
    state.lease.release()
  }

  /** Undefined: its options make no sense. */
  #open(path: string): Extract<State, { kind: 'opening' }> | undefined {
    const { host = 'localhost', port = 443, protocols = [] } = this.#options
    let lease: TransportLease | undefined
    try {
      lease = transports.lease(this.#options)
      const session = lease.transport.webTransport(`https://${host}:${port}${path}`, { protocols })
      return { kind: 'opening', lease, session }
    } catch {
      lease?.release()
      return undefined
    }
  }

  #decide(error: unknown): void {
    const state = this.#state
    if (state.kind !== 'opening') return
    const isRefused = error instanceof TransportError && error.code === 'MM_WEBTRANSPORT_REFUSED'
    const { lease, session } = state
    if (error === undefined || isRefused) {
      this.#state = { kind: 'decided', lease, session, refusal: isRefused ? error : undefined }
      this.#tell(client => client.onClientConnected({ success: true }))
      this.#tell(client => client.onClientWebTransportSupport({}))
      return
    }
    // The package goes on over HTTP/2 when nothing is reported. There it takes any certificate whose chain is
    // good, so that who names certificates must not get that far.
    const { serverCertificateHashes = [], requireUnreliable = false } = this.#options
    const isCertificate = error instanceof TransportError && error.code === 'MM_TLS_CERTIFICATE'
    if (serverCertificateHashes.length > 0 || requireUnreliable || isCertificate)
      this.#tell(client => client.onClientConnected({ success: false }))
  }

  #tell(say: (client: PackageClient) => void): void {
    const { jsobj } = this
    if (jsobj !== undefined) guarded(DURING, () => say(jsobj))
  }
}

/**
 * The package wants one beside each client. The sockets themselves are those of our transport.
 *
 * @example
 * ```ts
 * const socket = new Http3WebTransportClientSocket()
 * socket.cobj = new Http3WebTransportClient({ host: 'origin.example' })
 * ```
 */
export class Http3WebTransportClientSocket {
  /** The package puts the client here. */
  cobj: Http3WebTransportClient | undefined

  init(): void {}

  closeClient(): void {
    this.cobj?.abandon()
  }
}
