import { TransportError } from '../errors.ts'

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

const DAY_MS = 86_400_000
const SHARE = { min: 0, max: 1 }

/** What each numeric `select` option may be. */
export const SELECT_RANGES: Readonly<
  Record<
    Exclude<keyof SelectOptions, keyof typeof SELECT_WORDS>,
    { readonly min: number; readonly max: number; readonly isWhole?: boolean }
  >
> = {
  joinDelayMinMs: { min: 0, max: 60_000 },
  joinDelayMaxMs: { min: 0, max: 60_000 },
  exploreShare: SHARE,
  trialRequests: { min: 1, max: 1_000, isWhole: true },
  minGain: SHARE,
  sustainMs: { min: 0, max: DAY_MS },
  spreadConnections: { min: 1, max: 64, isWhole: true },
  probeTimeoutMs: { min: 1, max: 60_000 },
  probeIntervalMs: { min: 1_000, max: 30 * DAY_MS },
  brokenBaseMs: { min: 1, max: 30 * DAY_MS },
  brokenMaxMs: { min: 1, max: 30 * DAY_MS },
}

/** The words that the others may be. */
export const SELECT_WORDS = {
  policy: ['auto', 'latency', 'efficiency'],
  probe: ['auto', 'off'],
  altSvc: ['on', 'off'],
} as const

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `select.FIELD`. */
export function checkSelectOptions(options: SelectOptions): SelectOptions {
  for (const [name, value] of Object.entries(options)) {
    const words: readonly string[] | undefined = SELECT_WORDS[name as keyof typeof SELECT_WORDS] // if any
    if (words !== undefined) {
      if (typeof value !== 'string' || !words.includes(value))
        throw invalid(`select.${name} must be one of ${words.join(', ')}, not ${String(value)}`)
      continue
    }
    const range = SELECT_RANGES[name as keyof typeof SELECT_RANGES] // or undefined
    if (range === undefined) continue
    const { min, max, isWhole = false } = range
    if (
      typeof value !== 'number' ||
      !(value >= min && value <= max) ||
      (isWhole && !Number.isInteger(value))
    ) {
      const kind = isWhole ? 'a whole number' : 'a number'
      throw invalid(`select.${name} must be ${kind} from ${min} to ${max}, not ${String(value)}`)
    }
  }
  checkOrder(options, 'joinDelayMinMs', 'joinDelayMaxMs')
  checkOrder(options, 'brokenBaseMs', 'brokenMaxMs')
  return options
}

function checkOrder(options: SelectOptions, least: keyof SelectOptions, most: keyof SelectOptions): void {
  if (options[least] <= options[most]) return
  throw invalid(`select.${most} must not be below select.${least} (${String(options[least])})`)
}

function invalid(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
