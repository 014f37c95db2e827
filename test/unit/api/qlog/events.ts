import { TransportError } from '../../../../src/base/errors.ts'
import type { Decision } from '../../../../src/base/events/decision.ts'
import type { ExchangeEnded, TransportEvent } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'

export const SHOP = parseOrigin('https://shop.example')

export const DECISION: Decision = {
  at: 1_050,
  lane: 'h3',
  rule: 'faster',
  because: 'predicted to be 21 % faster than tcp',
  candidates: [
    {
      lane: 'h3',
      protocol: 'h3',
      isEligible: true,
      because: 'confirmed',
      evidence: ['first byte after 42.1 ms (18 samples, last 3 s ago)'],
      predictedMs: 42.123_456,
      cpuMs: undefined,
    },
  ],
  wouldChange: ['tcp below 38 ms for 5 s'],
}

export function exchange(changes: Partial<ExchangeEnded> = {}): ExchangeEnded {
  return {
    type: 'exchange-ended',
    origin: SHOP,
    method: 'GET',
    path: '/cart?token=secret',
    status: 200,
    protocol: 'h3',
    lane: 'h3',
    connectionId: 7,
    reused: false,
    retries: 0,
    requestBytes: 0,
    responseBytes: 10,
    earlyData: 'none',
    stallMs: undefined,
    queueMs: 1,
    ttfbMs: 2,
    totalMs: 3,
    error: undefined,
    ...changes,
  }
}

/** A dial that began at 1000 ms of the clock. */
export function dialEnded(
  ...attempts: Extract<TransportEvent, { type: 'dial-ended' }>['attempts']
): Extract<TransportEvent, { type: 'dial-ended' }> {
  return { type: 'dial-ended', origin: SHOP, lane: 'h3', attempts, atMs: 1_000 }
}

export const REFUSED = new TransportError('MM_CONNECT_REFUSED', '192.0.2.1:443 refused')
