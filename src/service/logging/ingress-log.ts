import type { Logger } from 'pino'
import { type Clock, systemClock } from '../../entry/events.ts'
import type { AcceptEvent, ClientEvent, IngressObserver } from '../../ingress/ingress-event.ts'
import { formatListenAddress } from '../config/fields/listen-address.ts'

/** A listener on the edge of its room pauses and goes on many times a second: it says so once in so long. */
const PAUSE_SILENCE_MS = 10_000

/**
 * Logs what clients of a listener did wrong: at debug only, since strangers decide how often it happens. The
 * metrics count all of it. What the listener itself cannot do is a warning. One for each listener.
 */
export function ingressLog(logger: Logger, clock: Pick<Clock, 'now'> = systemClock): IngressObserver {
  const onAccept = acceptLog(logger, clock)
  return event => {
    if (event.type === 'fast-open-unavailable') {
      const listener = formatListenAddress({ host: event.address, port: event.port })
      logger.warn({ listener }, `listener ${listener}: no TCP Fast Open: ${event.because}`)
      return
    }
    if (event.type === 'accept-paused' || event.type === 'accept-resumed') return onAccept(event)
    if (!logger.isLevelEnabled('debug')) return
    const client = formatListenAddress({ host: event.remoteAddress, port: event.remotePort })
    logger.debug({ client }, `client ${client}: ${eventText(event)}`)
  }
}

function acceptLog(logger: Logger, clock: Pick<Clock, 'now'>): (event: AcceptEvent) => void {
  let saidAt = Number.NEGATIVE_INFINITY
  let unsaid = 0
  return event => {
    const listener = formatListenAddress({ host: event.address, port: event.port })
    if (event.type === 'accept-resumed') {
      logger.debug({ listener }, `listener ${listener}: accepts again after ${Math.round(event.pausedMs)}ms`)
      return
    }
    const now = clock.now()
    if (now - saidAt < PAUSE_SILENCE_MS) {
      unsaid += 1
      return
    }
    const again = unsaid === 0 ? '' : `; ${unsaid} more such pauses since the last line`
    saidAt = now
    unsaid = 0
    logger.warn(
      { listener },
      `listener ${listener}: accepts no more until connections end: ${event.because} (raise the limit of descriptors, LimitNOFILE or ulimit -n)${again}`,
    )
  }
}

function eventText(event: ClientEvent): string {
  if (event.type === 'request-refused') return `request refused: ${event.error.code} ${event.error.message}`
  if (event.type === 'handshake-failed') return `TLS handshake failed: ${event.error.message}`
  if (event.type === 'flooder-refused')
    return 'new connections are refused for ingress.floodRefusal: more floods than ingress.maxFloodsPerMinute'
  return 'connection refused: ingress.maxConnections is reached'
}
