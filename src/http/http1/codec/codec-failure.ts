import type { Processed } from '../../../base/error-code-info.ts'
import type { ErrorCode } from '../../../base/error-codes.ts'
import { TransportError } from '../../../base/errors.ts'

/** Which codes a decoder's failures have, which depends on who reads. */
export interface CodecRole {
  /** The peer broke a rule. */
  readonly broken: ErrorCode
  /** The first line is too long. */
  readonly lineLimit: ErrorCode
  /** Too many fields or too many bytes of them. */
  readonly headerLimit: ErrorCode
  /** The body has a transfer coding besides `chunked`. */
  readonly coding: ErrorCode
  /** The peer closed in the middle of a message. */
  readonly truncated: ErrorCode
  readonly processed: Processed
}

/** Reading the head of a response: the origin may have acted on the request or not. */
export const READING_RESPONSE_HEAD: CodecRole = {
  broken: 'MM_PROTOCOL_ERROR',
  lineLimit: 'MM_HEADER_LIMIT',
  headerLimit: 'MM_HEADER_LIMIT',
  coding: 'MM_PROTOCOL_ERROR',
  truncated: 'MM_CONNECTION_CLOSED',
  processed: 'unknown',
}

/** Reading the body of a response: the answer had begun. */
export const READING_RESPONSE_BODY: CodecRole = { ...READING_RESPONSE_HEAD, processed: 'yes' }

/** Reading a request: nothing was done with it yet. */
export const READING_REQUEST: CodecRole = {
  broken: 'MM_BAD_REQUEST',
  lineLimit: 'MM_URI_TOO_LONG',
  headerLimit: 'MM_REQUEST_HEADER_LIMIT',
  coding: 'MM_TRANSFER_CODING',
  truncated: 'MM_CLIENT_GONE',
  processed: 'no',
}

/** What to show of the bytes that broke a rule. */
const EXCERPT_BYTES = 40

/** A failure: which rule was broken, and by what. */
export function codecFailure(
  role: CodecRole,
  kind: 'broken' | 'lineLimit' | 'headerLimit' | 'coding' | 'truncated',
  rule: string,
  offending?: string,
): TransportError {
  const shown = offending === undefined ? '' : `: ${excerpt(offending)}`
  return new TransportError(role[kind], `${rule}${shown}`, { processed: role.processed })
}

/** The bytes around `at`, as codecFailure shows them. */
export function bytesAround(buffer: Buffer, at: number, start: number, end: number): string {
  const from = Math.max(start, at - EXCERPT_BYTES / 2)
  return buffer.toString('latin1', from, Math.min(end, from + EXCERPT_BYTES))
}

/**
 * Latin1 text in quotes, everything but visible ASCII escaped, cut to EXCERPT_BYTES characters of the
 * original.
 */
function excerpt(text: string): string {
  let out = '"'
  for (let i = 0; i < text.length && i < EXCERPT_BYTES; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x0d) out += '\\r'
    else if (code === 0x0a) out += '\\n'
    else if (code === 0x22 || code === 0x5c) out += `\\${text[i]}`
    else if (code >= 0x20 && code < 0x7f) out += text[i]
    else out += `\\x${code.toString(16).padStart(2, '0')}`
  }
  return text.length > EXCERPT_BYTES ? `${out}…"` : `${out}"`
}

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
