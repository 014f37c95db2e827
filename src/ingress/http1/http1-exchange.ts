import type { Duplex } from 'node:stream'
import { asTransportError, TransportError } from '../../base/errors.ts'
import type { RequestBody } from '../../base/http/exchange.ts'
import { type HeaderList, headerValue, NO_HEADERS } from '../../base/http/headers.ts'
import { encodeLastChunk } from '../../http/http1/codec/field-encoder.ts'
import { encodeResponseHead } from '../../http/http1/codec/head-encoder.ts'
import type { Http1RequestHead } from '../../http/http1/codec/message-events.ts'
import type { BodyFraming } from '../../http/http1/codec/message-framing.ts'
import type { ClientTls, IngressExchange, IngressExchangeEvents } from '../ingress-exchange.ts'
import type { SocketOutput } from './socket-output.ts'

interface Head {
  readonly status: number
  readonly headers: HeaderList
  readonly statusText: string | undefined
}

let last: Head = { status: 0, headers: NO_HEADERS, statusText: undefined }
let lastFraming: BodyFraming = 'none'
let lastText = ''

/**
 * encodeResponseHead for HTTP/1.1 with a connection that stays, remembering the last head: an origin that
 * speaks HTTP/2 sends equal heads as one and the same list, which is text already. To ask costs two
 * comparisons. Throws like encodeResponseHead.
 */
function persistentHeadText(head: Head, framing: BodyFraming): string {
  const isSame =
    head.headers === last.headers &&
    framing === lastFraming &&
    head.status === last.status &&
    head.statusText === last.statusText
  if (isSame) return lastText
  const text = encodeResponseHead(head, framing, PERSISTENT)
  last = head
  lastFraming = framing
  lastText = text
  return text
}

const PERSISTENT = { minorVersion: 1, keepAlive: true } as const

/** What an exchange needs of its session. */
export interface ExchangeHost {
  readonly output: SocketOutput
  readonly scheme: 'http' | 'https'
  readonly clientCertificate: Buffer | undefined
  readonly tls: ClientTls | undefined
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localAddress: string
  readonly localPort: number
  /**
   * Asked when the head is written: whether the connection goes on after this exchange. The session holds
   * itself to its answer.
   */
  decideKeepAlive(isDelimitedByClose: boolean): boolean
  /** The client has more to take than we like: the exchange is notified when it has. */
  onBacklog(): void
  onResponseEnded(): void
  /** The response cannot be completed: the client must see that it is not whole. */
  onResponseBroken(isDelimitedByClose: boolean): void
  /** The response cannot begin as the handler wants it: the session answers with the error. */
  onResponseRefused(error: TransportError): void
  handOver(): Duplex
}

/**
 * One HTTP/1.1 request and the response to it.
 *
 * - `waiting`: no final response yet. Valid transitions: held, ended, upgraded
 * - `held`: respondStart was called, its head is not encoded yet. Valid transitions: open, waiting (taken
 *   back), ended
 * - `open`: the head is on its way. Valid transitions: waiting (nothing was written yet, and it was taken
 *   back), ended
 * - `upgraded`: the connection was handed over. Final
 * - `ended`: answered, aborted, or the client is gone: every call does nothing. Final
 */
export class Http1Exchange implements IngressExchange {
  readonly body: RequestBody
  events: IngressExchangeEvents | undefined
  readonly #host: ExchangeHost
  readonly #head: Http1RequestHead
  #phase: 'waiting' | 'held' | 'open' | 'upgraded' | 'ended' = 'waiting'
  #status = 0
  #statusText: string | undefined
  #headers: HeaderList = NO_HEADERS
  #framing: BodyFraming = 'none'
  #bytesLeft = 0
  /** Where the response begins in the output. */
  #startsAt = 0
  #wantsDrain = false
  #saidContinue = false

  constructor(host: ExchangeHost, head: Http1RequestHead, body: RequestBody) {
    this.#host = host
    this.#head = head
    this.body = body
  }

  get method(): string {
    return this.#head.method
  }
  get scheme(): 'http' | 'https' {
    return this.#host.scheme
  }
  get targetScheme(): 'http' | 'https' | undefined {
    return this.#head.scheme
  }
  get authority(): string {
    return this.#head.authority
  }
  get path(): string {
    return this.#head.path
  }
  get headers(): HeaderList {
    return this.#head.headers
  }
  get upgrade(): string | undefined {
    return this.#head.upgrade
  }
  get httpVersion(): string {
    return this.#head.minorVersion === 1 ? '1.1' : '1.0'
  }
  get clientCertificate(): Buffer | undefined {
    return this.#host.clientCertificate
  }
  get tls(): ClientTls | undefined {
    return this.#host.tls
  }
  get acceptsTrailers(): boolean {
    return this.#head.acceptsTrailers
  }
  get remoteAddress(): string {
    return this.#host.remoteAddress
  }
  get remotePort(): number {
    return this.#host.remotePort
  }
  get localAddress(): string {
    return this.#host.localAddress
  }
  get localPort(): number {
    return this.#host.localPort
  }

  // What the session asks and reports

  /** No byte of a final response was written or is about to be. */
  get isUnanswered(): boolean {
    return this.#phase === 'waiting'
  }

  /** The client waits for a 100 that nobody sent: it may never send the body. */
  get awaitsContinue(): boolean {
    return this.#head.expectContinue && !this.#saidContinue
  }

  /**
   * As far as the client is concerned, and as far as what follows can be known from this exchange: not after
   * a CONNECT.
   */
  get clientKeepsAlive(): boolean {
    return this.#head.keepAlive && this.#head.method !== 'CONNECT'
  }

  receiveDrain(): void {
    if (!this.#wantsDrain) return
    this.#wantsDrain = false
    if (this.#phase === 'open') this.events?.onDrain()
  }

  /** The client is gone, or not to be understood. The session takes care of the connection. */
  receiveAbort(error: TransportError): void {
    if (this.#phase === 'ended' || this.#phase === 'upgraded') return
    this.#phase = 'ended'
    this.events?.onAborted(error)
  }

  // What the handler does

  respondInformational(status: number, headers: HeaderList): void {
    // RFC 9110 15.2: a server must not send a 1xx to an HTTP/1.0 client.
    if (this.#phase !== 'waiting' || this.#head.minorVersion === 0) return
    if (status === 100) this.#saidContinue = true
    this.#host.output.addText(encodeResponseHead({ status, headers }, 'none', INFORMATIONAL))
  }

  respondStart(status: number, headers: HeaderList, statusText?: string): void {
    if (this.#phase === 'ended') return
    if (this.#phase !== 'waiting') throw new TransportError('MM_INTERNAL', 'a second final response')
    this.#phase = 'held'
    this.#status = status
    // HTTP/2 has no reason phrase (RFC 9113 8.3.1), and people and scripts look for the usual one.
    this.#statusText = statusText === '' ? undefined : statusText
    this.#headers = headers
    this.#host.output.callAtTickEnd(this)
  }

  respondData(chunk: Buffer, keep: (chunk: Buffer) => Buffer): boolean {
    if (this.#phase === 'held') this.#open()
    if (this.#phase !== 'open' || this.#framing === 'none') return true
    const { output } = this.#host
    if (this.#framing === 'chunked') output.addFramedChunk(chunk, keep)
    else {
      if (this.#framing !== 'until-close') {
        this.#bytesLeft -= chunk.length
        if (this.#bytesLeft < 0) {
          this.#breakOff('longer')
          return true
        }
      }
      output.addChunk(chunk, keep)
    }
    if (!output.hasBacklog) return true
    if (!this.#wantsDrain) this.#host.onBacklog()
    this.#wantsDrain = true
    return false
  }

  respondEnd(trailers: HeaderList): void {
    if (this.#phase === 'held') this.#open()
    if (this.#phase !== 'open') return
    const { output } = this.#host
    if (this.#bytesLeft > 0) {
      this.#breakOff('shorter')
      return
    }
    // RFC 9110 6.5.1: only for who said that it takes them.
    if (this.#framing === 'chunked')
      output.addText(encodeLastChunk(this.acceptsTrailers ? trailers : NO_HEADERS))
    this.#phase = 'ended'
    output.flush()
    this.#host.onResponseEnded()
  }

  retract(): boolean {
    if (this.#phase === 'open' && !this.#host.output.takeBack(this.#startsAt)) return false
    if (this.#phase !== 'open' && this.#phase !== 'held') return false
    this.#phase = 'waiting'
    this.#bytesLeft = 0
    return true
  }

  abort(_error: TransportError): void {
    if (this.#phase === 'ended' || this.#phase === 'upgraded') return
    this.#phase = 'ended'
    this.#host.onResponseBroken(this.#framing === 'until-close')
  }

  acceptUpgrade(status: number, headers: HeaderList): Duplex {
    if (this.#phase !== 'waiting')
      throw new TransportError('MM_INTERNAL', 'an upgrade without a request for it')
    const { upgrade } = this.#head
    // An origin that speaks HTTP/2 accepts with 200 (RFC 8441 5), and HTTP/1.1 with 101.
    const accepted = upgrade === undefined ? status : 101
    const head = encodeResponseHead({ status: accepted, headers }, 'none', {
      minorVersion: 1,
      keepAlive: true,
      upgrade,
    })
    this.#phase = 'upgraded'
    this.#host.output.addText(head)
    return this.#host.handOver()
  }

  /** Nothing came to send with the head before the current run of JavaScript was over: it goes alone. */
  onTickEnd(): void {
    if (this.#phase === 'held') this.#open()
  }

  #open(): void {
    const { minorVersion, method } = this.#head
    const status = this.#status
    const length = headerValue(this.#headers, 'content-length')
    // RFC 9112 6.3, seen from the sender.
    if (method === 'HEAD' || status === 204 || status === 304) this.#framing = 'none'
    else if (length !== undefined) this.#framing = this.#bytesLeft = Number(length)
    else this.#framing = minorVersion === 1 ? 'chunked' : 'until-close'
    const keepAlive = this.#host.decideKeepAlive(this.#framing === 'until-close')
    const response = { status, headers: this.#headers, statusText: this.#statusText }
    this.#startsAt = this.#host.output.addedBytes
    try {
      this.#host.output.addText(
        minorVersion === 1 && keepAlive
          ? persistentHeadText(response, this.#framing)
          : encodeResponseHead(response, this.#framing, { minorVersion, keepAlive }),
      )
      this.#phase = 'open'
    } catch (cause) {
      this.#phase = 'ended'
      const error = asTransportError(cause)
      this.#host.onResponseRefused(error)
      this.events?.onAborted(error)
    }
  }

  /**
   * The handler does not keep to its own content-length: only the end of the connection keeps the client from
   * a wrong reading.
   */
  #breakOff(what: 'longer' | 'shorter'): void {
    this.#phase = 'ended'
    this.#host.onResponseBroken(false)
    this.events?.onAborted(
      new TransportError('MM_INTERNAL', `the response body is ${what} than its content-length`),
    )
  }
}

/** A 1xx says nothing of the connection. */
const INFORMATIONAL = { minorVersion: 1, keepAlive: true } as const
