/**
 * What one field block costs, encoded and decoded: a response as nginx writes it and as caddy does, and a
 * request as a proxy sends it.
 */

import { writePrefixInteger } from '../../../src/http/field-compression/field-writer.ts'
import { huffmanBits, writeHuffman } from '../../../src/http/field-compression/huffman.ts'
import { STATIC_BY_NAME } from '../../../src/http/field-compression/static-tables.ts'
import { HpackDecoder } from '../../../src/http/hpack/hpack-decoder.ts'
import { HpackEncoder } from '../../../src/http/hpack/hpack-encoder.ts'
import { batched, type MicroSuite } from '../suite.ts'
import { copiesOf, REQUEST_FIELDS, RESPONSE_FIELDS, takeTurns } from './field-lists.ts'

const stable = RESPONSE_FIELDS.filter(
  (_, i) => !['content-length', 'last-modified', 'etag'].includes(RESPONSE_FIELDS[i - (i % 2)]!),
)

function encodeResponse(encoder: HpackEncoder, list: readonly string[]): number {
  encoder.begin()
  encoder.add(':status', '200')
  encoder.addAll(list)
  return encoder.end()
}

function encodeRequest(encoder: HpackEncoder, path: string, list: readonly string[]): number {
  encoder.begin()
  encoder.add(':method', 'GET')
  encoder.add(':scheme', 'https')
  encoder.add(':authority', 'www.example.com')
  encoder.add(':path', path)
  encoder.addAll(list)
  return encoder.end()
}

/**
 * A block as nginx writes it: the name by its static index, the value Huffman coded, everything inserted into
 * the table.
 */
function nginxBlock(fields: readonly string[]): Buffer {
  const out = Buffer.alloc(4096)
  let at = 0
  out[at++] = 0x88
  for (let i = 0; i < fields.length; i += 2) {
    at = writePrefixInteger(out, at, 0x40, 6, STATIC_BY_NAME.get(fields[i]!)!.nameIndex)
    at = writePrefixInteger(out, at, 0x80, 7, (huffmanBits(fields[i + 1]!) + 7) >>> 3)
    at = writeHuffman(out, at, fields[i + 1]!)
  }
  return Buffer.from(out.subarray(0, at))
}

const LIMITS = { maxTableBytes: 4096, maxListBytes: 65_536, maxFields: 128 }
const nginx = nginxBlock(RESPONSE_FIELDS)
// More than the decoder's cache holds, and never the same bytes twice within its memory.
const nginxFresh = Array.from({ length: 4096 }, (_, i) =>
  nginxBlock(RESPONSE_FIELDS.map(value => (value === '1024' ? String(1024 + i) : value))),
)
// Everything indexed, as caddy does it from the second response on.
const caddyEncoder = new HpackEncoder(4096)
const caddyDecoder = new HpackDecoder(LIMITS)
for (let i = 0; i < 5; i++) {
  const length = encodeResponse(caddyEncoder, stable)
  caddyDecoder.decode(caddyEncoder.bytes, 0, length)
}
const caddy = Buffer.from(caddyEncoder.bytes.subarray(0, encodeResponse(caddyEncoder, stable)))
const caddyFresh = Array.from({ length: 4096 }, (_, i) => {
  caddyEncoder.begin()
  caddyEncoder.addAll(stable)
  caddyEncoder.add('content-length', String(1024 + i))
  return Buffer.from(caddyEncoder.bytes.subarray(0, caddyEncoder.end()))
})

/** Over an encoder that has sent the same before. */
function encoding(encode: (encoder: HpackEncoder) => number): () => () => number {
  return () => {
    const encoder = new HpackEncoder(4096)
    return () => encode(encoder)
  }
}

function encodingCopies(
  fields: readonly string[],
  encode: (encoder: HpackEncoder, list: readonly string[]) => number,
): () => () => number {
  const next = takeTurns(copiesOf(fields))
  return encoding(encoder => encode(encoder, next()))
}

function decoding(decoder: HpackDecoder, block: () => Buffer): () => () => void {
  return () => () => {
    const bytes = block()
    decoder.decode(bytes, 0, bytes.length)
  }
}

export const suite: MicroSuite = {
  name: 'hpack',
  operation: 'block',
  cases: [
    batched(
      'encode a response for the first time, on a new connection',
      () => () => encodeResponse(new HpackEncoder(4096), RESPONSE_FIELDS),
      10,
    ),
    batched('encode a response, all in the table, in new strings', encodingCopies(stable, encodeResponse)),
    batched(
      'encode a response, all in the table, the same list',
      encoding(encoder => encodeResponse(encoder, stable)),
    ),
    batched(
      'encode a response with three literals, in new strings',
      encodingCopies(RESPONSE_FIELDS, encodeResponse),
    ),
    batched(
      'encode a response with three literals, the same list',
      encoding(encoder => encodeResponse(encoder, RESPONSE_FIELDS)),
    ),
    batched(
      'encode a request, the path a literal, in new strings',
      encodingCopies(REQUEST_FIELDS, (encoder, list) => encodeRequest(encoder, '/assets/main.js', list)),
    ),
    batched(
      'encode a request, path /, the same list',
      encoding(encoder => encodeRequest(encoder, '/', REQUEST_FIELDS)),
    ),
    batched(
      `decode a block of nginx, ${nginx.length} bytes, new`,
      decoding(new HpackDecoder(LIMITS), takeTurns(nginxFresh)),
    ),
    batched(
      `decode a block of nginx, ${nginx.length} bytes, known (insertions replayed)`,
      decoding(new HpackDecoder(LIMITS), () => nginx),
    ),
    batched(
      `decode a block of references, ${caddy.length} bytes, known`,
      decoding(caddyDecoder, () => caddy),
    ),
    batched(
      `decode a block of references and one literal, ${caddyFresh[0]!.length} bytes, new`,
      decoding(caddyDecoder, takeTurns(caddyFresh)),
    ),
  ],
}
