import type { ErrorCode } from '../errors.ts'

/** Counters of one listener, for metrics. */
export interface IngressStats {
  connections: {
    /** Open now. */
    open: number
    accepted: number
    /** Closed at once, since `maxConnections` was reached. */
    refused: number
    /** TLS handshakes that failed or took too long. */
    failedHandshakes: number
  }
  /** Requests whose head was read. */
  requests: number
  /** Requests that were refused, and clients that were too slow, by error code. */
  badRequests: Partial<Record<ErrorCode, number>>
}

export function newIngressStats(): IngressStats {
  return {
    connections: { open: 0, accepted: 0, refused: 0, failedHandshakes: 0 },
    requests: 0,
    badRequests: {},
  }
}

export function countBadRequest(stats: IngressStats, code: ErrorCode): void {
  stats.badRequests[code] = (stats.badRequests[code] ?? 0) + 1
}
