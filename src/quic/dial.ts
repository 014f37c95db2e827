import { isIP } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { abortError, TransportError } from '../base/errors.ts'
import { type Endpoint, formatEndpoint } from '../base/http/endpoint.ts'
import type { QuicDialRequest, QuicDialResult } from './dial-request.ts'
import type { DrivenEngine } from './driven-connection.ts'
import { RunningQuicDial } from './running-dial.ts'

/**
 * Connects over QUIC: races the addresses as RFC 8305 does (the next one when `attemptDelayMs` have passed or
 * one has failed), keeps the first whose handshake is complete and closes the others.
 *
 * Rejects with a TransportError; after an abort with the signal's reason if that is one, else with
 * MM_ABORTED. Nothing is left behind. That a server does not like our client certificate, or the lack of one,
 * comes as the end of the link later (RFC 8446 section 2).
 */
export function dialQuic(
  engine: DrivenEngine,
  request: QuicDialRequest,
  clock: Clock,
  signal: AbortSignal,
): Promise<QuicDialResult> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(abortError(signal, 'the connect'))
    for (const { endpoint } of request.attempts) checkEndpoint(endpoint)
    new RunningQuicDial(engine, request, clock, { signal, resolve, reject }).start()
  })
}

function checkEndpoint(endpoint: Endpoint): void {
  if (isIP(endpoint.address) !== endpoint.family || !(endpoint.port >= 1 && endpoint.port <= 65_535)) {
    throw new TransportError('MM_INVALID_ARGUMENT', `not an endpoint: ${formatEndpoint(endpoint)}`)
  }
  // quiche reads no zones, and a link-local address is no use without one.
  if (endpoint.address.includes('%')) {
    throw new TransportError('MM_INVALID_ARGUMENT', `QUIC takes no zone: ${formatEndpoint(endpoint)}`)
  }
}
