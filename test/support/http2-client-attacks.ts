import { literals, reference, requestBlock, type WireField } from './http2-fields.ts'
import type { Http2Peer } from './http2-peer.ts'
import {
  continuation,
  data,
  FLAG,
  frame,
  headers,
  ping,
  pushPromise,
  resetStream,
  SETTING,
  settings,
  TYPE,
  windowUpdate,
} from './http2-wire.ts'

export const ENDS = FLAG.END_HEADERS | FLAG.END_STREAM
const BLOCK_OF_16K = Buffer.alloc(16_384, literals(['x', 'y'.repeat(10)]))

export interface Attack {
  readonly name: string
  run(peer: Http2Peer): unknown
  /** The frame that says no. */
  readonly answer: RegExp
  /** The limit that took effect. Undefined: it is no matter of limits but of rules. */
  readonly limit?: string
}

export const ask = (streamId: number, path = '/', extra: readonly WireField[] = []): Buffer =>
  headers(streamId, requestBlock(path, extra), ENDS)
export const post = (streamId: number, extra: readonly WireField[] = []): Buffer =>
  headers(streamId, requestBlock('/inspect', extra, 'POST'))

/**
 * Things that a client may do, but not so often or so much. Each is a flood that goes on until the connector
 * ends the connection.
 */
export const FLOODS: readonly Attack[] = [
  {
    name: 'CONTINUATION without end (CVE-2024-27316)',
    run: async peer => {
      peer.send(headers(1, requestBlock(), 0))
      await peer.flood(index => (index < 20_000 ? continuation(1, BLOCK_OF_16K) : undefined))
    },
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxHeaderBytes',
  },
  {
    name: 'empty CONTINUATION',
    run: async peer => {
      peer.send(headers(1, requestBlock(), 0))
      await peer.flood(index => (index < 100_000 ? continuation(1, Buffer.alloc(0)) : undefined))
    },
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxContinuations',
  },
  {
    name: 'empty DATA',
    run: async peer => {
      peer.send(post(1))
      await peer.flood(index => (index < 100_000 ? data(1) : undefined))
    },
    answer: /^GOAWAY 1 ENHANCE_YOUR_CALM$/,
    limit: 'maxEmptyFramesPerSecond',
  },
  {
    name: 'DATA that is padding only',
    run: async peer => {
      peer.send(post(1))
      const padding = frame(TYPE.DATA, FLAG.PADDED, 1, Buffer.from([3, 0, 0, 0]))
      await peer.flood(index => (index < 100_000 ? padding : undefined))
    },
    answer: /^GOAWAY 1 ENHANCE_YOUR_CALM$/,
    limit: 'maxEmptyFramesPerSecond',
  },
  {
    name: 'DATA of one byte (slow drip)',
    run: async peer => {
      peer.send(post(1))
      const many = Buffer.concat(Array.from({ length: 1_000 }, () => data(1, 'x')))
      // The window of the stream is spent by and by, whatever the size of its frames.
      await peer.flood(index => (index < 600 ? many : undefined))
    },
    answer: /^GOAWAY 1 ENHANCE_YOUR_CALM$/,
    limit: 'maxTinyFramesPerSecond',
  },
  {
    name: 'SETTINGS (CVE-2019-9515)',
    run: peer => peer.flood(index => (index < 100_000 ? settings({ 4: 65_535 + index }) : undefined)),
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxSettingsPerSecond',
  },
  {
    name: 'PING (CVE-2019-9512)',
    run: peer => {
      const many = Buffer.concat(Array.from({ length: 1000 }, () => ping()))
      return peer.flood(index => (index < 300 ? many : undefined))
    },
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxPingsPerSecond',
  },
  {
    name: 'rapid reset (CVE-2023-44487)',
    run: peer =>
      peer.flood(index =>
        index < 50_000
          ? Buffer.concat([ask(2 * index + 1, '/silent'), resetStream(2 * index + 1, 'CANCEL')])
          : undefined,
      ),
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxResetsPerSecond',
  },
  {
    name: 'made-you-reset by WINDOW_UPDATE 0 (CVE-2025-8671)',
    run: peer =>
      peer.flood(index =>
        index < 50_000
          ? Buffer.concat([ask(2 * index + 1, '/silent'), windowUpdate(2 * index + 1, 0)])
          : undefined,
      ),
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxResetsPerSecond',
  },
  {
    name: 'made-you-reset by DATA after the end',
    run: peer =>
      peer.flood(index =>
        index < 50_000 ? Buffer.concat([ask(2 * index + 1, '/silent'), data(2 * index + 1, 'x')]) : undefined,
      ),
    answer: /^GOAWAY \d+ (?:ENHANCE_YOUR_CALM|STREAM_CLOSED)$/,
    limit: 'maxResetsPerSecond',
  },
  {
    name: 'requests that are no HTTP, each on a stream of its own',
    run: peer =>
      peer.flood(index =>
        index < 50_000 ? headers(2 * index + 1, literals([':method', 'GET']), ENDS) : undefined,
      ),
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxResetsPerSecond',
  },
  {
    name: 'WINDOW_UPDATE of one byte (CVE-2019-9511)',
    run: async peer => {
      const many = Buffer.concat(Array.from({ length: 1_000 }, () => windowUpdate(0, 1)))
      await peer.flood(index => (index < 600 ? many : undefined))
    },
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxTinyWindowUpdatesPerSecond',
  },
  {
    name: 'PRIORITY and unknown frames',
    run: peer => {
      const one = Buffer.concat([frame(TYPE.PRIORITY, 0, 3, Buffer.alloc(5)), frame(0xbb, 0, 0)])
      const many = Buffer.concat(Array.from({ length: 1_000 }, () => one))
      return peer.flood(index => (index < 200 ? many : undefined))
    },
    answer: /^GOAWAY \d+ ENHANCE_YOUR_CALM$/,
    limit: 'maxIgnoredFramesPerSecond',
  },
]

/** Rules of RFC 9113 whose breach ends the connection, each with its error code. */
export const CONNECTION_FAULTS: readonly Attack[] = [
  {
    name: 'garbage behind the preface',
    run: peer => peer.send(Buffer.alloc(4_096, 0xf7)),
    answer: /^GOAWAY 0 FRAME_SIZE_ERROR$/,
  },
  {
    name: 'a frame above SETTINGS_MAX_FRAME_SIZE',
    run: peer => peer.send(post(1), data(1, Buffer.alloc(16_385))),
    answer: /^GOAWAY 1 FRAME_SIZE_ERROR$/,
  },
  {
    name: 'a window of more than 2^31-1',
    run: peer => peer.send(windowUpdate(0, 0x7fffffff)),
    answer: /^GOAWAY 0 FLOW_CONTROL_ERROR$/,
  },
  {
    name: 'WINDOW_UPDATE of 0 on the connection',
    run: peer => peer.send(windowUpdate(0, 0)),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'SETTINGS_INITIAL_WINDOW_SIZE of 2^31',
    run: peer => peer.send(settings({ [SETTING.INITIAL_WINDOW_SIZE]: 2 ** 31 })),
    answer: /^GOAWAY 0 FLOW_CONTROL_ERROR$/,
  },
  {
    name: 'SETTINGS_MAX_FRAME_SIZE of 100',
    run: peer => peer.send(settings({ [SETTING.MAX_FRAME_SIZE]: 100 })),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'PUSH_PROMISE from a client',
    run: peer => peer.send(ask(1, '/silent'), pushPromise(1, 2, requestBlock())),
    answer: /^GOAWAY 1 PROTOCOL_ERROR$/,
  },
  { name: 'an even stream id', run: peer => peer.send(ask(2)), answer: /^GOAWAY 0 PROTOCOL_ERROR$/ },
  {
    name: 'a stream id that goes back',
    run: peer => peer.send(ask(9, '/silent'), ask(5)),
    answer: /^GOAWAY 9 (?:PROTOCOL_ERROR|STREAM_CLOSED)$/,
  },
  {
    name: 'HEADERS on stream 0',
    run: peer => peer.send(ask(0)),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'DATA on an idle stream',
    run: peer => peer.send(data(7, 'x')),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'a field block that another frame interrupts',
    run: peer => peer.send(headers(1, requestBlock(), 0), ping()),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'CONTINUATION without a field block',
    run: peer => peer.send(continuation(1, requestBlock(), FLAG.END_HEADERS)),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'HPACK that refers to what is not there',
    run: peer => peer.send(headers(1, reference(200), ENDS)),
    answer: /^GOAWAY \d COMPRESSION_ERROR$/,
  },
  {
    name: 'HPACK with an integer that never ends',
    run: peer => peer.send(headers(1, Buffer.alloc(2_000, 0xff), ENDS)),
    answer: /^GOAWAY \d COMPRESSION_ERROR$/,
  },
  {
    name: 'more DATA than its window, to an origin that reads none of it',
    run: async peer => {
      peer.send(headers(1, requestBlock('/stuck', [], 'POST')))
      const block = data(1, Buffer.alloc(16_384))
      await peer.flood(index => (index < 4_000 ? block : undefined))
    },
    answer: /^(?:RST_STREAM 1|GOAWAY 1) FLOW_CONTROL_ERROR$/,
  },
  {
    name: 'GOAWAY on a stream',
    run: peer => peer.send(frame(TYPE.GOAWAY, 0, 1, Buffer.alloc(8))),
    answer: /^GOAWAY 0 PROTOCOL_ERROR$/,
  },
  {
    name: 'a PING of 7 bytes',
    run: peer => peer.send(ping('1234567')),
    answer: /^GOAWAY 0 FRAME_SIZE_ERROR$/,
  },
]

/**
 * Messages that are no HTTP (RFC 9113 8.1.1). The stream ends, the connection goes on, and the origin sees
 * nothing of it.
 */
export const MALFORMED: readonly (readonly [name: string, frames: readonly Buffer[]])[] = [
  ['CR LF in a value', [ask(1, '/', [['x-a', 'b\r\nset-cookie: c']])]],
  ['NUL in a value', [ask(1, '/', [['x-a', 'b\0c']])]],
  ['a value that begins with a space', [ask(1, '/', [['x-a', ' b']])]],
  ['a value that ends with a tab', [ask(1, '/', [['x-a', 'b\t']])]],
  ['an upper-case name', [ask(1, '/', [['X-A', 'b']])]],
  ['a space in a name', [ask(1, '/', [['x a', 'b']])]],
  ['CR LF in a name', [ask(1, '/', [['x-a\r\nb', 'c']])]],
  ['a colon in a name', [ask(1, '/', [['x:a', 'b']])]],
  ['an empty name', [ask(1, '/', [['', 'b']])]],
  ['Connection', [ask(1, '/', [['connection', 'close']])]],
  ['Transfer-Encoding', [ask(1, '/', [['transfer-encoding', 'chunked']])]],
  ['TE: gzip', [ask(1, '/', [['te', 'gzip']])]],
  ['CR LF in the path', [ask(1, '/ HTTP/1.1\r\nx-a: b')]],
  ['a space in the path', [ask(1, '/a b')]],
  ['a path that is no path', [ask(1, 'a')]],
  ['no :path', [headers(1, literals([':method', 'GET'], [':scheme', 'http'], [':authority', 'a']), ENDS)]],
  ['an empty :path', [ask(1, '')]],
  ['no :method', [headers(1, literals([':scheme', 'http'], [':path', '/'], [':authority', 'a']), ENDS)]],
  ['no :scheme', [headers(1, literals([':method', 'GET'], [':path', '/'], [':authority', 'a']), ENDS)]],
  ['two :path', [ask(1, '/', [[':path', '/b']])]],
  ['a pseudo-field behind others', [headers(1, Buffer.concat([literals(['x', 'y']), requestBlock()]), ENDS)]],
  ['an unknown pseudo-field', [ask(1, '/', [[':proto', 'x']])]],
  [':status', [headers(1, Buffer.concat([literals([':status', '200']), requestBlock()]), ENDS)]],
  ['a method that is no token', [headers(1, requestBlock('/', [], 'GET / HTTP/1.1\r\nx: y'), ENDS)]],
  ['Host that is not :authority', [ask(1, '/', [['host', 'elsewhere.test']])]],
  ['a pseudo-field in trailers', [post(1), headers(1, literals([':path', '/']), ENDS)]],
  ['trailers that end nothing', [post(1), headers(1, literals(['x', 'y']))]],
  ['less DATA than content-length', [post(1, [['content-length', '9']]), data(1, 'short', FLAG.END_STREAM)]],
  ['more DATA than content-length', [post(1, [['content-length', '3']]), data(1, 'longer', FLAG.END_STREAM)]],
  ['no DATA for a content-length', [headers(1, requestBlock('/', [['content-length', '9']], 'POST'), ENDS)]],
  [
    'two values of content-length',
    [
      post(1, [
        ['content-length', '3'],
        ['content-length', '4'],
      ]),
    ],
  ],
  ['a content-length that is no number', [post(1, [['content-length', '+3']])]],
  ['a stream window of more than 2^31-1', [post(1), windowUpdate(1, 0x7fffffff)]],
]
