import { isIP } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { abortError, TransportError } from '../../base/errors.ts'
import { guardedImmediate } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { TicketStore } from '../../state/ticket-store.ts'
import { EarlyDialer } from '../early-data/early-dialer.ts'
import { FastOpen } from '../fast-open/fast-open.ts'
import { socketCalls } from '../native/socket-calls.ts'
import { SecureContexts } from '../tls/secure-contexts.ts'
import { SessionForms } from '../tls/session-forms.ts'
import type { DialRequest, DialResult } from './dial-request.ts'
import { RunningDial } from './running-dial.ts'

interface DialerOptions {
  readonly clock: Clock
  readonly tickets: TicketStore
  /** Gets the lines of an SSLKEYLOGFILE. */
  readonly keylog?: ((line: Buffer) => void) | undefined
  /** Default: what this machine can do. */
  readonly fastOpen?: FastOpen | undefined
  readonly early?: EarlyDialer | undefined
}

/**
 * Connects: races the addresses, does the TLS handshake, resumes sessions, saves round trips where it may.
 */
export class Dialer {
  readonly #clock: Clock
  readonly #tickets: TicketStore
  readonly #keylog: ((line: Buffer) => void) | undefined
  readonly #contexts = new SecureContexts()
  readonly fastOpen: FastOpen
  readonly early: EarlyDialer
  readonly #forms = new SessionForms()
  #hasDialed = false

  constructor(options: DialerOptions) {
    this.#clock = options.clock
    this.#tickets = options.tickets
    this.#keylog = options.keylog
    this.fastOpen = options.fastOpen ?? new FastOpen({ clock: options.clock })
    this.early = options.early ?? new EarlyDialer()
  }

  /**
   * Rejects with a TransportError; after an abort with the signal's reason if that is one, else with
   * MM_ABORTED. Whatever was under way is destroyed before it rejects.
   *
   * Over TLS 1.3 our side of the handshake is complete before the server has looked at our certificate (RFC
   * 8446 section 2): that it demands one, or refuses ours, comes as an error of the socket later.
   */
  dial(request: DialRequest, signal: AbortSignal): Promise<DialResult> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(abortError(signal, 'the connect'))
      request.attempts.forEach(({ endpoint }) => checkEndpoint(endpoint))
      const shared = request.origin.scheme === 'https' ? this.#contexts.get(request.tls) : undefined
      const settings = {
        request,
        shared,
        clock: this.#clock,
        tickets: this.#tickets,
        fastOpen: this.fastOpen,
        early: this.early,
        forms: this.#forms,
        keylog: this.#keylog,
      }
      new RunningDial(settings, { signal, resolve, reject }).start()
      this.#prepare(request)
    })
  }

  /**
   * What takes long to load is loaded while the first answer is on its way: 14 ms, and 40 more for early
   * data.
   */
  #prepare({ origin, wantsEarlyData, tls }: DialRequest): void {
    if (!this.#hasDialed) guardedImmediate('loading native calls', socketCalls)
    this.#hasDialed = true
    if (wantsEarlyData === undefined || origin.scheme !== 'https') return
    guardedImmediate('preparing early data', () => this.early.prepare(tls))
  }
}

/** Anything but an IP address would make Node ask a resolver of its own choice. */
function checkEndpoint(endpoint: Endpoint): void {
  if (isIP(endpoint.address) !== endpoint.family || !(endpoint.port >= 1 && endpoint.port <= 65_535)) {
    throw new TransportError('MM_INVALID_ARGUMENT', `not an endpoint: ${formatEndpoint(endpoint)}`)
  }
}
