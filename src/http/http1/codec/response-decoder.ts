import { byteAt, CR, LF, SP, VALUE } from '../../../base/http/char-tables.ts'
import { NO_HEADERS } from '../../../base/http/headers.ts'
import { BodyReader } from './body-reader.ts'
import type { CodecLimits } from './codec-failure.ts'
import {
  bytesAround,
  codecFailure,
  READING_RESPONSE_BODY,
  READING_RESPONSE_HEAD as ROLE,
} from './codec-failure.ts'
import { fieldSection } from './field-section.ts'
import {
  dropNominated,
  OPTION_CLOSE,
  OPTION_KEEP_ALIVE,
  OPTION_NOMINATES,
  OPTION_UPGRADE,
  parseKeepAliveHint,
  readConnectionOptions,
  upgradeOffer,
  upgradeProtocol,
} from './hop-by-hop.ts'
import type { Http1ResponseHead, MessageEvents } from './message-events.ts'
import type { BodyFraming } from './message-framing.ts'
import { responseFraming } from './message-framing.ts'
import type { SectionParser } from './section-buffer.ts'
import { INCOMPLETE, SectionBuffer } from './section-buffer.ts'

const IDLE = 0
const HEAD = 1
const BODY = 2
const TUNNEL = 3
const DEAD = 4

const HTTP_1 = [0x48, 0x54, 0x54, 0x50, 0x2f, 0x31, 0x2e] // HTTP/1.
const HTTP_1_BYTES = HTTP_1.length
/** `HTTP/1.1 200`. */
const STATUS_BYTES = HTTP_1_BYTES + 5

/**
 * Reads the responses of one connection, strictly (RFC 9112). It takes bytes only while a response is
 * expected: what follows one is left alone, since a client without pipelining must not see anything there.
 * 1xx heads repeat until the final one. After an error it takes nothing more.
 */
export class ResponseDecoder implements SectionParser {
  readonly #limits: CodecLimits
  readonly #events: MessageEvents<Http1ResponseHead>
  readonly #headBuffer: SectionBuffer
  readonly #body: BodyReader
  #state = IDLE
  #method = ''
  #askedUpgrade: string | undefined
  #head: Http1ResponseHead | undefined
  #framing: BodyFraming = 'none'
  #isHeld = false

  constructor(limits: CodecLimits, events: MessageEvents<Http1ResponseHead>) {
    this.#limits = limits
    this.#events = events
    this.#headBuffer = new SectionBuffer(this, limits.maxHeaderBytes, false)
    this.#body = new BodyReader(limits, READING_RESPONSE_BODY, chunk => events.onData(chunk))
  }

  /** No response is expected, or the last one is complete. */
  get isIdle(): boolean {
    return this.#state === IDLE
  }

  /** The next bytes answer a request with this method, which asked for this upgrade. */
  expect(method: string, upgrade?: string): void {
    if (this.#state !== IDLE) return
    this.#state = HEAD
    this.#isHeld = false
    this.#method = method
    this.#askedUpgrade = upgrade
  }

  /** It takes nothing, and reports nothing, until release(). */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Stops behind what was reported last. May be called from within an event. */
  hold(): void {
    this.#isHeld = true
    this.#body.hold()
  }

  /** The next receive(), of no bytes if there are none, goes on. */
  release(): void {
    this.#isHeld = false
    this.#body.release()
  }

  /**
   * Takes bytes up to the end of the response, of a tunnel's head or to a hold(); the index of the first byte
   * that it did not take.
   */
  receive(buffer: Buffer, start: number, end: number): number {
    let pos = start
    try {
      while (this.#state === HEAD && pos < end) {
        pos = this.#headBuffer.receive(buffer, pos, end)
        if (pos === INCOMPLETE) return end
        this.#onHead()
      }
      if (this.#state === BODY && !this.#isHeld) {
        pos = this.#body.receive(buffer, pos, end)
        if (this.#body.isDone && !this.#isHeld) this.#finish()
      }
      return pos
    } catch (error) {
      this.stop()
      throw error
    }
  }

  /** The peer closed its side. Fails in the middle of a response, unless its body lasts until the close. */
  receiveEnd(): void {
    try {
      if (this.#state === BODY) {
        this.#body.receiveEnd()
        this.#finish()
      } else if (this.#state === HEAD) {
        const where = this.#headBuffer.hasPart ? 'within a response head' : 'without a response'
        if (this.#headBuffer.hasPart) this.#headBuffer.parseRest()
        throw codecFailure(ROLE, 'truncated', `the peer closed ${where}`)
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

  #onHead(): void {
    const head = this.#head as Http1ResponseHead // the section was complete, so parseSection has set it
    this.#head = undefined
    if (head.isTunnel) this.#state = TUNNEL
    else if (head.status >= 200) {
      this.#state = BODY
      this.#body.begin(this.#framing)
    }
    this.#events.onHead(head)
  }

  #finish(): void {
    // Not after a stop() from within an event.
    if (this.#state !== BODY) return
    this.#state = IDLE
    this.#events.onEnd(this.#body.trailers)
  }

  parseSection(buffer: Buffer, start: number, end: number): number {
    const { maxHeaderBytes, maxLineBytes, maxHeaderCount } = this.#limits
    const lineLimit = start + maxLineBytes + 2
    const stop = Math.min(end, lineLimit)
    const statusEnd = Math.min(stop, start + STATUS_BYTES)
    for (let i = start; i < statusEnd; i++) {
      if (!isStatusByte(byteAt(buffer, i), i - start)) {
        throw codecFailure(
          ROLE,
          'broken',
          'not an HTTP/1.x status line',
          bytesAround(buffer, start, start, end),
        )
      }
    }
    // The space before an empty reason is missing from some origins (RFC 9112 4 demands it); nothing is
    // unclear without it.
    let pos = start + STATUS_BYTES
    if (pos < stop && byteAt(buffer, pos) !== SP && byteAt(buffer, pos) !== CR) {
      throw codecFailure(
        ROLE,
        'broken',
        'the status is not three digits',
        bytesAround(buffer, pos, start, end),
      )
    }
    while (pos < stop && VALUE[buffer[pos] as number] === 1) pos++ // pos < length
    const reasonEnd = pos
    if (pos < stop && byteAt(buffer, pos) !== CR) throw badReason(buffer, start, pos, end)
    if (pos + 1 >= stop) {
      if (end >= lineLimit)
        throw codecFailure(ROLE, 'lineLimit', `the status line is longer than ${maxLineBytes} bytes`)
      return INCOMPLETE
    }
    if (byteAt(buffer, pos + 1) !== LF) throw badReason(buffer, start, pos, end)
    const next = fieldSection.scan(buffer, pos + 2, end, start + maxHeaderBytes, maxHeaderCount, ROLE)
    if (next === INCOMPLETE) return INCOMPLETE
    const text = buffer.toString('latin1', start, next)
    this.#readHead(text, start, reasonEnd - start)
    return next
  }

  /** What the scanned fields say. */
  #readHead(text: string, base: number, reasonEnd: number): void {
    const fields = fieldSection
    let headers = fields.collect(text, base)
    const minorVersion = text.charCodeAt(HTTP_1_BYTES) === 0x31 ? 1 : 0
    const status = digitAt(text, 9) * 100 + digitAt(text, 10) * 10 + digitAt(text, 11)
    const { connection, contentLength, transferEncoding } = fields
    if ((contentLength !== undefined || transferEncoding !== undefined) && fields.isDoubtful) {
      throw codecFailure(ROLE, 'broken', 'Content-Length or Transfer-Encoding came more than once')
    }
    const framing = responseFraming(this.#method, status, minorVersion, fields, ROLE)
    const options = readConnectionOptions(connection, ROLE)
    if ((options & OPTION_NOMINATES) !== 0 && connection !== undefined)
      headers = dropNominated(headers, connection)
    // Each of them says that nothing follows, and then the final response does. HTTP/1.0 has no 1xx at all
    // (RFC 9110 15.2).
    if (status < 200 && (minorVersion === 0 || (options & OPTION_CLOSE) !== 0)) {
      throw codecFailure(ROLE, 'broken', 'an informational response of HTTP/1.0, or with Connection: close')
    }
    const isTunnel = status === 101 || (this.#method === 'CONNECT' && status >= 200 && status < 300)
    if (contentLength !== undefined && (isTunnel || status < 200 || status === 204)) {
      headers = withoutContentLength(headers)
    }
    const { upgrade } = fields
    if (upgrade !== undefined && status >= 200 && !isTunnel && minorVersion === 1) {
      const offer = upgradeOffer(upgrade)
      if (offer !== undefined) headers.push('upgrade', offer)
    }
    const keepAlive =
      framing !== 'until-close' &&
      !isTunnel &&
      (options & OPTION_CLOSE) === 0 &&
      (minorVersion === 1 || (options & OPTION_KEEP_ALIVE) !== 0)
    this.#framing = framing
    this.#head = {
      status,
      statusText: text.slice(STATUS_BYTES + 1, reasonEnd),
      minorVersion,
      headers: headers.length === 0 ? NO_HEADERS : headers,
      bodyLength: typeof framing === 'number' ? framing : undefined,
      isChunked: framing === 'chunked',
      isUntilClose: framing === 'until-close',
      hasBody: framing !== 'none',
      keepAlive,
      keepAliveHint: keepAlive ? parseKeepAliveHint(fields.keepAlive) : undefined,
      upgrade: status === 101 ? this.#acceptedUpgrade(options, minorVersion) : undefined,
      isTunnel,
    }
  }

  /** RFC 9110 7.8: a 101 names the protocol in Upgrade, and it must be what we asked for. */
  #acceptedUpgrade(options: number, minorVersion: number): string {
    const asked = this.#askedUpgrade
    if (asked === undefined) throw codecFailure(ROLE, 'broken', 'a 101 that nobody asked for')
    const { upgrade } = fieldSection
    const accepted =
      (options & OPTION_UPGRADE) === 0 || minorVersion === 0 ? undefined : upgradeProtocol(upgrade, ROLE)
    if (accepted === undefined || accepted !== asked.toLowerCase()) {
      throw codecFailure(ROLE, 'broken', `a 101 that does not switch to ${asked}`, upgrade)
    }
    return accepted
  }
}

/**
 * `HTTP/1.x SP` and a status from 100 to 999. Those above 599 are not valid (RFC 9110 15), but some origins
 * send them (999 is the best known), and the client behind us knows better than we do what to make of them.
 */
function isStatusByte(byte: number, index: number): boolean {
  if (index < HTTP_1_BYTES) return byte === HTTP_1[index]
  if (index === HTTP_1_BYTES) return byte === 0x30 || byte === 0x31
  if (index === HTTP_1_BYTES + 1) return byte === SP
  return byte >= (index === HTTP_1_BYTES + 2 ? 0x31 : 0x30) && byte <= 0x39
}

function digitAt(text: string, index: number): number {
  return text.charCodeAt(index) - 0x30
}

function withoutContentLength(headers: readonly string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== 'content-length') kept.push(name, headers[i + 1] as string) // odd indexes are values
  }
  return kept
}

function badReason(buffer: Buffer, start: number, at: number, end: number): Error {
  return codecFailure(
    ROLE,
    'broken',
    'the reason phrase has a control character',
    bytesAround(buffer, at, start, end),
  )
}
