import { type Clock, systemClock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import { combinedHeaderValue, type HeaderList, headersToRecord, NO_HEADERS } from '../base/http/headers.ts'
import { OpenSession } from '../webtransport/open-session.ts'
import {
  AVAILABLE_PROTOCOLS,
  CHOSEN_PROTOCOL,
  encodeProtocols,
  readProtocols,
} from '../webtransport/protocol-fields.ts'
import type { CarriedSession } from '../webtransport/types.ts'
import type { IngressExchange } from './ingress-exchange.ts'

/** How a session is accepted. */
export interface AcceptOptions {
  /** One of those that offeredProtocols() lists. Default: none. */
  readonly protocol?: string | undefined
  /** Fields of the answer. Default: none. */
  readonly headers?: HeaderList
  readonly clock?: Clock
}

/** What old drafts ask for and answer with (draft-02 3.3). */
const DRAFT_REQUEST = 'sec-webtransport-http3-draft02'
const DRAFT_ANSWER = ['sec-webtransport-http3-draft', 'draft02']

/** The protocols that a client offers for its session, best first. */
export function offeredProtocols({ headers }: Pick<IngressExchange, 'headers'>): readonly string[] {
  return readProtocols(combinedHeaderValue(headers, AVAILABLE_PROTOCOLS))
}

/**
 * Accepts the session of WebTransport that an exchange asks for (`exchange.upgrade` is `webtransport`).
 * Throws MM_INVALID_ARGUMENT where it asks for something else, or a protocol was not offered.
 */
export function acceptWebTransport(exchange: IngressExchange, options: AcceptOptions = {}): CarriedSession {
  const { protocol = '', headers = NO_HEADERS, clock = systemClock } = options
  if (exchange.upgrade !== 'webtransport') throw invalid('the exchange asks for no session of WebTransport')
  if (protocol !== '' && !offeredProtocols(exchange).includes(protocol))
    throw invalid(`the client did not offer the protocol ${JSON.stringify(protocol)}`)
  const answer = [...headers]
  if (exchange.headers.includes(DRAFT_REQUEST)) answer.push(...DRAFT_ANSWER)
  if (protocol !== '') answer.push(CHOSEN_PROTOCOL, encodeProtocols([protocol]))
  const tunnel = exchange.acceptUpgrade(200, answer)
  const carrier = tunnel.carrier?.()
  const session = new OpenSession({ clock, isServer: true })
  if (carrier !== undefined)
    session.begin({ tunnel, carrier, protocol, headers: headersToRecord(exchange.headers) })
  else {
    tunnel.on('error', () => {}).destroy()
    session.fail(
      new TransportError(
        'MM_CLIENT_GONE',
        'the listener does not offer WebTransport, or the client has gone',
      ),
    )
  }
  return session
}

function invalid(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
