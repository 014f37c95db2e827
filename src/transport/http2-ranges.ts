import { TransportError } from '../errors.ts'
import type { Http2Options } from '../options.ts'

export interface NumberRange {
  readonly min: number
  readonly max: number
}

/** A window is at most this (RFC 9113 6.9.1). */
const MAX_WINDOW = 2 ** 31 - 1
const MAX_UINT32 = 2 ** 32 - 1

/** Where nothing else is said. A limit of 0 would end every connection at its first such frame. */
const POSITIVE: NumberRange = { min: 1, max: Number.MAX_SAFE_INTEGER }

/** What each HTTP/2 option may be; all are whole numbers. What is not in here is at least 1. */
export const HTTP2_RANGES: Readonly<Partial<Record<keyof Http2Options, NumberRange>>> = {
  maxConcurrentStreams: { min: 1, max: MAX_WINDOW }, // stream ids are 31 bits
  streamWindowBytes: { min: 1, max: MAX_WINDOW },
  maxStreamWindowBytes: { min: 1, max: MAX_WINDOW },
  connectionWindowBytes: { min: 65_535, max: MAX_WINDOW }, // it starts there and can only be raised (RFC 9113 6.9.2)
  maxFrameBytes: { min: 16_384, max: 16_777_215 }, // RFC 9113 6.5.2
  headerTableBytes: { min: 0, max: MAX_UINT32 },
  encoderTableBytes: { min: 0, max: MAX_UINT32 },
  streamsBeforeSettings: { min: 0, max: MAX_WINDOW },
  settingsTimeoutMs: { min: 0, max: MAX_WINDOW },
  fieldBlockTimeoutMs: { min: 0, max: MAX_WINDOW },
  maxContinuations: { min: 0, max: Number.MAX_SAFE_INTEGER },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkHttp2Options(group: string, options: Http2Options): Http2Options {
  for (const name of Object.keys(
    options,
  ) as (keyof Http2Options)[] /* its keys, or unknown ones without harm */) {
    const { min, max } = HTTP2_RANGES[name] ?? POSITIVE
    const value = options[name]
    if (Number.isInteger(value) && value >= min && value <= max) continue
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `${group}.${name} must be a whole number from ${min} to ${max}, not ${String(value)}`,
    )
  }
  if (options.maxStreamWindowBytes < options.streamWindowBytes) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `${group}.maxStreamWindowBytes must not be below ${group}.streamWindowBytes (${options.streamWindowBytes}), ` +
        `not ${options.maxStreamWindowBytes}`,
    )
  }
  return options
}
