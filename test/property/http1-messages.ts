import { fc } from '../support/property.ts'

/** Well-formed HTTP/1.1 messages, and what faulty peers and attackers make of them. */

const TOKEN_CHARACTERS =
  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~".split('')
const VALUE_CHARACTERS = 'abcXYZ019 \t,;:="/()[]{}<>@?\\\x80\xa0\xff'.split('')
const PATH_CHARACTERS = 'abcXYZ019-._~!$&\'()*+,;=:@/?%[]|{}"<>'.split('')

const stringOf = (characters: string[], min: number, max: number): fc.Arbitrary<string> =>
  fc.array(fc.constantFrom(...characters), { minLength: min, maxLength: max }).map(parts => parts.join(''))

const SPECIAL =
  /^(?:host|content-length|transfer-encoding|connection|upgrade|te|keep-alive|expect|proxy-connection|http2-settings|trailer)$/i

const name = fc.oneof(
  fc.constantFrom(
    'Accept',
    'user-agent',
    'X-Forwarded-For',
    'cookie',
    'ETag',
    'cache-control',
    'Content-Type',
  ),
  stringOf(TOKEN_CHARACTERS, 1, 20).filter(text => !SPECIAL.test(text)),
)
const value = stringOf(VALUE_CHARACTERS, 0, 40).map(text => text.replace(/^[ \t]+|[ \t]+$/g, ''))
const blank = fc.constantFrom('', ' ', '\t', '  ', ' \t ')

export interface Field {
  name: string
  value: string
  line: string
}
const field: fc.Arbitrary<Field> = fc
  .tuple(name, value, blank, blank)
  .map(([name, value, before, after]) => ({ name, value, line: `${name}:${before}${value}${after}\r\n` }))
export const fields: fc.Arbitrary<Field[]> = fc.array(field, { maxLength: 8 })

interface Body {
  /** The field that frames it, with its CRLF, or ''. */
  framing: string
  content: string
  encoded: string
  trailers: Field[]
}
const noBody: Body = { framing: '', content: '', encoded: '', trailers: [] }
const content = fc.oneof(
  stringOf(['a', '\r', '\n', '0', '\0', '\xff', ':'], 0, 30),
  fc.constant('x'.repeat(300)),
)
const extension = fc.constantFrom('', '', '', ';a', ';a=b', ';q="x;y\\" z"', ';a;b=c')
const lengthBody: fc.Arbitrary<Body> = content.map(content => ({
  framing: `Content-Length: ${content.length}\r\n`,
  content,
  encoded: content,
  trailers: [],
}))
const chunkedBody: fc.Arbitrary<Body> = fc
  .record({
    chunks: fc.array(
      fc.tuple(
        content.filter(text => text !== ''),
        extension,
        fc.boolean(),
      ),
      { maxLength: 4 },
    ),
    end: extension,
    trailers: fc.array(
      field
        .filter(({ name }) => name.startsWith('X-') || name.startsWith('x'))
        .filter(({ name }) => !/forwarded/i.test(name)),
      { maxLength: 2 },
    ),
    coding: fc.constantFrom('chunked', 'Chunked', 'chunked'),
  })
  .map(({ chunks, end, trailers, coding }) => {
    let encoded = ''
    for (const [data, extension, isUpper] of chunks) {
      const size = data.length.toString(16)
      encoded += `${isUpper ? size.toUpperCase() : size}${extension}\r\n${data}\r\n`
    }
    encoded += `0${end}\r\n${trailers.map(({ line }) => line).join('')}\r\n`
    return {
      framing: `Transfer-Encoding: ${coding}\r\n`,
      content: chunks.map(([data]) => data).join(''),
      encoded,
      trailers,
    }
  })

export const path = stringOf(PATH_CHARACTERS, 0, 30).map(text => `/${text}`)
export const method = fc.constantFrom('GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'PROPFIND')
const host = fc.constantFrom(
  'a',
  'origin.example',
  'origin.example:8080',
  '127.0.0.1',
  '[::1]:80',
  'A-b_c~d.e',
)

export interface GeneratedRequest {
  method: string
  path: string
  host: string
  fields: Field[]
  body: Body
  text: string
}
export const request: fc.Arbitrary<GeneratedRequest> = fc
  .record({
    method,
    path,
    host,
    fields,
    body: fc.oneof(fc.constant(noBody), lengthBody, chunkedBody),
    connection: fc.constantFrom('', '', '', 'Connection: keep-alive\r\n'),
    isFramingFirst: fc.boolean(),
  })
  .map(({ connection, isFramingFirst, ...rest }) => {
    const { method, path, host, fields, body } = rest
    const lines = fields.map(({ line }) => line).join('')
    const framed = isFramingFirst ? body.framing + lines : lines + body.framing
    return {
      ...rest,
      text: `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\n${connection}${framed}\r\n${body.encoded}`,
    }
  })

export interface GeneratedResponse {
  status: number
  reason: string
  fields: Field[]
  body: Body
  text: string
}
export const response: fc.Arbitrary<GeneratedResponse> = fc
  .record({
    status: fc.constantFrom(200, 201, 206, 302, 404, 500, 599),
    reason: fc.constantFrom('OK', 'Not Found', '', 'caf\xe9 and more'),
    fields,
    body: fc.oneof(lengthBody, chunkedBody),
    informational: fc.constantFrom(
      '',
      '',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
      'HTTP/1.1 100 Continue\r\n\r\n',
    ),
  })
  .map(({ informational, ...rest }) => {
    const { status, reason, fields, body } = rest
    const lines = fields.map(({ line }) => line).join('')
    return {
      ...rest,
      text: `${informational}HTTP/1.1 ${status} ${reason}\r\n${lines}${body.framing}\r\n${body.encoded}`,
    }
  })

/** Pieces that mean something to a parser. */
const PIECES = [
  '\r\n',
  '\n',
  '\r',
  '\r\n\r\n',
  '\n\n',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '"',
  '\0',
  '\x0b',
  '\x7f',
  '\x80',
  '\xa0',
  '0',
  '1',
  '5',
  'f',
  '+',
  '-',
  '0x',
  'chunked',
  ', chunked',
  'identity',
  ' HTTP/1.1',
  'HTTP/1.0',
  'HTTP/1.2',
  '\r\n ',
  '\r\n\t',
  ' :',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding:\tchunked\r\n',
  'Transfer_Encoding: chunked\r\n',
  'Transfer-Encoding : chunked\r\n',
  'Transfer-Encoding: xchunked\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding: chunked, identity\r\n',
  'Content-Length: 5\r\n',
  'Content-Length: 0\r\n',
  'Content-Length: 5, 5\r\n',
  'Content-Length: +5\r\n',
  'content-length:5\r\n',
  'Connection: close\r\n',
  'Connection: keep-alive\r\n',
  'Connection: content-length\r\n',
  'Host: b\r\n',
  'Expect: 100-continue\r\n',
  '0\r\n\r\n',
  '5\r\nhello\r\n',
  '0\r\nX: y\r\n\r\n',
  'ffffffffffffffff1\r\n',
  'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  '#',
  '%00',
  '@',
  '*',
  'http://b/',
]

/** Lines for a head: what desynchronizes parsers, and what is harmless. */
const FIELD_LINES = [
  'Transfer-Encoding: chunked',
  'transfer-encoding: CHUNKED',
  'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding: chunked;a=b',
  'Transfer-Encoding: "chunked"',
  'Transfer-Encoding:',
  'Transfer-Encoding: identity',
  'Content-Length: 0',
  'Content-Length: 3',
  'Content-Length: 003',
  'Content-Length: -1',
  'Content-Length: 3 3',
  'Content-Length:',
  'Content-Length: 99999999999999999999',
  'Host: other',
  'Host:',
  'Connection: close',
  'Connection: keep-alive, x-hop',
  'Connection: Content-Length',
  'Connection: \xa0close',
  'Connection: upgrade',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'Expect: 100-continue',
  'Expect: something',
  'Keep-Alive: timeout=5',
  'TE: trailers',
  'Trailer: x-sum',
  ' folded',
  '\tfolded',
  'no colon',
  ': no name',
  'space : before',
  'nul: \0',
  'high: \xff',
]

type Mutation = (text: string) => string
// Not fc.double, which draws its exponent: nearly all of its numbers are nearly 0.
const at = fc.nat({ max: 9999 }).map(number => number / 10_000)
const piece = fc.oneof(
  { weight: 5, arbitrary: fc.constantFrom(...PIECES) },
  { weight: 1, arbitrary: fc.integer({ min: 0, max: 255 }).map(code => String.fromCharCode(code)) },
)
/** Half of the places are next to a delimiter, where parsers differ. */
const DELIMITERS = /[\r\n: ;,]/g
function placeOf(text: string, share: number, isDelimiter: boolean): number {
  if (!isDelimiter) return Math.floor(share * (text.length + 1))
  const places = [...text.matchAll(DELIMITERS)].flatMap(({ index }) => [index, index + 1])
  return places[Math.floor(share * places.length)] ?? 0
}
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.tuple(at, fc.boolean(), piece).map(
    ([share, near, piece]): Mutation =>
      text => {
        const place = placeOf(text, share, near)
        return text.slice(0, place) + piece + text.slice(place)
      },
  ),
  fc.tuple(at, fc.boolean(), piece).map(
    ([share, near, piece]): Mutation =>
      text => {
        const place = placeOf(text, share, near)
        return text.slice(0, place) + piece + text.slice(place + piece.length)
      },
  ),
  fc.tuple(at, fc.boolean(), fc.integer({ min: 1, max: 6 })).map(
    ([share, near, count]): Mutation =>
      text => {
        const place = placeOf(text, share, near)
        return text.slice(0, place) + text.slice(place + count)
      },
  ),
  fc.tuple(at, fc.constantFrom(...FIELD_LINES)).map(
    ([share, line]): Mutation =>
      text => {
        const lines = text.split('\r\n')
        const place = 1 + Math.floor(share * lines.indexOf(''))
        return [...lines.slice(0, place), line, ...lines.slice(place)].join('\r\n')
      },
  ),
  fc.tuple(at, at).map(
    ([from, to]): Mutation =>
      text => {
        const lines = text.split('\r\n')
        const line = lines[Math.floor(from * lines.length)] ?? ''
        lines.splice(Math.floor(to * lines.length), 0, line)
        return lines.join('\r\n')
      },
  ),
)
export const mutations: fc.Arbitrary<Mutation> = fc
  .array(mutation, { minLength: 1, maxLength: 3 })
  .map(list => (text: string) => list.reduce((before, mutate) => mutate(before), text))

/** Where an input is cut, as shares of its length. */
export const cuts: fc.Arbitrary<number[]> = fc.array(at, { maxLength: 8 })
export function cutsOf(length: number, shares: readonly number[]): number[] {
  return shares.map(share => Math.floor(share * length))
}
