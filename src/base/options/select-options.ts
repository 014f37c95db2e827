/** Which protocol carries an origin's requests, and what is done to find out. */
export interface SelectOptions {
  /**
   * What is optimized. `latency`: the time of a request. `efficiency`: our CPU, as long as requests take at
   * most twice the time. `auto`: the time, where a protocol is faster by more than `minGain`; else CPU.
   * Default `auto`.
   */
  policy: 'auto' | 'latency' | 'efficiency'
  /**
   * Looks in the background for what an origin can do: HTTPS records in DNS, QUIC on its UDP port. Never
   * delays a request. Default `auto`.
   */
  probe: 'auto' | 'off'
  /** Follows alternatives that responses and ALTSVC frames advertise (RFC 7838). Default `on`. */
  altSvc: 'on' | 'off'
  /**
   * Where HTTP/3 goes first, TCP joins when twice its smoothed round trip (or its remembered handshake) have
   * passed, but not before and not later than these. Also how long a request over HTTP/3 that has proved
   * nothing yet, or has fallen silent, waits before TCP joins. Default 20 ms.
   */
  joinDelayMinMs: number
  /** The upper bound of that delay. Default 250 ms. */
  joinDelayMaxMs: number
  /**
   * The share of requests (0 to 1) that may go over another protocol to measure it. 0: none. Default 0.02.
   */
  exploreShare: number
  /** Requests of one such trial. Default 10. */
  trialRequests: number
  /** Another protocol is taken when it is predicted to be better by this share (0 to 1). Default 0.05. */
  minGain: number
  /** And has been for so long, once there has been a first choice by measurement. Default 5,000 ms. */
  sustainMs: number
  /** Connections over which HTTP/2 is spread where one suffers from losses. 1: never. Default 6. */
  spreadConnections: number
  /** One capability probe as a whole, whatever it looks at. Default 5,000 ms. */
  probeTimeoutMs: number
  /**
   * What a probe found is looked at again after this; one that found nothing waits twice as long each time,
   * up to a day. Default 3,600,000 ms.
   */
  probeIntervalMs: number
  /**
   * How long HTTP/3 is left alone after it failed while TCP worked; doubles with each failure in a row.
   * Default 1,000 ms.
   */
  brokenBaseMs: number
  /** The longest such time. Default 172,800,000 ms. */
  brokenMaxMs: number
}

/** The defaults of `select`. Durations are in ms, sizes in bytes. */
export const DEFAULT_SELECT_OPTIONS: Readonly<SelectOptions> = {
  policy: 'auto',
  probe: 'auto',
  altSvc: 'on',
  joinDelayMinMs: 20,
  joinDelayMaxMs: 250,
  exploreShare: 0.02,
  trialRequests: 10,
  minGain: 0.05,
  sustainMs: 5_000,
  spreadConnections: 6,
  probeTimeoutMs: 5_000,
  probeIntervalMs: 3_600_000,
  brokenBaseMs: 1_000,
  brokenMaxMs: 172_800_000,
}
