import type { QpackError } from '../../qpack/qpack-error.ts'
import type { ErrorCode } from './error-codes.ts'
import { ConnectionFault } from './http3-error.ts'

const CODES: Readonly<Record<QpackError['kind'], ErrorCode>> = {
  decompression: 'QPACK_DECOMPRESSION_FAILED',
  'encoder-stream': 'QPACK_ENCODER_STREAM_ERROR',
  'decoder-stream': 'QPACK_DECODER_STREAM_ERROR',
}

/** RFC 9204 6: each of them ends the connection. */
export function qpackFault(error: QpackError): ConnectionFault {
  return new ConnectionFault(CODES[error.kind], error.message)
}
