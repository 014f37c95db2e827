import { TransportError } from '../errors.ts'
import { checkNotBelow, checkRanges, type OptionRanges } from './option-ranges.ts'
import { QUIC_CONGESTION_CONTROLS, type QuicOptions } from './protocol-options.ts'

/** Varints carry more (RFC 9000 16); nobody means more than 4 GB. */
const MAX_WINDOW = 2 ** 32 - 1
/** Node's timers overflow above it. */
const MAX_MS = 2 ** 31 - 1
/** RFC 9000 4.6. */
const MAX_STREAMS = 2 ** 60

type NumericQuicOptions = Omit<QuicOptions, 'congestionControl'>

/** What each numeric QUIC option may be; all are whole numbers. What is not in here is at least 1. */
export const QUIC_RANGES: OptionRanges<NumericQuicOptions> = {
  idleTimeoutMs: { min: 0, max: MAX_MS }, // 0: none (RFC 9000 10.1)
  streamWindowBytes: { min: 1, max: MAX_WINDOW },
  maxStreamWindowBytes: { min: 1, max: MAX_WINDOW },
  connectionWindowBytes: { min: 1, max: Number.MAX_SAFE_INTEGER },
  maxConcurrentStreams: { min: 1, max: Math.min(MAX_STREAMS, Number.MAX_SAFE_INTEGER) },
  maxUnidirectionalStreams: { min: 3, max: Math.min(MAX_STREAMS, Number.MAX_SAFE_INTEGER) }, // RFC 9114 6.2: the three of HTTP/3
  maxUdpPayloadBytes: { min: 1200, max: 16_383 }, // RFC 9000 14.1; the engine cuts what is above
  maxBurstBytes: { min: 16_384, max: MAX_WINDOW }, // below, an initial window would not leave at once (RFC 9002 7.2)
  maxSendBytesPerSecond: { min: 0, max: Number.MAX_SAFE_INTEGER },
  unresponsiveMs: { min: 0, max: MAX_MS },
  doubtMs: { min: 0, max: MAX_MS },
  maxQueuedDatagrams: { min: 0, max: 65_536 },
}

/** The options as they are. Throws MM_INVALID_ARGUMENT, naming the field as `GROUP.FIELD`. */
export function checkQuicOptions(group: string, options: QuicOptions): QuicOptions {
  const { congestionControl, ...numbers } = options
  checkRanges(group, numbers, QUIC_RANGES)
  if (!QUIC_CONGESTION_CONTROLS.includes(congestionControl)) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `${group}.congestionControl must be one of ${QUIC_CONGESTION_CONTROLS.join(', ')}, not ${congestionControl}`,
    )
  }
  checkNotBelow(group, options, 'maxStreamWindowBytes', 'streamWindowBytes')
  return options
}
