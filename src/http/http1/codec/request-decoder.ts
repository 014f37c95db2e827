import { byteAt, CR, LF, SP, TARGET, TOKEN } from '../../../base/http/char-tables.ts'
import { NO_HEADERS } from '../../../base/http/headers.ts'
import { hasPort, isAuthority, isSameAuthority } from '../../../base/http/origin.ts'
import { BodyReader } from './body-reader.ts'
import {
  bytesAround,
  type CodecLimits,
  type CodecRole,
  codecFailure,
  READING_REQUEST as ROLE,
} from './codec-failure.ts'
import { fieldSection } from './field-section.ts'
import {
  dropNominated,
  hasTrailersMember,
  OPTION_CLOSE,
  OPTION_KEEP_ALIVE,
  OPTION_NOMINATES,
  OPTION_UPGRADE,
  readConnectionOptions,
  upgradeProtocol,
} from './hop-by-hop.ts'
import type { Http1RequestHead, MessageEvents } from './message-events.ts'
import { requestFraming } from './message-framing.ts'
import { INCOMPLETE, SectionBuffer, type SectionParser } from './section-buffer.ts'

const HEAD = 0
const BODY = 1
const DEAD = 2

const HTTP_1 = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e] // HTTP/1.
const HTTP_1_BYTES = HTTP_1.length
/** The version with its CRLF. */
const VERSION_BYTES = HTTP_1_BYTES + 3

/**
 * Reads the requests of one connection, strictly (RFC 9112): whatever two recipients could read differently
 * is refused. It stops behind each message, and is called again when the next one is wanted: what it did not
 * take may be a pipelined request, or, once an upgrade or CONNECT was accepted, the first bytes of the
 * tunnel. After an error it takes nothing more.
 */
export class RequestDecoder implements SectionParser {
  readonly #limits: CodecLimits
  readonly #events: MessageEvents<Http1RequestHead>
  readonly #headBuffer: SectionBuffer
  readonly #body: BodyReader
  #state = HEAD
  #head: Http1RequestHead | undefined

  constructor(limits: CodecLimits, events: MessageEvents<Http1RequestHead>) {
    this.#limits = limits
    this.#events = events
    this.#headBuffer = new SectionBuffer(this, limits.maxHeaderBytes + 2, false) // 2: an empty line first
    this.#body = new BodyReader(limits, ROLE, chunk => events.onData(chunk))
  }

  /** Between two messages, with no byte of the next one taken. */
  get isIdle(): boolean {
    return this.#state === HEAD && !this.#headBuffer.hasPart
  }

  /**
   * Between two messages, and an empty line was taken: an old client may have ended the last one with it (RFC
   * 9112 2.2).
   */
  get hasOnlyEmptyLine(): boolean {
    return this.#state === HEAD && this.#headBuffer.hasOnlyEmptyLine
  }

  /** Takes bytes up to the end of one message; the index of the first byte that it did not take. */
  receive(buffer: Buffer, start: number, end: number): number {
    let pos = start
    if (this.#state === DEAD || start >= end) return start
    try {
      if (this.#state === HEAD) {
        pos = this.#headBuffer.receive(buffer, start, end)
        if (pos === INCOMPLETE) return end
        this.#beginBody()
      }
      if (this.#state === BODY) {
        pos = this.#body.receive(buffer, pos, end)
        if (this.#body.isDone) this.#finish()
      }
      return pos
    } catch (error) {
      this.stop()
      throw error
    }
  }

  /** The peer closed its side. Fails in the middle of a message. */
  receiveEnd(): void {
    try {
      if (this.#state === BODY) this.#body.receiveEnd()
      else if (this.#state === HEAD && this.#headBuffer.hasPart) {
        this.#headBuffer.parseRest()
        throw codecFailure(ROLE, 'truncated', 'the peer closed within a request head')
      }
    } finally {
      this.stop()
    }
  }

  /** Takes and reports nothing more. May be called from within an event. */
  stop(): void {
    this.#state = DEAD
    this.#body.stop()
  }

  #beginBody(): void {
    const head = this.#head as Http1RequestHead // the section was complete, so parseSection has set it
    this.#head = undefined
    this.#state = BODY
    this.#body.begin(head.isChunked ? 'chunked' : (head.bodyLength ?? 'none'))
    this.#events.onHead(head)
  }

  #finish(): void {
    // Not after a stop() from within an event.
    if (this.#state !== BODY) return
    this.#state = HEAD
    this.#events.onEnd(this.#body.trailers)
  }

  parseSection(buffer: Buffer, start: number, end: number): number {
    let lineStart = start
    // RFC 9112 2.2: at least one empty line before a request should be ignored, for old clients that end a
    // POST with one. One is.
    if (byteAt(buffer, start) === CR) {
      if (end - start < 2) return INCOMPLETE
      if (byteAt(buffer, start + 1) !== LF) throw badLine(buffer, start, start, end)
      lineStart += 2
      if (lineStart === end) return INCOMPLETE
    }
    const { maxHeaderBytes, maxLineBytes, maxHeaderCount } = this.#limits
    const lineLimit = lineStart + maxLineBytes + 2
    const stop = Math.min(end, lineLimit)
    let pos = lineStart
    while (pos < stop && TOKEN[buffer[pos] as number] !== 0) pos++ // pos < length
    const methodEnd = pos
    if (pos < stop && (byteAt(buffer, pos) !== SP || pos === lineStart))
      throw badLine(buffer, lineStart, pos, end)
    pos++
    const targetStart = pos
    while (pos < stop && TARGET[buffer[pos] as number] !== 0) pos++ // pos < length
    const targetEnd = pos
    if (pos < stop && (byteAt(buffer, pos) !== SP || pos === targetStart)) {
      throw codecFailure(
        ROLE,
        'broken',
        'the request target has a character that none may have',
        bytesAround(buffer, pos, lineStart, end),
      )
    }
    pos++
    const versionEnd = Math.min(stop, pos + VERSION_BYTES)
    for (let i = pos; i < versionEnd; i++) {
      if (!isVersionByte(byteAt(buffer, i), i - pos)) throw badVersion(buffer, pos, end)
    }
    if (versionEnd < pos + VERSION_BYTES) {
      if (end >= lineLimit)
        throw codecFailure(ROLE, 'lineLimit', `the request line is longer than ${maxLineBytes} bytes`)
      return INCOMPLETE
    }
    const minorVersion = byteAt(buffer, pos + HTTP_1_BYTES) === 0x31 ? 1 : 0
    const next = fieldSection.scan(buffer, versionEnd, end, lineStart + maxHeaderBytes, maxHeaderCount, ROLE)
    if (next === INCOMPLETE) return INCOMPLETE
    const text = buffer.toString('latin1', lineStart, next)
    this.#head = readHead(
      text.substring(0, methodEnd - lineStart),
      text.substring(targetStart - lineStart, targetEnd - lineStart),
      minorVersion,
      text,
      lineStart,
    )
    return next
  }
}

/** What the scanned fields say. */
function readHead(
  method: string,
  target: string,
  minorVersion: 0 | 1,
  text: string,
  base: number,
): Http1RequestHead {
  const fields = fieldSection
  let headers = fields.collect(text, base)
  const { host, connection, expect } = fields
  if (fields.isDoubtful) {
    throw codecFailure(ROLE, 'broken', 'Host, Content-Length or Transfer-Encoding came more than once')
  }
  if (host === undefined ? minorVersion === 1 : !isAuthority(host)) {
    throw codecFailure(
      ROLE,
      'broken',
      host === undefined ? 'a request without Host' : 'Host is not host[:port]',
      host,
    )
  }
  let path = target
  let authority = host ?? ''
  let scheme: 'http' | 'https' | undefined
  if (target.charCodeAt(0) !== 0x2f || method === 'CONNECT') {
    ;({ path, authority, scheme } = parseTarget(method, target, host, ROLE))
  }
  const framing = requestFraming(method, minorVersion, fields, ROLE)
  const options = readConnectionOptions(connection, ROLE)
  if ((options & OPTION_NOMINATES) !== 0 && connection !== undefined)
    headers = dropNominated(headers, connection)
  return {
    method,
    authority,
    scheme,
    path,
    minorVersion,
    headers: headers.length === 0 ? NO_HEADERS : headers,
    hasUnderscore: fields.hasUnderscore,
    bodyLength: typeof framing === 'number' ? framing : undefined,
    isChunked: framing === 'chunked',
    keepAlive: (options & OPTION_CLOSE) === 0 && (minorVersion === 1 || (options & OPTION_KEEP_ALIVE) !== 0),
    // RFC 9110 7.8: it counts only if Connection says so too, and never in HTTP/1.0.
    upgrade:
      (options & OPTION_UPGRADE) !== 0 && minorVersion === 1
        ? upgradeProtocol(fields.upgrade, ROLE)
        : undefined,
    // RFC 9110 10.1.1: ignored in HTTP/1.0.
    expectContinue: expect !== undefined && minorVersion === 1 && expect.toLowerCase() === '100-continue',
    acceptsTrailers: hasTrailersMember(fields.te),
  }
}

/** `HTTP/1.0` or `HTTP/1.1` and CRLF. */
function isVersionByte(byte: number, index: number): boolean {
  if (index < HTTP_1_BYTES) return byte === HTTP_1[index]
  if (index === HTTP_1_BYTES) return byte === 0x30 || byte === 0x31
  return byte === (index === HTTP_1_BYTES + 1 ? CR : LF)
}

function badLine(buffer: Buffer, lineStart: number, at: number, end: number): Error {
  const first = byteAt(buffer, lineStart)
  const rule =
    first === 0x16
      ? 'a TLS handshake where plain HTTP is spoken'
      : at === lineStart && (first === CR || first === LF)
        ? 'more than one empty line, or a bare CR or LF, before a request'
        : 'the method is not a token'
  return codecFailure(ROLE, 'broken', rule, bytesAround(buffer, at, lineStart, end))
}

function badVersion(buffer: Buffer, versionStart: number, end: number): Error {
  const version = buffer.toString('latin1', versionStart, Math.min(end, versionStart + VERSION_BYTES))
  const rule = version.startsWith('HTTP/2')
    ? 'an HTTP/2 preface where HTTP/1.1 is spoken'
    : 'the request line does not end with HTTP/1.1 or HTTP/1.0'
  return codecFailure(ROLE, 'broken', rule, version)
}

/** A request target taken apart. */
interface RequestTarget {
  readonly scheme: 'http' | 'https' | undefined
  readonly authority: string
  readonly path: string
}

/**
 * Reads a target that is not in origin-form (RFC 9112 3.2), and holds it against Host. By 3.2.2 the authority
 * of an absolute-form beats Host; a recipient behind us may think otherwise, so that the two must agree.
 *  1. CONNECT: authority-form with a port, and nothing else.
 *  2. `*`: OPTIONS only.
 *  3. absolute-form: http or https. An empty path is `/`, or `*` for OPTIONS without a query (3.2.4).
 */
function parseTarget(
  method: string,
  target: string,
  host: string | undefined,
  role: CodecRole,
): RequestTarget {
  if (method === 'CONNECT') {
    if (!isAuthority(target) || !hasPort(target)) {
      throw codecFailure(role, 'broken', 'the target of CONNECT is not host:port', target)
    }
    // Some clients leave the port out of Host.
    const port = target.slice(target.lastIndexOf(':') + 1)
    if (host !== undefined && !isSameAuthority(host, target, port)) throw disagreement(role, host)
    return { scheme: undefined, authority: target, path: '' }
  }
  if (target === '*') {
    if (method !== 'OPTIONS') throw codecFailure(role, 'broken', 'the target * is for OPTIONS only', method)
    return { scheme: undefined, authority: host ?? '', path: '*' }
  }
  const scheme = hasScheme(target, 'http://') ? 'http' : hasScheme(target, 'https://') ? 'https' : undefined
  if (scheme === undefined) throw codecFailure(role, 'broken', 'a request target of no known form', target)
  const authorityStart = scheme.length + 3
  let authorityEnd = authorityStart
  while (authorityEnd < target.length && target[authorityEnd] !== '/' && target[authorityEnd] !== '?') {
    authorityEnd++
  }
  const authority = target.slice(authorityStart, authorityEnd)
  if (!isAuthority(authority)) {
    throw codecFailure(role, 'broken', 'the authority of the target is not valid', target)
  }
  if (host !== undefined && !isSameAuthority(host, authority, scheme === 'http' ? '80' : '443')) {
    throw disagreement(role, host)
  }
  const rest = target.slice(authorityEnd)
  const path = rest === '' ? (method === 'OPTIONS' ? '*' : '/') : rest.startsWith('?') ? `/${rest}` : rest
  return { scheme, authority: host ?? authority, path }
}

function hasScheme(target: string, prefix: string): boolean {
  return target.length > prefix.length && target.slice(0, prefix.length).toLowerCase() === prefix
}

function disagreement(role: CodecRole, host: string): Error {
  return codecFailure(role, 'broken', 'Host and the authority of the target disagree', host)
}
