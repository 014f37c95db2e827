import {
  DEFAULT_HTTP3_OPTIONS,
  DEFAULT_QUIC_OPTIONS,
  type Http3Options,
  type QuicOptions,
} from '../base/options/protocol-options.ts'
import { type IngressLimits, ingressLimits } from './ingress-limits.ts'

/** The limits of a listener on QUIC: those of all listeners, and two groups of its own. */
export interface Http3IngressLimits extends IngressLimits {
  /** QUIC with clients: the options of the group `quic`. */
  quic: QuicOptions
  /** HTTP/3 with clients: the options of the group `http3`. */
  http3: Http3Options
}

/** The same where every limit may be left out. */
export type Http3IngressLimitsInput = Parameters<typeof ingressLimits>[0] & {
  quic?: Partial<QuicOptions>
  http3?: Partial<Http3Options>
}

/**
 * As for HTTP/2, a client can make us hold a fraction of what an origin can: a stream begins with 64 KiB and
 * grows, while its handler keeps up, to what 200 Mbit/s at 40 ms need. What it can send without any of it
 * reaching a reader is less too.
 *
 * `idleTimeoutMs` stays below keepAliveTimeoutMs: a client that says nothing at all is forgotten after the
 * former, one that only sends proofs of liveness after the latter.
 */
const DEFAULT_INGRESS_QUIC_OPTIONS: Readonly<QuicOptions> = {
  ...DEFAULT_QUIC_OPTIONS,
  streamWindowBytes: 65_536,
  maxStreamWindowBytes: 1_048_576,
  maxSurplusBytes: 1_048_576,
}

/** The limits of a listener on QUIC: what is given, and the defaults for the rest. */
export function http3IngressLimits(given: Http3IngressLimitsInput = {}): Http3IngressLimits {
  return {
    ...ingressLimits(given),
    quic: { ...DEFAULT_INGRESS_QUIC_OPTIONS, ...given.quic },
    http3: { ...DEFAULT_HTTP3_OPTIONS, ...given.http3 },
  }
}
