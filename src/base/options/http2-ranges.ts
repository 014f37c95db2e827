import { checkNotBelow, checkRanges, type OptionRanges } from './option-ranges.ts'
import type { Http2Options } from './protocol-options.ts'

/** A window is at most this (RFC 9113 6.9.1). */
const MAX_WINDOW = 2 ** 31 - 1
const MAX_UINT32 = 2 ** 32 - 1

/** What each HTTP/2 option may be; all are whole numbers. What is not in here is at least 1. */
export const HTTP2_RANGES: OptionRanges<Http2Options> = {
  maxConcurrentStreams: { min: 1, max: MAX_WINDOW }, // stream ids are 31 bits
  streamWindowBytes: { min: 1, max: MAX_WINDOW },
  maxStreamWindowBytes: { min: 1, max: MAX_WINDOW },
  stalledWindowBytes: { min: 0, max: MAX_WINDOW },
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
  checkRanges(group, options, HTTP2_RANGES)
  checkNotBelow(group, options, 'maxStreamWindowBytes', 'streamWindowBytes')
  return options
}
