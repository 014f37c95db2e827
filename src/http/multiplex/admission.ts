import { afterPoll } from '../../base/after-poll.ts'
import { TransportError } from '../../base/errors.ts'
import { guardedListener } from '../../base/guard.ts'
import { isRepeatable } from '../../base/http/exchange.ts'
import type { UnreadProbe } from '../../base/socket/stream-socket.ts'
import type { MultiplexedClientExchange } from './client-exchange.ts'
import type { ClientSession } from './client-session.ts'
import type { DeadlineTable } from './deadlines.ts'
import { fitsExtendedConnect } from './messages/outgoing-request.ts'

interface AdmissionParts {
  readonly session: ClientSession
  readonly table: DeadlineTable<MultiplexedClientExchange>
  /** See MultiplexedOptions. */
  readonly hasUnread: UnreadProbe | undefined
  /** Sends a liveness probe, unless one is under way. */
  readonly ping: () => Promise<void>
  /** An exchange that waited was handed to the session, or waits for something else now. */
  readonly onOpened: () => void
  readonly onFault: (error: TransportError) => void
}

/**
 * When an exchange is given to the session of its connection. It waits in this order:
 * 1. One that cannot be sent twice: until it is known that the peer is still there.
 * 2. Every one: until the session is ready for it, or can never be.
 */
export class Admission {
  readonly #parts: AdmissionParts
  /** Those of 1. */
  readonly #doubtful = new Set<MultiplexedClientExchange>()
  /** Those of 2. */
  #waiting: MultiplexedClientExchange[] = []

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  open(exchange: MultiplexedClientExchange): void {
    const doubt = isRepeatable(exchange.request) ? undefined : this.#doubt()
    if (doubt === undefined) this.#openWhenReady(exchange)
    else this.#openWhenSure(exchange, doubt)
  }

  /** The session may be ready for those that it was not ready for. */
  onReady(): void {
    if (this.#waiting.length === 0) return
    const waiting = this.#waiting
    this.#waiting = []
    for (const exchange of waiting) if (exchange.isPending) this.#openWhenReady(exchange)
    this.#parts.onOpened()
  }

  /** All that were not given to the session yet. They are the caller's. */
  takeWaiting(): MultiplexedClientExchange[] {
    const waiting = [...this.#waiting, ...this.#doubtful]
    this.#waiting = []
    this.#doubtful.clear()
    return waiting
  }

  /**
   * What is to be done before a request leaves that could not be sent again. Undefined: nothing speaks
   * against the connection.
   */
  #doubt(): 'unanswered' | 'unread' | undefined {
    const { session, table, hasUnread } = this.#parts
    if (session.isInDoubt?.(table.now) === true) return 'unanswered'
    // A loop that is late has not read the end of an idle connection. Where others are under way, something
    // unread is what they wait for.
    if (hasUnread === undefined || table.size > 1) return undefined
    return hasUnread() === false ? undefined : 'unread'
  }

  #openWhenSure(exchange: MultiplexedClientExchange, doubt: 'unanswered' | 'unread'): void {
    const { table, ping, onOpened, onFault } = this.#parts
    const open = (): void => {
      if (!this.#doubtful.delete(exchange) || !exchange.isPending) return
      table.touch()
      this.#openWhenReady(exchange)
      onOpened()
    }
    this.#doubtful.add(exchange)
    const guardedOpen = guardedListener('a request that waited', open, onFault)
    if (doubt === 'unread') afterPoll(guardedOpen)
    else ping().then(guardedOpen, () => {}) // who is not answered falls with the connection
  }

  #openWhenReady(exchange: MultiplexedClientExchange): void {
    if (!fitsExtendedConnect(exchange.request)) {
      const message =
        'extended CONNECT stands for a GET without a body that asks for a protocol without a version'
      exchange.fail(new TransportError('MM_UPGRADE_UNAVAILABLE', message), false)
      return
    }
    const { session, table } = this.#parts
    const readiness = session.readiness(exchange.request, table.now)
    if (readiness === 'now') exchange.send()
    else if (readiness === 'later') this.#waiting.push(exchange)
    else if (readiness === 'refused') {
      exchange.fail(new TransportError('MM_REFUSED', 'the peer allows no further stream now'), false)
    } else {
      const message =
        session.whyUnavailable?.(exchange.request) ??
        'the origin offers no extended CONNECT (RFC 8441, RFC 9220) on this connection'
      exchange.fail(new TransportError('MM_UPGRADE_UNAVAILABLE', message), false)
    }
  }
}
