import { checkRanges, type OptionRanges } from './option-ranges.ts'
import type { Http3Options } from './protocol-options.ts'

/** The dynamic table is counted in 32 bits here (RFC 9204 allows 62). */
const MAX_UINT32 = 2 ** 32 - 1

/** What each HTTP/3 option may be; all are whole numbers. What is not in here is at least 1. */
export const HTTP3_RANGES: OptionRanges<Http3Options> = {
  qpackTableBytes: { min: 0, max: MAX_UINT32 },
  qpackBlockedStreams: { min: 0, max: 65_535 },
  encoderTableBytes: { min: 0, max: MAX_UINT32 },
  settingsTimeoutMs: { min: 0, max: 2 ** 31 - 1 },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkHttp3Options(group: string, options: Http3Options): Http3Options {
  return checkRanges(group, options, HTTP3_RANGES)
}
