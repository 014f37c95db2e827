import type { Http3Peer } from './http3-peer.ts'
import {
  type CodeName,
  data,
  FRAME,
  fieldSection,
  frame,
  headers,
  insertLiteral,
  integer,
  requestHeaders,
  responseHeaders,
  SETTING,
  STREAM_TYPE,
  setCapacity,
  settings,
  varint,
} from './http3-wire.ts'

/**
 * What breaks RFC 9114 or RFC 9204 in a way that ends the connection, one by one, with the code that the
 * other side must close it with. `stream` is that of a request: the peer has got it (origin role), or opens
 * it itself (client role; undefined).
 */
export interface ConnectionFaultCase {
  readonly name: string
  readonly code: CodeName
  /** The peer sends no control stream by itself. */
  readonly isSilent?: boolean
  run(peer: Http3Peer, stream: number): void
}

const EMPTY = Buffer.alloc(0)
const FIELD_SECTION = fieldSection(['x-trailer', '1'])
/** Types of HTTP/2 that have no place here (RFC 9114 7.2.8). */
const HTTP2_TYPES = [0x02, 0x06, 0x08, 0x09] as const
const hex = (value: number): string => `0x${value.toString(16).padStart(2, '0')}`
const unidirectional = (type: number, ...rest: readonly Buffer[]): Buffer =>
  Buffer.concat([varint(type), ...rest])

/** The control stream of either role. Where the first frame is the matter, the peer is silent before. */
const CONTROL_FAULTS: readonly ConnectionFaultCase[] = [
  ...[
    ['GOAWAY', frame(FRAME.GOAWAY, varint(0))],
    ['DATA', data('x')],
    ['an unknown frame', frame(0x21, Buffer.from('grease'))],
  ].map(([what, bytes]) => ({
    name: `${String(what)} before SETTINGS`,
    code: 'H3_MISSING_SETTINGS' as const,
    isSilent: true,
    run: (peer: Http3Peer) =>
      void peer.openUnidirectional(unidirectional(STREAM_TYPE.CONTROL, bytes as Buffer)), // as in the table
  })),
  onControl('SETTINGS for the second time', 'H3_FRAME_UNEXPECTED', settings()),
  onControl('DATA', 'H3_FRAME_UNEXPECTED', data('x')),
  onControl('HEADERS', 'H3_FRAME_UNEXPECTED', frame(FRAME.HEADERS, FIELD_SECTION)),
  onControl(
    'PUSH_PROMISE',
    'H3_FRAME_UNEXPECTED',
    frame(FRAME.PUSH_PROMISE, Buffer.concat([varint(0), FIELD_SECTION])),
  ),
  ...HTTP2_TYPES.map(type =>
    onControl(`type ${hex(type)} of HTTP/2`, 'H3_FRAME_UNEXPECTED', frame(type, Buffer.alloc(4))),
  ),
  onControl('an empty GOAWAY', 'H3_FRAME_ERROR', frame(FRAME.GOAWAY)),
  onControl('GOAWAY with bytes behind its id', 'H3_FRAME_ERROR', frame(FRAME.GOAWAY, Buffer.of(0, 0))),
  onControl('CANCEL_PUSH cut within its id', 'H3_FRAME_ERROR', frame(FRAME.CANCEL_PUSH, Buffer.of(0x40))),
  onControl('CANCEL_PUSH of what was never promised', 'H3_ID_ERROR', frame(FRAME.CANCEL_PUSH, varint(1))),
  ...[0x00, 0x02, 0x03, 0x04, 0x05].map(id =>
    withSettings(`setting ${hex(id)} of HTTP/2`, 'H3_SETTINGS_ERROR', [[id, 1]]),
  ),
  withSettings('a setting twice', 'H3_SETTINGS_ERROR', [
    [SETTING.QPACK_BLOCKED_STREAMS, 1],
    [SETTING.QPACK_BLOCKED_STREAMS, 1],
  ]),
  withSettings('ENABLE_CONNECT_PROTOCOL of 2', 'H3_SETTINGS_ERROR', [[SETTING.ENABLE_CONNECT_PROTOCOL, 2]]),
  withSettings('H3_DATAGRAM of 2', 'H3_SETTINGS_ERROR', [[SETTING.H3_DATAGRAM, 2]]),
  {
    name: 'SETTINGS cut within a setting',
    code: 'H3_FRAME_ERROR',
    isSilent: true,
    run: peer =>
      void peer.openUnidirectional(
        unidirectional(STREAM_TYPE.CONTROL, frame(FRAME.SETTINGS, Buffer.of(0x06))),
      ),
  },
  {
    name: 'the end of the control stream',
    code: 'H3_CLOSED_CRITICAL_STREAM',
    run: peer => peer.send(peer.controlStream, frame(0x21), true),
  },
  {
    name: 'a reset of the control stream',
    code: 'H3_CLOSED_CRITICAL_STREAM',
    // Behind SETTINGS: a reset takes along what has not left.
    run: peer => void setTimeout(() => peer.reset(peer.controlStream, 0x100), 20),
  },
  ...(['CONTROL', 'QPACK_ENCODER', 'QPACK_DECODER'] as const).map(name => ({
    name: `a second ${name} stream`,
    code: 'H3_STREAM_CREATION_ERROR' as const,
    run: (peer: Http3Peer) => {
      if (name !== 'CONTROL') peer.openUnidirectional(varint(STREAM_TYPE[name]))
      peer.openUnidirectional(unidirectional(STREAM_TYPE[name], name === 'CONTROL' ? settings() : EMPTY))
    },
  })),
  ...(['QPACK_ENCODER', 'QPACK_DECODER'] as const).map(name => ({
    name: `the end of the ${name} stream`,
    code: 'H3_CLOSED_CRITICAL_STREAM' as const,
    run: (peer: Http3Peer) => void peer.openUnidirectional(varint(STREAM_TYPE[name]), true),
  })),
  onEncoderStream('a table larger than allowed', setCapacity(1_000_000)),
  onEncoderStream('an insertion into a table of nothing', insertLiteral('name', 'value')),
  onEncoderStream(
    'a name of the static table that is none',
    Buffer.concat([setCapacity(100), integer(0xc0, 6, 99), Buffer.of(0)]),
  ),
  onEncoderStream('a duplicate of nothing', Buffer.concat([setCapacity(100), integer(0x00, 5, 0)])),
  onEncoderStream(
    'an entry larger than the table',
    Buffer.concat([setCapacity(100), insertLiteral('n', 'v'.repeat(200))]),
  ),
  onDecoderStream('an increment of 0', integer(0x00, 6, 0)),
  onDecoderStream('an increment beyond what was inserted', integer(0x00, 6, 60)),
  onDecoderStream('an acknowledgement of no section', integer(0x80, 7, 4_000)),
]

/** What both roles can put onto a stream of a request, behind the head. */
const REQUEST_STREAM_FAULTS: readonly [name: string, code: CodeName, bytes: Buffer][] = [
  ['SETTINGS', 'H3_FRAME_UNEXPECTED', settings()],
  ['GOAWAY', 'H3_FRAME_UNEXPECTED', frame(FRAME.GOAWAY, varint(0))],
  ['CANCEL_PUSH', 'H3_FRAME_UNEXPECTED', frame(FRAME.CANCEL_PUSH, varint(0))],
  ['MAX_PUSH_ID', 'H3_FRAME_UNEXPECTED', frame(FRAME.MAX_PUSH_ID, varint(0))],
  [
    'PRIORITY_UPDATE',
    'H3_FRAME_UNEXPECTED',
    frame(FRAME.PRIORITY_UPDATE, Buffer.concat([varint(0), Buffer.from('u=1')])),
  ],
  ...HTTP2_TYPES.map(
    type =>
      [`type ${hex(type)} of HTTP/2`, 'H3_FRAME_UNEXPECTED', frame(type, Buffer.alloc(4))] as [
        string,
        CodeName,
        Buffer,
      ],
  ),
  [
    'HEADERS behind trailers',
    'H3_FRAME_UNEXPECTED',
    Buffer.concat([frame(FRAME.HEADERS, FIELD_SECTION), frame(FRAME.HEADERS, FIELD_SECTION)]),
  ],
  [
    'DATA behind trailers',
    'H3_FRAME_UNEXPECTED',
    Buffer.concat([frame(FRAME.HEADERS, FIELD_SECTION), data('x')]),
  ],
  ['trailers without a prefix', 'QPACK_DECOMPRESSION_FAILED', frame(FRAME.HEADERS, Buffer.of(0))],
  [
    'trailers with an entry of the static table that is none',
    'QPACK_DECOMPRESSION_FAILED',
    frame(FRAME.HEADERS, Buffer.concat([Buffer.of(0, 0), integer(0xc0, 6, 99)])),
  ],
  [
    'trailers with an entry of the dynamic table that is none',
    'QPACK_DECOMPRESSION_FAILED',
    frame(FRAME.HEADERS, Buffer.of(0, 0, 0x80)),
  ],
  [
    'trailers cut within a name',
    'QPACK_DECOMPRESSION_FAILED',
    frame(FRAME.HEADERS, Buffer.of(0, 0, 0x23, 0x61)),
  ],
]

/** An origin towards our client. */
export const ORIGIN_FAULTS: readonly ConnectionFaultCase[] = [
  ...CONTROL_FAULTS,
  ...REQUEST_STREAM_FAULTS.map(([name, code, bytes]) => inAnswer(`${name} in an answer`, code, bytes)),
  {
    name: 'DATA before the head',
    code: 'H3_FRAME_UNEXPECTED',
    run: (peer, stream) => peer.send(stream, data('x')),
  },
  {
    name: 'an answer that ends within a frame',
    code: 'H3_FRAME_ERROR',
    run: (peer, stream) =>
      peer.send(stream, Buffer.concat([responseHeaders(), frame(FRAME.DATA, Buffer.from('x'), 10)]), true),
  },
  {
    name: 'an answer that ends within the length of a frame',
    code: 'H3_FRAME_ERROR',
    run: (peer, stream) => peer.send(stream, Buffer.concat([responseHeaders(), Buffer.of(0x00, 0x40)]), true),
  },
  inAnswer(
    'PUSH_PROMISE, though none was allowed',
    'H3_ID_ERROR',
    frame(FRAME.PUSH_PROMISE, Buffer.concat([varint(0), FIELD_SECTION])),
  ),
  onControl('MAX_PUSH_ID of a server', 'H3_FRAME_UNEXPECTED', frame(FRAME.MAX_PUSH_ID, varint(0))),
  onControl('PRIORITY_UPDATE of a server', 'H3_FRAME_UNEXPECTED', frame(FRAME.PRIORITY_UPDATE, varint(0))),
  ...[1, 2, 3].map(id =>
    onControl(`GOAWAY with ${id}, which is no request`, 'H3_ID_ERROR', frame(FRAME.GOAWAY, varint(id))),
  ),
  onControl(
    'GOAWAY with more than before',
    'H3_ID_ERROR',
    Buffer.concat([frame(FRAME.GOAWAY, varint(4)), frame(FRAME.GOAWAY, varint(8))]),
  ),
  {
    name: 'a push stream, though none was allowed',
    code: 'H3_ID_ERROR',
    run: peer => void peer.openUnidirectional(unidirectional(STREAM_TYPE.PUSH, varint(0))),
  },
]

/** A client towards our server. */
export const CLIENT_FAULTS: readonly ConnectionFaultCase[] = [
  ...CONTROL_FAULTS,
  ...REQUEST_STREAM_FAULTS.map(([name, code, bytes]) => ({
    name: `${name} in a request`,
    code,
    run: (peer: Http3Peer) =>
      void peer.openRequest(Buffer.concat([requestHeaders('/silent', [], 'POST'), bytes]), false),
  })),
  {
    name: 'DATA before the head',
    code: 'H3_FRAME_UNEXPECTED',
    run: peer => void peer.openRequest(data('x'), false),
  },
  {
    name: 'a request that ends within a frame',
    code: 'H3_FRAME_ERROR',
    run: peer =>
      void peer.openRequest(
        Buffer.concat([requestHeaders('/silent', [], 'POST'), frame(FRAME.DATA, Buffer.from('x'), 10)]),
      ),
  },
  {
    name: 'PUSH_PROMISE of a client',
    code: 'H3_FRAME_UNEXPECTED',
    run: peer =>
      void peer.openRequest(
        Buffer.concat([requestHeaders(), frame(FRAME.PUSH_PROMISE, Buffer.of(0, 0, 0))]),
        false,
      ),
  },
  {
    name: 'a push stream of a client',
    code: 'H3_STREAM_CREATION_ERROR',
    run: peer => void peer.openUnidirectional(unidirectional(STREAM_TYPE.PUSH, varint(0))),
  },
  onControl(
    'MAX_PUSH_ID with less than before',
    'H3_ID_ERROR',
    Buffer.concat([frame(FRAME.MAX_PUSH_ID, varint(5)), frame(FRAME.MAX_PUSH_ID, varint(4))]),
  ),
  onControl(
    'PRIORITY_UPDATE of what is no request',
    'H3_ID_ERROR',
    frame(FRAME.PRIORITY_UPDATE, Buffer.concat([varint(3), Buffer.from('u=1')])),
  ),
  onControl(
    'PRIORITY_UPDATE of a push that was never promised',
    'H3_ID_ERROR',
    frame(0xf0701, Buffer.concat([varint(0), Buffer.from('u=1')])),
  ),
]

function onControl(what: string, code: CodeName, bytes: Buffer): ConnectionFaultCase {
  return { name: `${what} on the control stream`, code, run: peer => peer.send(peer.controlStream, bytes) }
}

function withSettings(
  what: string,
  code: CodeName,
  values: readonly [id: number, value: number][],
): ConnectionFaultCase {
  return {
    name: `SETTINGS with ${what}`,
    code,
    isSilent: true,
    run: peer => void peer.openUnidirectional(unidirectional(STREAM_TYPE.CONTROL, settings(values))),
  }
}

function onEncoderStream(what: string, bytes: Buffer): ConnectionFaultCase {
  const run = (peer: Http3Peer): void =>
    void peer.openUnidirectional(unidirectional(STREAM_TYPE.QPACK_ENCODER, bytes))
  return { name: `${what} on the encoder stream`, code: 'QPACK_ENCODER_STREAM_ERROR', run }
}

function onDecoderStream(what: string, bytes: Buffer): ConnectionFaultCase {
  const run = (peer: Http3Peer): void =>
    void peer.openUnidirectional(unidirectional(STREAM_TYPE.QPACK_DECODER, bytes))
  return { name: `${what} on the decoder stream`, code: 'QPACK_DECODER_STREAM_ERROR', run }
}

function inAnswer(name: string, code: CodeName, bytes: Buffer): ConnectionFaultCase {
  return { name, code, run: (peer, stream) => peer.send(stream, Buffer.concat([responseHeaders(), bytes])) }
}

/**
 * A message that is malformed (RFC 9114 4.1.2), and stays without an end: its stream is broken off, and
 * nothing else.
 */
export interface MessageFaultCase {
  readonly name: string
  readonly bytes: Buffer
}

const FIELDS: readonly (readonly [what: string, name: string, value: string])[] = [
  ['a name in upper case', 'X-Upper', 'a'],
  ['a name with a space', 'x y', 'a'],
  ['an empty name', '', 'a'],
  ['a value with a line feed', 'x-y', 'a\nb'],
  ['a value with a NUL', 'x-y', 'a\0b'],
  ['connection', 'connection', 'close'],
  ['transfer-encoding', 'transfer-encoding', 'chunked'],
  ['keep-alive', 'keep-alive', 'timeout=5'],
  ['upgrade', 'upgrade', 'h2c'],
  ['a content-length that is no number', 'content-length', '1a'],
  ['an unknown pseudo-field', ':unknown', 'a'],
]

export const MALFORMED_ANSWERS: readonly MessageFaultCase[] = [
  { name: 'no status', bytes: headers(['x-only', 'a']) },
  { name: 'a status of words', bytes: headers([':status', 'fine']) },
  { name: 'two statuses', bytes: headers([':status', '200'], [':status', '200']) },
  { name: 'a status behind a field', bytes: headers(['x-first', 'a'], [':status', '200']) },
  { name: 'a pseudo-field of requests', bytes: headers([':status', '200'], [':path', '/']) },
  { name: '101', bytes: headers([':status', '101']) },
  ...FIELDS.map(([name, field, value]) => ({ name, bytes: responseHeaders(200, [[field, value]]) })),
  {
    name: 'more bytes than content-length says',
    bytes: Buffer.concat([responseHeaders(200, [['content-length', '1']]), data('xx')]),
  },
  { name: 'trailers with a status', bytes: Buffer.concat([responseHeaders(), headers([':status', '200'])]) },
]

export const MALFORMED_REQUESTS: readonly MessageFaultCase[] = [
  { name: 'no method', bytes: headers([':scheme', 'https'], [':authority', 'a'], [':path', '/']) },
  { name: 'no path', bytes: headers([':method', 'GET'], [':scheme', 'https'], [':authority', 'a']) },
  { name: 'no scheme', bytes: headers([':method', 'GET'], [':authority', 'a'], [':path', '/']) },
  { name: 'an empty path', bytes: requestHeaders('') },
  { name: 'no authority', bytes: headers([':method', 'GET'], [':scheme', 'https'], [':path', '/']) },
  { name: 'a status', bytes: requestHeaders('/', [[':status', '200']]) },
  {
    name: 'two methods',
    bytes: headers(
      [':method', 'GET'],
      [':method', 'GET'],
      [':scheme', 'https'],
      [':authority', 'a'],
      [':path', '/'],
    ),
  },
  { name: 'CONNECT with a path', bytes: requestHeaders('/', [], 'CONNECT') },
  ...FIELDS.map(([name, field, value]) => ({ name, bytes: requestHeaders('/', [[field, value]]) })),
  { name: 'te other than trailers', bytes: requestHeaders('/', [['te', 'gzip']]) },
  { name: 'a host that is not the authority', bytes: requestHeaders('/', [['host', 'other.test']]) },
]
