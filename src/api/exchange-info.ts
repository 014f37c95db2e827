import { formatEndpoint } from '../base/http/endpoint.ts'
import type { DispatchHandle } from '../exchange/dispatch.ts'
import type { ExchangeInfo } from './types.ts'

/**
 * How an exchange went so far. Phases of the handshake count for the exchange that had to wait for them, not
 * for those that reuse it.
 */
export function exchangeInfo(
  handle: DispatchHandle | undefined,
  informational: ExchangeInfo['informational'],
  totalMs: number,
): ExchangeInfo {
  const connection = handle?.connection
  const handshake = connection?.handshake
  const isFirst = handle?.reused === false
  const wasEarly = handle?.wasEarly === true
  return {
    protocol: connection?.protocol ?? 'http/1.1',
    connectionId: connection?.id ?? 0,
    reused: handle?.reused ?? false,
    resumed: handshake?.kind === 'resumed' || handshake?.kind === 'early_data',
    earlyData: wasEarly ? (handshake?.earlyData ?? 'none') : 'none',
    tfo: isFirst ? (handshake?.tfo ?? 'off') : 'off',
    ...(isFirst && handshake?.tfoBecause !== undefined && { tfoBecause: handshake.tfoBecause }),
    remoteAddress: connection === undefined ? '' : formatEndpoint(connection.endpoint),
    attempts: handle?.attempts ?? [],
    retries: handle?.retries ?? 0,
    informational,
    timings: {
      queueMs: handle?.queueMs ?? 0,
      dnsMs: isFirst ? (handshake?.timings.dnsMs ?? 0) : 0,
      connectMs: isFirst ? (handshake?.timings.connectMs ?? 0) : 0,
      // Who left in early data did not wait for the handshake.
      tlsMs: isFirst && !wasEarly ? (handshake?.timings.tlsMs ?? 0) : 0,
      ttfbMs: handle?.ttfbMs ?? 0,
      totalMs,
    },
  }
}
