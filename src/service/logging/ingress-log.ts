import type { Logger } from 'pino'
import type { ClientEvent, IngressObserver } from '../../ingress/ingress-event.ts'
import { formatListenAddress } from '../config/listen-address.ts'

/**
 * Logs what clients of a listener did wrong: at debug only, since strangers decide how often it happens. The metrics count all of it. What the listener
 * itself cannot do is a warning.
 */
export function ingressLog(logger: Logger): IngressObserver {
  return event => {
    if (event.type === 'fast-open-unavailable') {
      const listener = formatListenAddress({ host: event.address, port: event.port })
      logger.warn({ listener }, `listener ${listener}: no TCP Fast Open: ${event.because}`)
      return
    }
    if (!logger.isLevelEnabled('debug')) return
    const client = formatListenAddress({ host: event.remoteAddress, port: event.remotePort })
    logger.debug({ client }, `client ${client}: ${eventText(event)}`)
  }
}

function eventText(event: ClientEvent): string {
  if (event.type === 'request-refused') return `request refused: ${event.error.code} ${event.error.message}`
  if (event.type === 'handshake-failed') return `TLS handshake failed: ${event.error.message}`
  if (event.type === 'flooder-refused')
    return 'new connections are refused for ingress.floodRefusal: more floods than ingress.maxFloodsPerMinute'
  return 'connection refused: ingress.maxConnections is reached'
}
