/**
 * What the peer broke (RFC 9204 6). Each loses the connection:
 *
 * - `decompression`: a field section that cannot be decoded (QPACK_DECOMPRESSION_FAILED, 0x200).
 * - `encoder-stream`: an instruction of the peer's encoder (QPACK_ENCODER_STREAM_ERROR, 0x201).
 * - `decoder-stream`: an instruction of the peer's decoder (QPACK_DECODER_STREAM_ERROR, 0x202).
 */
export type QpackErrorKind = 'decompression' | 'encoder-stream' | 'decoder-stream'

/** The peer broke QPACK. The tables of both sides no longer agree, so that the connection is lost. */
export class QpackError extends Error {
  readonly kind: QpackErrorKind

  constructor(kind: QpackErrorKind, message: string) {
    super(message)
    this.name = 'QpackError'
    this.kind = kind
  }
}
