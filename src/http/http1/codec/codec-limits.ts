/**
 * What one message may cost. A limit that is passed ends the connection; nothing is ever cut short silently.
 */
export interface CodecLimits {
  /** The request line or the status line, without its CRLF. */
  maxLineBytes: number
  /**
   * A head: the first line, the fields and the empty line. Also the most that is held back of a head that
   * comes in pieces.
   */
  maxHeaderBytes: number
  /** Fields in a head, and fields in a trailer section. */
  maxHeaderCount: number
  /** A trailer section with its empty line. */
  maxTrailerBytes: number
  /** One chunk-size line with its extensions, without its CRLF. */
  maxChunkLineBytes: number
  /**
   * Chunk extensions of one body in all: nobody reads them, so a peer that sends many only wants our time
   * (CVE-2024-22019).
   */
  maxChunkExtensionBytes: number
}

/**
 * Line: nginx takes 8 KB, Node 16 KB. Head: nginx 32 KB, Node 16 KB, Envoy 60 KB; cookies make long ones, and
 * the head is only held while it comes.
 */
export const DEFAULT_CODEC_LIMITS: Readonly<CodecLimits> = {
  maxLineBytes: 16_384,
  maxHeaderBytes: 65_536,
  maxHeaderCount: 256,
  maxTrailerBytes: 16_384,
  maxChunkLineBytes: 256,
  maxChunkExtensionBytes: 16_384,
}
