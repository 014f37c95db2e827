import { describe, expect, it } from 'vitest'
import { requestBlock, responseBlock } from '../../../../support/http2-fields.ts'
import {
  continuation,
  data,
  FLAG,
  frame,
  headers,
  PREFACE,
  pushPromise,
  SETTINGS_ACK,
  settings,
  TYPE,
  uint32,
} from '../../../../support/http2-wire.ts'
import { GET, isAlive, type Role, SessionRig, type Verdict, verdictOn } from './session-rig.ts'

const ROLES: Role[] = ['client', 'server']
const { END_HEADERS, END_STREAM, PADDED } = FLAG
const PRIORITY_UPDATE = 0x10

const bytes = (length: number): Buffer => Buffer.alloc(length)

/** A session with stream 1 open in both directions, its request (server) or response (client) begun. */
function opened(role: Role): SessionRig {
  const rig = new SessionRig(role)
  if (role === 'server') rig.receive(headers(1, requestBlock('/', [], 'POST')))
  else {
    rig.open(GET, false)
    rig.receive(headers(1, responseBlock()))
  }
  rig.frames()
  rig.log()
  return rig
}

/** Each row: a rule, its section in RFC 9113, the bytes, and what both roles must say. */
const ROWS: [rule: string, verdict: Verdict | Record<Role, Verdict>, ...bytes: Buffer[]][] = [
  // Length
  [
    '4.2: a frame above SETTINGS_MAX_FRAME_SIZE',
    'connection FRAME_SIZE_ERROR',
    frame(TYPE.DATA, 0, 1, bytes(16_385)),
  ],
  ['4.2: its header is enough', 'connection FRAME_SIZE_ERROR', frame(TYPE.DATA, 0, 1, bytes(0), 16_385)],
  [
    '4.2: also of a type that nobody knows',
    'connection FRAME_SIZE_ERROR',
    frame(0xee, 0, 0, bytes(0), 2 ** 24 - 1),
  ],
  ['4.2: the largest is taken', 'none', data(1, bytes(16_384))],
  ['6.3: PRIORITY of 4 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.PRIORITY, 0, 1, bytes(4))],
  ['6.3: PRIORITY of 6 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.PRIORITY, 0, 1, bytes(6))],
  ['6.4: RST_STREAM of 3 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.RST_STREAM, 0, 1, bytes(3))],
  ['6.4: RST_STREAM of 5 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.RST_STREAM, 0, 1, bytes(5))],
  ['6.5: SETTINGS of 5 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.SETTINGS, 0, 0, bytes(5))],
  ['6.5: SETTINGS of 7 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.SETTINGS, 0, 0, bytes(7))],
  [
    '6.5: an acknowledgement with settings',
    'connection FRAME_SIZE_ERROR',
    frame(TYPE.SETTINGS, FLAG.ACK, 0, bytes(6)),
  ],
  ['6.7: PING of 7 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.PING, 0, 0, bytes(7))],
  ['6.7: PING of 9 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.PING, FLAG.ACK, 0, bytes(9))],
  ['6.8: GOAWAY of 7 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.GOAWAY, 0, 0, bytes(7))],
  ['6.9: WINDOW_UPDATE of 3 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.WINDOW_UPDATE, 0, 1, bytes(3))],
  ['6.9: WINDOW_UPDATE of 5 bytes', 'connection FRAME_SIZE_ERROR', frame(TYPE.WINDOW_UPDATE, 0, 0, bytes(5))],
  [
    'RFC 9218 7.1: PRIORITY_UPDATE of 3 bytes',
    'connection FRAME_SIZE_ERROR',
    frame(PRIORITY_UPDATE, 0, 0, bytes(3)),
  ],
  // Place
  ['6.1: DATA on stream 0', 'connection PROTOCOL_ERROR', frame(TYPE.DATA, 0, 0, bytes(1))],
  ['6.2: HEADERS on stream 0', 'connection PROTOCOL_ERROR', headers(0, responseBlock())],
  ['6.3: PRIORITY on stream 0', 'connection PROTOCOL_ERROR', frame(TYPE.PRIORITY, 0, 0, bytes(5))],
  ['6.4: RST_STREAM on stream 0', 'connection PROTOCOL_ERROR', frame(TYPE.RST_STREAM, 0, 0, bytes(4))],
  ['6.5: SETTINGS on a stream', 'connection PROTOCOL_ERROR', frame(TYPE.SETTINGS, 0, 1)],
  ['6.5: an acknowledgement on a stream', 'connection PROTOCOL_ERROR', frame(TYPE.SETTINGS, FLAG.ACK, 1)],
  [
    '6.6: PUSH_PROMISE on stream 0',
    'connection PROTOCOL_ERROR',
    frame(TYPE.PUSH_PROMISE, END_HEADERS, 0, bytes(4)),
  ],
  ['6.6: PUSH_PROMISE that was switched off', 'connection PROTOCOL_ERROR', pushPromise(1, 2, requestBlock())],
  ['6.7: PING on a stream', 'connection PROTOCOL_ERROR', frame(TYPE.PING, 0, 1, bytes(8))],
  ['6.8: GOAWAY on a stream', 'connection PROTOCOL_ERROR', frame(TYPE.GOAWAY, 0, 1, bytes(8))],
  ['6.10: CONTINUATION on stream 0', 'connection PROTOCOL_ERROR', continuation(0, bytes(0), END_HEADERS)],
  [
    'RFC 9218 7.1: PRIORITY_UPDATE on a stream',
    'connection PROTOCOL_ERROR',
    frame(PRIORITY_UPDATE, 0, 1, bytes(8)),
  ],
  [
    'RFC 9218 7.1: PRIORITY_UPDATE is for servers',
    { client: 'connection PROTOCOL_ERROR', server: 'none' },
    frame(PRIORITY_UPDATE, 0, 0, uint32(1)),
  ],
  // Padding
  ['6.1: DATA that is all padding', 'none', frame(TYPE.DATA, PADDED, 1, Buffer.from([3, 0, 0, 0]))],
  [
    '6.1: as much padding as payload',
    'connection PROTOCOL_ERROR',
    frame(TYPE.DATA, PADDED, 1, Buffer.from([4, 0, 0, 0])),
  ],
  ['6.1: a pad length alone', 'none', frame(TYPE.DATA, PADDED, 1, Buffer.from([0]))],
  [
    '6.1: a pad length alone that promises more',
    'connection PROTOCOL_ERROR',
    frame(TYPE.DATA, PADDED, 1, Buffer.from([1])),
  ],
  ['6.1: padded without a pad length', 'connection FRAME_SIZE_ERROR', frame(TYPE.DATA, PADDED, 1)],
  [
    '6.2: as much padding as payload in HEADERS',
    'connection PROTOCOL_ERROR',
    headers(1, Buffer.from([3, 0, 0]), END_HEADERS | PADDED),
  ],
  [
    '6.2: HEADERS padded without a pad length',
    'connection FRAME_SIZE_ERROR',
    headers(1, bytes(0), END_HEADERS | PADDED),
  ],
  [
    '6.2: HEADERS too short for its priority',
    'connection FRAME_SIZE_ERROR',
    headers(1, bytes(4), END_HEADERS | FLAG.PRIORITY),
  ],
  [
    '6.2: too short for both',
    'connection FRAME_SIZE_ERROR',
    headers(1, bytes(5), END_HEADERS | FLAG.PRIORITY | PADDED),
  ],
  // Field blocks
  ['6.10: CONTINUATION without HEADERS', 'connection PROTOCOL_ERROR', continuation(1, bytes(0), END_HEADERS)],
  [
    '6.10: CONTINUATION behind END_HEADERS',
    'connection PROTOCOL_ERROR',
    headers(1, bytes(0), END_HEADERS | END_STREAM),
    continuation(1, bytes(0), END_HEADERS),
  ],
  ['6.10: DATA within a field block', 'connection PROTOCOL_ERROR', headers(1, bytes(0), 0), data(1, 'x')],
  [
    '6.10: PING within a field block',
    'connection PROTOCOL_ERROR',
    headers(1, bytes(0), 0),
    frame(TYPE.PING, 0, 0, bytes(8)),
  ],
  [
    '6.10: an unknown frame within a field block',
    'connection PROTOCOL_ERROR',
    headers(1, bytes(0), 0),
    frame(0xee, 0, 1),
  ],
  [
    '6.10: HEADERS within a field block',
    'connection PROTOCOL_ERROR',
    headers(1, bytes(0), 0),
    headers(1, bytes(0)),
  ],
  [
    '6.10: CONTINUATION of another stream',
    'connection PROTOCOL_ERROR',
    headers(1, bytes(0), 0),
    continuation(3, bytes(0), END_HEADERS),
  ],
  [
    '6.10: CONTINUATION on stream 0 within',
    'connection PROTOCOL_ERROR',
    headers(1, bytes(0), 0),
    continuation(0, bytes(0), END_HEADERS),
  ],
  [
    '4.3: a block that is no HPACK',
    'connection COMPRESSION_ERROR',
    headers(1, Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff])),
  ],
  ['4.3: an index that is in no table', 'connection COMPRESSION_ERROR', headers(1, Buffer.from([0xbe]))],
  [
    '4.3: a block that ends within a field',
    'connection COMPRESSION_ERROR',
    headers(1, Buffer.from([0x00, 0x05, 0x61])),
  ],
  // Extensions
  ['4.1: an unknown frame on the connection', 'none', frame(0xee, 0xff, 0, bytes(100))],
  ['4.1: an unknown frame on an idle stream', 'none', frame(0xee, 0xff, 99, bytes(100))],
  [
    '5.5: the types between those that we know',
    'none',
    frame(0xb, 0, 0),
    frame(0xd, 0, 1),
    frame(0xe, 0, 0),
    frame(0xf, 0, 1),
  ],
  [
    '4.1: flags that mean nothing',
    'none',
    frame(TYPE.PING, 0xfe, 0, bytes(8)),
    frame(TYPE.WINDOW_UPDATE, 0xff, 0, uint32(1)),
  ],
  ['4.1: the reserved bit of a stream id', 'none', data(0x8000_0001, 'x')],
  ['6.9: the reserved bit of an increment', 'none', frame(TYPE.WINDOW_UPDATE, 0, 1, uint32(0x8000_0001))],
  [
    '6.3: a stream that depends on itself',
    'none',
    frame(TYPE.PRIORITY, 0, 1, Buffer.concat([uint32(1), bytes(1)])),
  ],
  [
    '6.3: PRIORITY on an idle stream',
    'none',
    frame(TYPE.PRIORITY, 0, 99, bytes(5)),
    frame(TYPE.PRIORITY, 0, 98, bytes(5)),
  ],
  ['RFC 7838 4: an ALTSVC that is cut off', 'none', frame(0xa, 0, 0, bytes(1))],
  ['RFC 8336 2: an ORIGIN that is cut off', 'none', frame(0xc, 0, 0, bytes(1))],
]

describe.each(ROLES)('a %s that receives a frame', role => {
  it.each(ROWS)('reacts to %s with %j', (_, verdict, ...frames) => {
    const rig = opened(role)
    const expected = typeof verdict === 'string' ? verdict : verdict[role]
    expect(verdictOn(rig, ...frames)).toBe(expected)
    if (expected === 'none') expect(isAlive(rig)).toBe(true)
    else {
      expect(rig.log().at(-1)).toBe(`over ${expected.split(' ')[1]} peer`)
      expect(rig.session.outputBytes).toBe(0)
      rig.receive(data(1, 'more'))
      expect(rig.log()).toEqual([])
    }
  })

  it.each(ROWS)('reacts to %s byte by byte as well', (_, verdict, ...frames) => {
    const rig = opened(role)
    for (const byte of Buffer.concat(frames)) rig.receive(Buffer.from([byte]))
    const expected = typeof verdict === 'string' ? verdict : verdict[role]
    if (expected === 'none') expect(isAlive(rig)).toBe(true)
    else expect(rig.frames().at(-1)).toMatch(new RegExp(`^GOAWAY \\d+ ${expected.split(' ')[1]}$`))
  })

  it('ignores padding and priority of HEADERS, which are no part of the block (6.2)', () => {
    const rig = opened(role)
    const block = role === 'client' ? responseBlock(204) : requestBlock('/padded')
    const id = 3
    if (role === 'client') rig.open()
    rig.receive(
      headers(
        id,
        Buffer.concat([Buffer.from([7]), uint32(0x8000_0003), Buffer.from([255]), block, bytes(7)]),
        END_HEADERS | PADDED | FLAG.PRIORITY | END_STREAM,
      ),
    )
    expect(rig.log()[0]).toBe(role === 'client' ? 'response 3 204' : 'request 3 GET /padded end')
  })

  it('reads a block as one, in however many frames (6.10)', () => {
    const rig = opened(role)
    const block = role === 'client' ? responseBlock(200, [['x-a', 'b']]) : requestBlock('/parts')
    if (role === 'client') rig.open()
    rig.receive(headers(3, block.subarray(0, 1), END_STREAM))
    rig.receive(continuation(3, block.subarray(1, 5)), continuation(3, bytes(0)))
    expect(rig.log()).toEqual([])
    rig.receive(continuation(3, block.subarray(5), END_HEADERS))
    expect(rig.log()[0]).toBe(role === 'client' ? 'response 3 200' : 'request 3 GET /parts end')
  })

  it('names the last stream of the peer in its GOAWAY, and breaks what is open (5.4.1)', () => {
    const rig = opened(role)
    rig.receive(frame(TYPE.PING, 0, 1, bytes(8)))
    expect(rig.frames()).toEqual([`GOAWAY ${role === 'server' ? 1 : 0} PROTOCOL_ERROR`])
    expect(rig.log()).toEqual([
      'ending',
      'closed 1 failed',
      'reset 1 PROTOCOL_ERROR session',
      'over PROTOCOL_ERROR peer',
    ])
    expect(rig.session).toMatchObject({
      capacity: 0,
      openStreams: 0,
      nextTimeoutAt: Number.POSITIVE_INFINITY,
    })
  })
})

describe('as the first thing on a connection (RFC 9113 3.4)', () => {
  it.each<[string, string]>([
    ['HTTP/1.1', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['one wrong byte', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'],
    ['frames without a preface', settings().toString('latin1')],
  ])('a server refuses %s', (_, text) => {
    for (const pieces of [[text], text.split('')]) {
      const rig = new SessionRig('server', { handshake: false })
      rig.frames()
      for (const piece of pieces) rig.receive(Buffer.from(piece, 'latin1'))
      expect(rig.frames()).toEqual(['GOAWAY 0 PROTOCOL_ERROR'])
      expect(rig.log()).toEqual(['ending', 'over PROTOCOL_ERROR peer'])
      expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
    }
  })

  it.each<[Role, Buffer]>([
    ['server', PREFACE],
    ['client', Buffer.alloc(0)],
  ])('a %s requires SETTINGS as the first frame', (role, preface) => {
    for (const first of [
      frame(TYPE.PING, 0, 0, bytes(8)),
      frame(0xee, 0, 0),
      frame(TYPE.WINDOW_UPDATE, 0, 0, uint32(1)),
    ]) {
      const rig = new SessionRig(role, { handshake: false })
      expect(verdictOn(rig, preface, first)).toBe('connection PROTOCOL_ERROR')
    }
    const rig = new SessionRig(role, { handshake: false })
    expect(verdictOn(rig, preface, settings(), SETTINGS_ACK)).toBe('none')
    expect(isAlive(rig)).toBe(true)
  })

  it('a client sends its preface, then SETTINGS without push, before all else', () => {
    const rig = new SessionRig('client', { handshake: false })
    const [first, ...others] = rig.wire()
    expect(first).toMatchObject({ type: TYPE.SETTINGS, flags: 0, streamId: 0 })
    expect(first?.payload.toString('hex')).toContain('000200000000')
    expect(others.map(({ type }) => type)).toEqual([TYPE.WINDOW_UPDATE])
  })

  it('a server sends SETTINGS at once, without waiting for the preface', () => {
    const rig = new SessionRig('server', { handshake: false, enableConnectProtocol: true })
    const [first] = rig.wire()
    expect(first).toMatchObject({ type: TYPE.SETTINGS, flags: 0, streamId: 0 })
    expect(first?.payload.toString('hex')).toContain('000800000001')
  })
})
