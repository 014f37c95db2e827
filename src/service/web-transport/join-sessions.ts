import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import { type CarriedSession, type HeaderList, sessionOverTunnel } from '../../entry/dispatch.ts'
import type { Clock } from '../../entry/events.ts'
import { acceptWebTransport } from '../../ingress/accept-web-transport.ts'
import type { IngressExchange } from '../../ingress/ingress-exchange.ts'

/** Of one hop: which draft is spoken, and what the origin chose, which the session says itself. */
const OF_ONE_HOP: ReadonlySet<string> = new Set([
  'sec-webtransport-http3-draft',
  'sec-webtransport-http3-draft02',
  'wt-protocol',
])

/** The fields of a CONNECT, or of its answer, that go on. */
export function sessionFields(headers: HeaderList): HeaderList {
  return headers.filter((_, at) => !OF_ONE_HOP.has(headers[at & ~1] as string)) // even indexes are names
}

/** An origin has taken the session of a client: what it answered over. */
export interface TakenSession {
  readonly tunnel: StreamSocket
  /** The fields of the request, as they were sent. */
  readonly request: HeaderList
  /** Those of the answer, as they came. */
  readonly response: HeaderList
  /** Those for the client. */
  readonly answer: HeaderList
}

/**
 * Accepts the session of a client that an origin has taken: both sessions. Throws where they cannot be; the
 * client waits for its answer then, and the origin's session is over.
 */
export function joinSessions(
  client: IngressExchange,
  { tunnel, request, response, answer }: TakenSession,
  clock: Clock,
): { readonly client: CarriedSession; readonly origin: CarriedSession } {
  const origin = sessionOverTunnel(tunnel, { request, response }, clock)
  try {
    const { protocol } = origin
    return {
      client: acceptWebTransport(client, { protocol, headers: sessionFields(answer), clock }),
      origin,
    }
  } catch (error) {
    origin.close()
    throw error
  }
}
