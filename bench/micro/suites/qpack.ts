/**
 * What one field section costs, encoded and decoded. The decoder's answers reach the encoder with every
 * section, as they do on a connection.
 */
import { writePrefixInteger } from '../../../src/http/field-compression/field-writer.ts'
import { QpackDecoder } from '../../../src/http/qpack/qpack-decoder.ts'
import { QpackEncoder } from '../../../src/http/qpack/qpack-encoder.ts'
import { batched, type MicroCase, type MicroSuite } from '../suite.ts'
import { copiesOf, REQUEST_FIELDS, RESPONSE_FIELDS, takeTurns } from './field-lists.ts'

const LIMITS = { maxTableBytes: 4096, maxBlockedStreams: 16, maxListBytes: 65_536, maxFields: 128 }

/** Both ends of one direction of a connection. */
class Pair {
  readonly encoder = new QpackEncoder({ maxTableBytes: 4096 })
  readonly decoder = new QpackDecoder(LIMITS)
  #streamId = 0

  constructor() {
    this.encoder.setPeerLimits(4096, 16)
  }

  encodeResponse(list: readonly string[]): number {
    const { encoder } = this
    encoder.begin((this.#streamId += 4))
    encoder.add(':status', '200')
    encoder.addAll(list)
    return this.#end()
  }

  encodeRequest(path: string, list: readonly string[]): number {
    const { encoder } = this
    encoder.begin((this.#streamId += 4))
    encoder.add(':method', 'GET')
    encoder.add(':scheme', 'https')
    encoder.add(':authority', 'www.example.com')
    encoder.add(':path', path)
    encoder.addAll(list)
    return this.#end()
  }

  /** The encoder's part of an acknowledgment. */
  acknowledge(): void {
    const bytes = this.decoder.takeDecoderStream()
    if (bytes !== undefined) this.encoder.receiveDecoderStream(bytes, 0, bytes.length)
  }

  decode(length: number): void {
    const decoded = this.decoder.decode(this.#streamId, this.encoder.bytes, 0, length)
    if (typeof decoded === 'string') throw new Error(decoded)
  }

  /** The next stream is 4 again: none is under way. */
  restart(): void {
    this.#streamId = 0
  }

  #end(): number {
    const length = this.encoder.end()
    const instructions = this.encoder.takeEncoderStream()
    if (instructions !== undefined) this.decoder.receiveEncoderStream(instructions, 0, instructions.length)
    return length
  }

  /** As on a connection that has carried some. */
  warm(encode: (pair: Pair) => number): this {
    for (let i = 0; i < 20; i++) {
      this.decode(encode(this))
      this.acknowledge()
    }
    return this
  }
}

type Encode = (pair: Pair) => number

function both(name: string, encode: Encode): MicroCase {
  return batched(`${name}: encode, decode, acknowledge`, () => {
    const pair = new Pair().warm(encode)
    return () => {
      pair.decode(encode(pair))
      pair.acknowledge()
    }
  })
}

/** One section, as it comes again and again. */
function decodeOnly(name: string, encode: Encode): MicroCase {
  const pair = new Pair().warm(encode)
  const section = Buffer.from(pair.encoder.bytes.subarray(0, encode(pair)))
  let streamId = 0
  return batched(`${name}, ${section.length} bytes, known: decode, answer every 100th`, () => () => {
    pair.decoder.decode(streamId, section, 0, section.length)
    streamId += 4
    if (streamId % 400 === 0) pair.decoder.takeDecoderStream()
  })
}

/** Section Acknowledgments for the streams 4 to 400. */
const ACKNOWLEDGMENTS = Buffer.concat(
  Array.from({ length: 100 }, (_, i) => {
    const out = Buffer.alloc(4)
    return out.subarray(0, writePrefixInteger(out, 0, 0x80, 7, 4 * (i + 1)))
  }),
)

/** What the sender has to do: a hundred sections, and what the peer answers. */
function encodeOnly(name: string, encode: Encode): MicroCase {
  return batched(`${name}: encode, be acknowledged`, () => {
    const pair = new Pair().warm(encode)
    let sections = 0
    return () => {
      if (sections === 0) pair.restart()
      encode(pair)
      if (++sections < 100) return
      sections = 0
      pair.encoder.receiveDecoderStream(ACKNOWLEDGMENTS, 0, ACKNOWLEDGMENTS.length)
    }
  })
}

const nextResponse = takeTurns(copiesOf(RESPONSE_FIELDS))
const nextRequest = takeTurns(copiesOf(REQUEST_FIELDS))
const newRequest: Encode = pair => pair.encodeRequest('/assets/main.js', nextRequest())
const sameRequest: Encode = pair => pair.encodeRequest('/', REQUEST_FIELDS)
const sameResponse: Encode = pair => pair.encodeResponse(RESPONSE_FIELDS)

export const suite: MicroSuite = {
  name: 'qpack',
  operation: 'section',
  cases: [
    batched(
      'a response for the first time, on a new connection: encode, decode',
      () => () => {
        const pair = new Pair()
        pair.decode(pair.encodeResponse(RESPONSE_FIELDS))
      },
      2,
    ),
    both('a response with three literals, in new strings', pair => pair.encodeResponse(nextResponse())),
    both('a response with three literals, the same list', sameResponse),
    both('a request, the path a literal, in new strings', newRequest),
    both('a request, path /, the same list', sameRequest),
    encodeOnly('a request, the path a literal, in new strings', newRequest),
    encodeOnly('a request, path /, the same list', sameRequest),
    decodeOnly('a response with three literals', sameResponse),
    decodeOnly('a request', sameRequest),
  ],
}
