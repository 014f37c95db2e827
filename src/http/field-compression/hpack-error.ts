/**
 * The peer sent a field block that nobody can decode. The tables of both sides no longer agree, so that the
 * connection is lost (RFC 9113 4.3: COMPRESSION_ERROR). The parts that QPACK shares throw it too.
 */
export class HpackError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'HpackError'
  }
}
