import type { TlsOptions } from '../../base/options/options.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { TakenTicket } from '../../state/ticket-store.ts'
import { type ClientContext, ClientContexts } from '../openssl/client-contexts.ts'
import { type LoadedOpenSsl, openSsl } from '../openssl/openssl.ts'
import type { DialRequest } from '../tcp/dial-request.ts'
import { type SessionFacts, sessionFacts } from '../tls/session-facts.ts'
import { type EarlySocket, openEarlySocket } from './early-socket.ts'

interface EarlyConnect {
  /** Connected, or its SYN waits for the first write. */
  readonly raw: StreamSocket
  readonly tls: TlsOptions
  readonly serverName: string
  readonly alpn: string | undefined
  readonly session: Buffer
  readonly keylog: ((line: Buffer) => void) | undefined
}

/** When a dial carries early data, and the TLS that can: node:tls has no call for it. */
export class EarlyDialer {
  readonly #load: () => LoadedOpenSsl
  #contexts: ClientContexts | undefined

  constructor(load: () => LoadedOpenSsl = openSsl) {
    this.#load = load
  }

  /** Why there is none on this machine, for people. Undefined: there can be. */
  get unavailable(): string | undefined {
    const loaded = this.#load()
    return 'unavailable' in loaded ? loaded.unavailable : undefined
  }

  /**
   * Reads what it needs beside a handshake that is under way, once: Node's list of authorities alone takes 40
   * ms.
   */
  prepare(tls: TlsOptions): void {
    this.#contextFor(tls)
  }

  /** What the ticket says, if a request wants to leave early and the ticket may carry it. */
  facts(request: DialRequest, ticket: TakenTicket | undefined): SessionFacts | undefined {
    const { alpnProtocols, tls, wantsEarlyData } = request
    // RFC 8446 8.1: a ticket that was used before could make it a replay.
    if (ticket?.isFirstUse !== true || wantsEarlyData?.() !== true || tls.maxVersion === 'TLSv1.2')
      return undefined
    const facts = sessionFacts(ticket.session)
    // The data is of the protocol that the ticket was made with (RFC 8446 4.2.10).
    const isSpoken = alpnProtocols.some(protocol => protocol === (facts.alpn ?? 'http/1.1'))
    if (facts.maxEarlyDataBytes === 0 || !isSpoken || this.#contextFor(tls) === undefined) return undefined
    return facts
  }

  /** Throws when there is no memory. Only after facts() has said that it may. */
  open({ tls, ...connect }: EarlyConnect): EarlySocket {
    const context = this.#contextFor(tls)
    if (context === undefined) throw new Error('early data over TCP is not to be had')
    return openEarlySocket({ ...connect, context, rejectUnauthorized: tls.rejectUnauthorized ?? true })
  }

  /** Undefined: there is none on this machine, or it cannot use these options, though Node can. */
  #contextFor(tls: TlsOptions): ClientContext | undefined {
    const loaded = this.#load()
    if ('unavailable' in loaded) return undefined
    this.#contexts ??= new ClientContexts(loaded.openssl)
    try {
      return this.#contexts.get(tls)
    } catch {
      return undefined
    }
  }
}
