import { TransportError } from '../base/errors.ts'
import { NO_HEADERS } from '../base/http/headers.ts'
import type { ClientLimits } from './client-limits.ts'
import type { IngressExchange, IngressHandler } from './ingress-exchange.ts'
import { countBadRequest } from './ingress-stats.ts'
import { refusalOf } from './refusal.ts'
import type { ListenerContext } from './session-context.ts'

interface ClientCounts {
  readonly clientLimits: ClientLimits
}

/** The limit that refuses a new connection of a client. Undefined: it is taken, and counted. */
export function clientRefusal(
  { flooders, clientLimits, clock }: Pick<ListenerContext, 'flooders' | 'clock'> & ClientCounts,
  address: string,
): string | undefined {
  const now = clock.now()
  if (flooders.refuses(address, now)) return 'maxFloodsPerMinute'
  return clientLimits.areSet ? clientLimits.refusalOf(address, now) : undefined
}

/** Answers 429 to the requests of clients that ask too often. */
export function withRequestRates(
  handler: IngressHandler,
  context: Pick<ListenerContext, 'clock' | 'stats' | 'observer' | 'proxyName'> & ClientCounts,
): IngressHandler {
  const { clientLimits, clock, stats, observer, proxyName } = context
  if (!clientLimits.areSet) return handler
  return exchange => {
    const { remoteAddress, remotePort } = exchange
    if (clientLimits.admits(remoteAddress, clock.now())) {
      handler(exchange)
      return
    }
    const error = new TransportError('MM_CLIENT_RATE', `${remoteAddress} asks too often`)
    countBadRequest(stats, error.code)
    observer({ type: 'request-refused', error, remoteAddress, remotePort })
    refuse(exchange, error, proxyName)
  }
}

function refuse(exchange: IngressExchange, error: TransportError, proxyName: string): void {
  const { status, headers, body } = refusalOf(error, proxyName)
  exchange.events = { onDrain() {}, onAborted() {} }
  exchange.respondStart(status, headers)
  if (exchange.method !== 'HEAD') exchange.respondData(Buffer.from(body, 'latin1'), chunk => chunk)
  exchange.respondEnd(NO_HEADERS)
}
