import { TransportError } from '../../index.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'
import type { RouteLimits, WebTransportListenSettings } from '../config/service-settings.ts'
import { type BridgeParts, SessionBridge } from './session-bridge.ts'

/** By what name a CONNECT asks for a session. */
export const WEBTRANSPORT = 'webtransport'

/** All sessions that are open in this process. */
export class SessionTable {
  readonly #open = new Set<SessionBridge>()

  get size(): number {
    return this.#open.size
  }

  open(parts: BridgeParts): SessionBridge {
    const bridge: SessionBridge = new SessionBridge({
      ...parts,
      onEnded: (...ended) => {
        this.#open.delete(bridge)
        parts.onEnded(...ended)
      },
    })
    this.#open.add(bridge)
    bridge.start()
    return bridge
  }

  /** The deadline of a drain has come. */
  closeAll(): void {
    const error = new TransportError('MM_TRANSPORT_CLOSED', 'the connector is going away')
    for (const bridge of this.#open) bridge.close('shutdown', error)
  }
}

/** A place among the sessions of a listener. */
export interface SessionPlace {
  readonly idleMs: number
  /** Once. */
  release(): void
}

/** The sessions of one listener, those that are being opened included. */
export class ListenerSessions {
  readonly #settings: WebTransportListenSettings
  #taken = 0

  constructor(settings: WebTransportListenSettings) {
    this.#settings = settings
  }

  take(): SessionPlace | undefined {
    const { maxSessions, idleTimeoutMs } = this.#settings
    if (this.#taken >= maxSessions) return undefined
    this.#taken += 1
    return {
      idleMs: idleTimeoutMs,
      release: () => {
        this.#taken -= 1
      },
    }
  }
}

/**
 * The place of a session that an exchange asks for; else why there is none. `sessions`: of its listener;
 * undefined: that offers none.
 */
export function admitSession(
  sessions: ListenerSessions | undefined,
  { httpVersion }: Pick<IngressExchange, 'httpVersion'>,
  { protocols }: Pick<RouteLimits, 'protocols'>,
): SessionPlace | TransportError {
  if (sessions === undefined || httpVersion !== '3') {
    const message = 'sessions of WebTransport are not offered here'
    return new TransportError('MM_WEBTRANSPORT_NOT_OFFERED', message)
  }
  if (protocols?.includes('h3') === false)
    return new TransportError('MM_WEBTRANSPORT_UNAVAILABLE', 'protocols of the route has no h3')
  const message = 'as many sessions of WebTransport are open as there may be'
  return sessions.take() ?? new TransportError('MM_WEBTRANSPORT_LIMIT', message)
}
