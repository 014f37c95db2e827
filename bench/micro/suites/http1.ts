/**
 * What one HTTP/1.1 head costs, parsed and encoded. The heads are those of a browser's request and of an
 * nginx response, about ten fields each.
 */
import { DEFAULT_CODEC_LIMITS } from '../../../src/http/http1/codec/codec-failure.ts'
import { encodeRequestHead, encodeResponseHead } from '../../../src/http/http1/codec/head-encoder.ts'
import { RequestDecoder } from '../../../src/http/http1/codec/request-decoder.ts'
import { ResponseDecoder } from '../../../src/http/http1/codec/response-decoder.ts'
import { batched, type MicroSuite } from '../suite.ts'

const requestBytes = Buffer.from(
  [
    'GET /assets/app/main-4f2c1b.js?v=12 HTTP/1.1',
    'Host: www.example.com',
    'User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
    'Accept: */*',
    'Accept-Language: en-US,en;q=0.5',
    'Accept-Encoding: gzip, deflate, br, zstd',
    'Referer: https://www.example.com/start',
    'Cookie: session=0123456789abcdef0123456789abcdef; theme=dark',
    'If-None-Match: "66f1a2b3-1f40"',
    'X-Request-Id: 7f3d9a52c1e84b06',
    'Connection: keep-alive',
    '',
    '',
  ].join('\r\n'),
  'latin1',
)
const responseBytes = Buffer.from(
  [
    'HTTP/1.1 200 OK',
    'Server: nginx/1.26.2',
    'Date: Tue, 04 Mar 2025 10:12:13 GMT',
    'Content-Type: application/javascript',
    'Content-Length: 1024',
    'Last-Modified: Mon, 03 Mar 2025 08:00:00 GMT',
    'Connection: keep-alive',
    'ETag: "66f1a2b3-1f40"',
    'Cache-Control: public, max-age=31536000, immutable',
    'Vary: Accept-Encoding',
    'Accept-Ranges: bytes',
    '',
    '',
  ].join('\r\n'),
  'latin1',
)

let requestHeaders: readonly string[] = []
let responseHeaders: readonly string[] = []
const requestDecoder = new RequestDecoder(DEFAULT_CODEC_LIMITS, {
  onHead: head => void (requestHeaders = head.headers),
  onData: () => undefined,
  onEnd: () => undefined,
})
// HEAD, so that each head is a whole message.
const responseDecoder = new ResponseDecoder(DEFAULT_CODEC_LIMITS, {
  onHead: head => void (responseHeaders = head.headers),
  onData: () => undefined,
  onEnd: () => undefined,
})
const parseRequest = (): number => requestDecoder.receive(requestBytes, 0, requestBytes.length)
const parseResponse = (): number => {
  responseDecoder.expect('HEAD')
  return responseDecoder.receive(responseBytes, 0, responseBytes.length)
}
parseRequest()
parseResponse()
const request = {
  method: 'GET',
  authority: 'www.example.com',
  path: '/assets/app/main-4f2c1b.js?v=12',
  headers: requestHeaders,
}
const response = { status: 200, headers: responseHeaders }
const connection = { minorVersion: 1, keepAlive: true } as const
// A head is a rope of strings until it is written: writing it is part of the price.
const out = Buffer.allocUnsafe(4096)

export const suite: MicroSuite = {
  name: 'http1',
  operation: 'head',
  cases: [
    batched(`parse a request head (${requestBytes.length} bytes, 10 fields)`, () => parseRequest),
    batched(`parse a response head (${responseBytes.length} bytes, 10 fields)`, () => parseResponse),
    batched(
      'encode a request head and write it',
      () => () => out.write(encodeRequestHead(request, 'none'), 'latin1'),
    ),
    batched(
      'encode a response head and write it',
      () => () => out.write(encodeResponseHead(response, 1024, connection), 'latin1'),
    ),
  ],
}
