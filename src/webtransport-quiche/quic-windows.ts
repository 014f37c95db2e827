import type { QuicOptions } from '../base/options/protocol-options.ts'
import type { PackageOptions } from './package-contract.ts'

/** Of each kind, as the package has it by default. */
const DEFAULT_STREAMS = 100
/** HTTP/3 has streams of its own beside them (RFC 9114 6.2). */
const HTTP3_STREAMS = 3

/** The package's options of flow control, in words of ours. What it does not say is left to our defaults. */
export function windowsOf(options: PackageOptions): Partial<QuicOptions> {
  const { initialStreamFlowControlWindow: first, streamFlowControlWindowSizeLimit: most } = options
  const { initialBidirectionalStreams, initialUnidirectionalStreams } = options
  return {
    ...(first !== undefined && { streamWindowBytes: first }),
    ...(most !== undefined && { maxStreamWindowBytes: Math.max(most, first ?? 0) }),
    ...(most === undefined && first !== undefined && { maxStreamWindowBytes: first }),
    maxConcurrentStreams: initialBidirectionalStreams ?? DEFAULT_STREAMS,
    maxUnidirectionalStreams: (initialUnidirectionalStreams ?? DEFAULT_STREAMS) + HTTP3_STREAMS,
  }
}
