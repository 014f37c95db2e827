import { TransportError } from '../../../../../src/base/errors.ts'
import type { HeaderList } from '../../../../../src/base/http/headers.ts'
import { type CodecLimits, DEFAULT_CODEC_LIMITS } from '../../../../../src/http/http1/codec/codec-failure.ts'
import type {
  Http1RequestHead,
  Http1ResponseHead,
  MessageEvents,
} from '../../../../../src/http/http1/codec/message-events.ts'
import { RequestDecoder } from '../../../../../src/http/http1/codec/request-decoder.ts'
import { ResponseDecoder } from '../../../../../src/http/http1/codec/response-decoder.ts'

/** One message as a decoder reported it. */
export interface Decoded<Head> {
  head: Head
  body: string
  trailers: HeaderList | undefined
}

export interface Decoding<Head> {
  messages: Decoded<Head>[]
  /** The error, if it came to one. */
  error: TransportError | undefined
  /** Bytes that were taken before the error. */
  taken: number
}

export interface DecodingOptions {
  /** Where the input is cut. Default: nowhere. */
  cuts?: readonly number[]
  limits?: Partial<CodecLimits>
  /** Whether the peer closes afterwards. Default true. */
  ends?: boolean
}

interface Decoder {
  receive(buffer: Buffer, start: number, end: number): number
  receiveEnd(): void
}

/** Decodes requests one after the other until the bytes are used up or one says that it is the last. */
export function decodeRequests(
  input: string | Buffer,
  options: DecodingOptions = {},
): Decoding<Http1RequestHead> {
  return decode(input, options, (limits, events) => new RequestDecoder(limits, events), isLastRequest)
}

/** Decodes the answer to one request. */
export function decodeResponse(
  input: string | Buffer,
  options: DecodingOptions & { method?: string; upgrade?: string } = {},
): Decoding<Http1ResponseHead> {
  return decode(
    input,
    options,
    (limits, events) => {
      const decoder = new ResponseDecoder(limits, events)
      decoder.expect(options.method ?? 'GET', options.upgrade)
      return decoder
    },
    () => false,
  )
}

/** Behind it comes no request: the connection ends, or becomes something else. */
function isLastRequest(head: Http1RequestHead): boolean {
  return !head.keepAlive || head.method === 'CONNECT' || head.upgrade !== undefined
}

function decode<Head>(
  input: string | Buffer,
  options: DecodingOptions,
  make: (limits: CodecLimits, events: MessageEvents<Head>) => Decoder,
  isLast: (head: Head) => boolean,
): Decoding<Head> {
  const bytes = typeof input === 'string' ? Buffer.from(input, 'latin1') : input
  const result: Decoding<Head> = { messages: [], error: undefined, taken: 0 }
  let isOver = false
  const decoder = make(
    { ...DEFAULT_CODEC_LIMITS, ...options.limits },
    {
      onHead: head => void result.messages.push({ head, body: '', trailers: undefined }),
      onData: chunk => {
        const message = result.messages.at(-1)!
        message.body += chunk.toString('latin1')
      },
      onEnd: trailers => {
        const message = result.messages.at(-1)!
        message.trailers = trailers
        isOver = isLast(message.head)
      },
    },
  )
  const ends = [...(options.cuts ?? []), bytes.length]
    .filter(cut => cut <= bytes.length)
    .sort((a, b) => a - b)
  try {
    let pos = 0
    for (const end of ends) {
      while (pos < end && !isOver) {
        // What is lent is not there any more when the call has returned.
        const lent = Buffer.from(bytes.subarray(pos, end))
        const taken = decoder.receive(lent, 0, lent.length)
        lent.fill(0x21)
        if (taken === 0) return { ...result, taken: pos }
        pos += taken
        result.taken = pos
      }
    }
    if (options.ends !== false && !isOver) decoder.receiveEnd()
  } catch (error) {
    if (!(error instanceof TransportError)) throw error
    result.error = error
  }
  return result
}

/** Those that came to their end. */
export function completeMessages<Head>(decoding: Decoding<Head>): Decoded<Head>[] {
  return decoding.messages.filter(message => message.trailers !== undefined)
}
