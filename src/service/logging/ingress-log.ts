import type { Logger } from 'pino'
import type { IngressEvent, IngressObserver } from '../../ingress/ingress-event.ts'
import { formatListenAddress } from '../config/listen-address.ts'

/**
 * Logs what clients of a listener did wrong: at debug only, since strangers decide how often it happens. The metrics count all of it.
 */
export function ingressLog(logger: Logger): IngressObserver {
  if (!logger.isLevelEnabled('debug')) return () => {}
  return event => {
    const client = formatListenAddress({ host: event.remoteAddress, port: event.remotePort })
    logger.debug({ client }, `client ${client}: ${eventText(event)}`)
  }
}

function eventText(event: IngressEvent): string {
  if (event.type === 'request-refused') return `request refused: ${event.error.code} ${event.error.message}`
  if (event.type === 'handshake-failed') return `TLS handshake failed: ${event.error.message}`
  return 'connection refused: ingress.maxConnections is reached'
}
