import { containFault, guardedListener, guardedPromise } from '../../base/guard.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import { asTransportError, type Origin, type Protocol, TransportError } from '../../index.ts'
import type { IngressExchange, IngressExchangeEvents } from '../../ingress/ingress-exchange.ts'
import {
  type ClientAnswer,
  type EndedExchange,
  type ForwardingContext,
  protocolOf,
} from '../forwarding/forwarded-exchange.ts'
import { ownResponse, sendOwnResponse } from '../forwarding/own-response.ts'
import type { ClientStream, TunnelEnd } from './tunnel-ends.ts'

/** What became of tunnels: that they stood, what they failed by, what ended them beside their own ends. */
export type TunnelOutcome = 'opened' | 'failed' | 'idle'

interface TunnelParts {
  readonly context: ForwardingContext
  readonly client: IngressExchange
  readonly origin: Origin
  readonly route: string
  readonly requestId: string | undefined
  readonly idleMs: number
  /** Reaches the target. */
  readonly reach: (signal: AbortSignal) => Promise<TunnelEnd>
  readonly clock: Clock
  readonly onOutcome: (outcome: TunnelOutcome) => void
  /** Nothing of it is left. Called once. */
  readonly onOver: () => void
  readonly onCarried: (fromClient: number, fromOrigin: number) => void
}

/**
 * A CONNECT, or CONNECT-UDP, and the tunnel that comes of it.
 *
 * - `connecting`: the client waits for an answer. Valid transitions: open, over
 * - `open`: bytes, or datagrams, go both ways. Valid transitions: over
 * - `over`: refused, given up by the client, or ended by both sides. Final
 */
export class ProxyTunnel implements IngressExchangeEvents, ClientAnswer, EndedExchange {
  readonly client: IngressExchange
  readonly origin: Origin
  readonly route: string
  readonly requestId: string | undefined
  /** It is no request to an origin, and no protocol that we speak. */
  readonly originProtocol = undefined
  readonly handle = undefined
  status = 0
  requestBytes = 0
  responseBytes = 0
  error: TransportError | undefined
  readonly #parts: TunnelParts
  readonly #startedAt: number
  readonly #givenUp = new AbortController()
  #phase: 'connecting' | 'open' | 'over' = 'connecting'
  #usedAt = 0
  #timer: Timer | undefined
  /** Of the two sides, those that are not closed. */
  #openSides = 2

  constructor(parts: TunnelParts) {
    this.#parts = parts
    this.client = parts.client
    this.origin = parts.origin
    this.route = parts.route
    this.requestId = parts.requestId
    this.#startedAt = parts.clock.now()
  }

  get clientProtocol(): Protocol {
    return protocolOf(this.client)
  }

  get durationMs(): number {
    return this.#parts.clock.now() - this.#startedAt
  }

  start(): void {
    this.client.events = this
    guardedPromise('opening a tunnel', this.#open())
  }

  // From the client, while it waits

  onDrain(): void {}

  onAborted(error: TransportError): void {
    if (this.#phase !== 'connecting') return
    this.error = error
    this.#givenUp.abort()
    this.#parts.onOutcome('failed')
    this.#answered()
    this.#end()
  }

  async #open(): Promise<void> {
    let end: TunnelEnd
    try {
      end = await this.#parts.reach(this.#givenUp.signal)
    } catch (cause) {
      this.#fail(asTransportError(cause, 'MM_CONNECT_FAILED', 'no'))
      return
    }
    if (this.#phase !== 'connecting') end.destroy()
    else this.#join(end)
  }

  #join(end: TunnelEnd): void {
    const { onCarried, onOutcome, clock } = this.#parts
    let client: ClientStream
    try {
      client = this.client.acceptUpgrade(200, end.headers)
    } catch (cause) {
      end.destroy()
      containFault('accepting a tunnel', cause, fault => this.#fail(fault))
      return
    }
    this.#phase = 'open'
    this.status = 200
    onOutcome('opened')
    this.#usedAt = clock.now()
    client.once(
      'close',
      guardedListener('the end of a tunnel', () => this.#onSideClosed(), ignoreFault),
    )
    end.join(client, {
      onCarried: (fromClient, fromTarget) => {
        this.#usedAt = clock.now()
        this.requestBytes += fromClient
        this.responseBytes += fromTarget
        onCarried(fromClient, fromTarget)
      },
      onClosed: error => {
        this.error ??= error
        this.#onSideClosed()
      },
    })
    this.#watchIdle(client, end)
    this.#answered()
  }

  #onSideClosed(): void {
    this.#openSides -= 1
    if (this.#openSides === 0) this.#end()
  }

  /** One timer, which looks at when something was carried last: nothing is done per chunk. */
  #watchIdle(client: ClientStream, end: TunnelEnd): void {
    const { idleMs, clock } = this.#parts
    if (idleMs === 0 || this.#phase !== 'open') return
    const leftMs = this.#usedAt + idleMs - clock.now()
    if (leftMs > 0) {
      const onTimer = guardedListener('a quiet tunnel', () => this.#watchIdle(client, end), ignoreFault)
      this.#timer = clock.setTimer(leftMs, onTimer)
      return
    }
    // What has failed, and waits for its client to end, is not idle.
    if (this.error === undefined) {
      this.error = new TransportError('MM_TUNNEL_IDLE', `nothing went through the tunnel for ${idleMs} ms`)
      this.#parts.onOutcome('idle')
    }
    client.destroy()
    end.destroy()
  }

  #fail(error: TransportError): void {
    if (this.#phase !== 'connecting') return
    const { context } = this.#parts
    const { name, detail } = context
    this.error = error
    const response = ownResponse(error, { name, detail, dateHeader: context.dateHeader() })
    this.status = response.status
    this.responseBytes = response.body.length
    this.#parts.onOutcome('failed')
    sendOwnResponse(this.client, response)
    this.#answered()
    this.#end()
  }

  #answered(): void {
    this.#parts.context.onAnswered(this)
  }

  #end(): void {
    this.#phase = 'over'
    this.#timer?.cancel()
    const { context, onOver } = this.#parts
    onOver()
    context.onEnded?.(this)
  }
}

/** The fault is counted, and the tunnel ends by what its sides do. */
function ignoreFault(): void {}
