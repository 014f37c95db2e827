import type { Phase } from '../results/subject-detail.ts'

/**
 * What is known of one exchange over our transport. All in ms; `handshake` undefined: it found its
 * connection.
 */
export interface ExchangeTimes {
  /** Until it had the connection that answered it: tries that failed before are part of this. */
  readonly queueMs: number
  readonly ttfbMs: number
  readonly totalMs: number
  readonly handshake:
    | { readonly dnsMs: number; readonly connectMs: number; readonly tlsMs: number }
    | undefined
}

/**
 * [P] What its time went to, in order. The handshake stands at the end of the wait for a connection; what of
 * it was over before the request came, or ran beside it (early data), is cut off.
 */
export function phasesOf({ queueMs, ttfbMs, totalMs, handshake }: ExchangeTimes): readonly Phase[] {
  const { dnsMs = 0, connectMs = 0, tlsMs = 0 } = handshake ?? {}
  const tlsAt = Math.max(0, queueMs - tlsMs)
  const connectAt = Math.max(0, tlsAt - connectMs)
  const dnsAt = Math.max(0, connectAt - dnsMs)
  const headAt = Math.min(queueMs + ttfbMs, totalMs)
  const spans: readonly Phase[] = [
    { name: 'queue', startMs: 0, endMs: dnsAt },
    { name: 'dns', startMs: dnsAt, endMs: connectAt },
    { name: 'connect', startMs: connectAt, endMs: tlsAt },
    { name: 'tls', startMs: tlsAt, endMs: queueMs },
    { name: 'waiting', startMs: queueMs, endMs: headAt },
    { name: 'body', startMs: headAt, endMs: totalMs },
  ]
  return spans.filter(({ startMs, endMs }) => endMs > startMs)
}
