import type { ErrorCode } from '../base/error-codes.ts'
import type { Protocol } from '../base/http/protocol.ts'

/** What a listener on TCP can speak. */
export type IngressProtocol = Exclude<Protocol, 'h3'>

/** What was spoken in one protocol. */
export interface IngressProtocolStats {
  /** Connections that turned out to speak it. */
  connections: number
  /** Requests whose head was read. */
  requests: number
}

/** Counters of one listener, for metrics. */
export interface IngressStats {
  connections: {
    /** Open now. */
    open: number
    accepted: number
    /**
     * Closed at once, since `maxConnections` was reached. On UDP: not answered, also for packets that begin
     * no connection of ours.
     */
    refused: number
    /** TLS handshakes that failed or took too long. */
    failedHandshakes: number
  }
  accepting: {
    /**
     * Whether clients wait in the queue of the kernel, since descriptors are about to run out, and how often
     * they had to.
     */
    isPaused: boolean
    pauses: number
    /** Turns of the event loop in which `maxAcceptsPerTurn` were accepted, so that more may have waited. */
    limitedTurns: number
  }
  /** Requests whose head was read, in all protocols. */
  readonly requests: number
  protocols: Record<Protocol, IngressProtocolStats>
  /** Requests that were refused, and clients that were too slow, by error code. */
  badRequests: Partial<Record<ErrorCode, number>>
  /** Requests that were refused unread, since the process was overloaded. */
  shed: number
  /** Request fields that were left out by `underscoredFields`. */
  droppedFields: number
  /** Defences of HTTP/2, HTTP/3 and QUIC that took effect, by the name of their limit. */
  defences: Record<string, number>
}

export function newIngressStats(): IngressStats {
  const protocols = {
    'http/1.1': { connections: 0, requests: 0 },
    h2: { connections: 0, requests: 0 },
    h3: { connections: 0, requests: 0 },
  }
  return {
    connections: { open: 0, accepted: 0, refused: 0, failedHandshakes: 0 },
    accepting: { isPaused: false, pauses: 0, limitedTurns: 0 },
    protocols,
    get requests() {
      return protocols['http/1.1'].requests + protocols.h2.requests + protocols.h3.requests
    },
    badRequests: {},
    shed: 0,
    droppedFields: 0,
    defences: {},
  }
}

export function countBadRequest(stats: IngressStats, code: ErrorCode): void {
  stats.badRequests[code] = (stats.badRequests[code] ?? 0) + 1
}

export function countDefence(stats: IngressStats, limit: string): void {
  stats.defences[limit] = (stats.defences[limit] ?? 0) + 1
}
