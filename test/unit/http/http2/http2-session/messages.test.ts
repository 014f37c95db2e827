import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../../src/base/errors.ts'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import type { OutgoingRequest } from '../../../../../src/http/multiplex/client-session.ts'
import {
  indexedLiteral,
  literals,
  requestBlock,
  responseBlock,
  statusOf,
  tableSize,
  type WireField,
} from '../../../../support/http2-fields.ts'
import { continuation, data, FLAG, headers, SETTING, settings, TYPE } from '../../../../support/http2-wire.ts'
import { GET, isAlive, POST, type Role, SessionRig, verdictOn } from './session-rig.ts'

const { END_HEADERS, END_STREAM } = FLAG
const END = END_HEADERS | END_STREAM

/** A client that waits for the answer to stream 1. */
function asked(request: OutgoingRequest = GET): SessionRig {
  const rig = new SessionRig('client')
  rig.open(request)
  rig.frames()
  return rig
}

const response = (...fields: readonly WireField[]): Buffer => literals(...fields)
const status = (code: number, ...fields: readonly WireField[]): Buffer => responseBlock(code, fields)
const length = (bytes: number | string): WireField => ['content-length', String(bytes)]

describe('a response (RFC 9113 8.1)', () => {
  it.each<[what: string, log: string[], frames: Buffer[]]>([
    ['a head alone', ['response 1 204', 'closed 1', 'end 1'], [headers(1, status(204), END)]],
    [
      'content',
      ['response 1 200', 'data 1 3', 'data 1 2', 'closed 1', 'end 1'],
      [headers(1, status(200, length(5))), data(1, 'abc'), data(1, 'de', END_STREAM)],
    ],
    [
      'an end of its own',
      ['response 1 200', 'data 1 3', 'closed 1', 'end 1'],
      [headers(1, status(200, length(3))), data(1, 'abc'), data(1, '', END_STREAM)],
    ],
    [
      'trailers',
      ['response 1 200', 'data 1 3', 'closed 1', 'end 1 x-sum 7'],
      [headers(1, status(200, length(3))), data(1, 'abc'), headers(1, literals(['x-sum', '7']), END)],
    ],
    [
      'trailers without content',
      ['response 1 200', 'closed 1', 'end 1 grpc-status 0'],
      [headers(1, status(200)), headers(1, literals(['grpc-status', '0']), END)],
    ],
    [
      'trailers of which nothing may be passed on',
      ['response 1 200', 'closed 1', 'end 1'],
      [headers(1, status(200)), headers(1, literals(['content-length', '5']), END)],
    ],
    [
      'informational ones before',
      ['response 1 100', 'response 1 103', 'response 1 103', 'response 1 200', 'closed 1', 'end 1'],
      [
        headers(1, status(100)),
        headers(1, status(103, ['link', '</a>'])),
        headers(1, status(103)),
        headers(1, status(200), END),
      ],
    ],
    [
      'a length that is not that of 304',
      ['response 1 304', 'closed 1', 'end 1'],
      [headers(1, status(304, length(500)), END)],
    ],
  ])('is accepted with %s', (_, log, frames) => {
    const rig = asked()
    for (const frame of frames) expect(verdictOn(rig, frame)).toBe('none')
    expect(rig.log()).toEqual(log)
    expect(rig.session.openStreams).toBe(0)
  })

  it.each<[rule: string, frames: Buffer[]]>([
    ['8.1: a 1xx ends the stream', [headers(1, status(103), END)]],
    ['8.1: 1xx behind the final head', [headers(1, status(200)), headers(1, status(103))]],
    ['8.1: 1xx behind the final head, as trailers', [headers(1, status(200)), headers(1, status(103), END)]],
    ['8.1: a second head', [headers(1, status(200)), headers(1, status(200))]],
    ['8.1: trailers that do not end the stream', [headers(1, status(200)), headers(1, literals(['x', '1']))]],
    [
      '8.1: a pseudo-field in trailers',
      [headers(1, status(200)), headers(1, literals([':status', '200']), END)],
    ],
    ['8.1: DATA before the head', [data(1, 'x')]],
    ['8.1: DATA between 1xx and the head', [headers(1, status(100)), data(1, 'x')]],
    ['8.1: an end without a head', [data(1, '', END_STREAM)]],
    ['8.6: 101', [headers(1, status(101))]],
    ['8.3.2: no status', [headers(1, response(['a', '1']))]],
    ['8.3.2: no fields at all', [headers(1, Buffer.alloc(0), END)]],
    ['8.3: a request', [headers(1, requestBlock())]],
    ['8.2.1: an upper-case name', [headers(1, status(200, ['Server', 'x']))]],
    ['8.2.1: a value with a line in it', [headers(1, status(200, ['x', 'a\r\nb: c']))]],
    ['8.2.2: Transfer-Encoding', [headers(1, status(200, ['transfer-encoding', 'chunked']))]],
    ['8.1.1: more content than promised', [headers(1, status(200, length(2))), data(1, 'abc')]],
    ['8.1.1: more, in pieces', [headers(1, status(200, length(2))), data(1, 'ab'), data(1, 'c')]],
    ['8.1.1: less content than promised', [headers(1, status(200, length(4))), data(1, 'abc', END_STREAM)]],
    ['8.1.1: none of it', [headers(1, status(200, length(4)), END)]],
    [
      '8.1.1: less, before trailers',
      [headers(1, status(200, length(4))), data(1, 'abc'), headers(1, literals(['x', '1']), END)],
    ],
    ['8.1.1: some where none was promised', [headers(1, status(200, length(0))), data(1, 'a')]],
    ['8.1.1: two lengths', [headers(1, status(200, length(1), length(2)))]],
    ['8.1.1: a length that is none', [headers(1, status(200, length('5x')))]],
    ['RFC 9110 8.6: 204 with a length', [headers(1, status(204, length(5)))]],
    ['RFC 9110 15.3.5: 204 with content', [headers(1, status(204)), data(1, 'a')]],
    ['RFC 9110 15.4.5: 304 with content', [headers(1, status(304)), data(1, 'a')]],
  ])('is broken by PROTOCOL_ERROR of its stream: %s', (_, frames) => {
    const rig = asked()
    const last = frames.at(-1)!
    for (const frame of frames.slice(0, -1)) expect(verdictOn(rig, frame)).toBe('none')
    rig.log()
    expect(verdictOn(rig, last)).toBe('stream 1 PROTOCOL_ERROR')
    expect(rig.log().filter(line => !line.startsWith('data'))).toEqual([
      'closed 1 failed',
      'reset 1 PROTOCOL_ERROR broken',
    ])
    expect(isAlive(rig)).toBe(true)
  })

  it('to HEAD has no content, whatever its length says', () => {
    const rig = asked({ ...GET, method: 'HEAD' })
    expect(verdictOn(rig, headers(1, status(200, length(500)), END))).toBe('none')
    expect(rig.log()).toEqual(['response 1 200', 'closed 1', 'end 1'])
    const chatty = asked({ ...GET, method: 'HEAD' })
    expect(verdictOn(chatty, headers(1, status(200)), data(1, 'a'))).toBe('stream 1 PROTOCOL_ERROR')
    const empty = asked({ ...GET, method: 'HEAD' })
    expect(verdictOn(empty, headers(1, status(200, length(5))), data(1, '', END_STREAM))).toBe('none')
  })

  it('to CONNECT begins a tunnel, whose bytes no length counts (RFC 9110 9.3.6)', () => {
    const rig = new SessionRig('client')
    rig.open({ ...GET, method: 'CONNECT', authority: 'a.test:443', scheme: '', path: '' }, false)
    expect(verdictOn(rig, headers(1, status(200, length(1))), data(1, 'abc'))).toBe('none')
    expect(rig.bodies.get(1)).toBe('abc')
    // A refusal is an ordinary response.
    rig.open({ ...GET, method: 'CONNECT', authority: 'a.test:443', scheme: '', path: '' }, false)
    expect(verdictOn(rig, headers(3, status(403, length(1))), data(3, 'abc'))).toBe('stream 3 PROTOCOL_ERROR')
  })

  it('above the limit on fields breaks its stream, and HPACK stays in step', () => {
    const rig = new SessionRig('client', { maxHeaderBytes: 200, maxHeaderCount: 3 })
    for (const [id, large] of [
      [1, [['x', 'y'.repeat(300)]]],
      [
        3,
        [
          ['a', '1'],
          ['b', '2'],
          ['c', '3'],
          ['d', '4'],
        ],
      ],
    ] as const) {
      rig.open()
      rig.log()
      expect(
        verdictOn(
          rig,
          headers(id, Buffer.concat([status(200, ...large), indexedLiteral('x-in', 'step')]), END),
        ),
      ).toMatch(new RegExp(`^stream ${id} `))
      expect(rig.log()).toEqual([
        'defence maxHeaderBytes',
        `closed ${id} failed`,
        expect.stringMatching(new RegExp(`^reset ${id} \\w+ limit$`)),
      ])
    }
    rig.open()
    rig.receive(headers(5, Buffer.concat([status(200), Buffer.from([0xbe])]), END))
    expect(rig.log()).toEqual(['response 5 200', 'closed 5', 'end 5'])
  })
})

describe('a request (RFC 9113 8.1)', () => {
  const server = () => new SessionRig('server')

  it.each<[what: string, log: string[], frames: Buffer[]]>([
    ['a head alone', ['request 1 GET / end'], [headers(1, requestBlock(), END)]],
    [
      'content',
      ['request 1 POST /', 'data 1 3', 'end 1'],
      [headers(1, requestBlock('/', [length(3)], 'POST')), data(1, 'abc', END_STREAM)],
    ],
    [
      'trailers',
      ['request 1 POST /', 'data 1 3', 'end 1 x-sum 7'],
      [headers(1, requestBlock('/', [], 'POST')), data(1, 'abc'), headers(1, literals(['x-sum', '7']), END)],
    ],
    [
      'extended CONNECT (RFC 8441 4)',
      ['request 1 CONNECT /chat', 'data 1 5'],
      [
        headers(
          1,
          literals(
            [':method', 'CONNECT'],
            [':protocol', 'websocket'],
            [':scheme', 'http'],
            [':path', '/chat'],
            [':authority', 'a.test'],
          ),
        ),
        data(1, 'frame'),
      ],
    ],
  ])('is accepted with %s', (_, log, frames) => {
    const rig = server()
    for (const frame of frames) expect(verdictOn(rig, frame)).toBe('none')
    expect(rig.log()).toEqual(log)
  })

  it.each<[rule: string, frames: Buffer[]]>([
    ['8.3.1: no path', [headers(1, literals([':method', 'GET'], [':scheme', 'http']), END)]],
    ['8.3.1: a path that is none', [headers(1, requestBlock('x'), END)]],
    ['8.3: a response', [headers(1, responseBlock(), END)]],
    ['8.2.1: an upper-case name', [headers(1, requestBlock('/', [['X-Up', '1']]), END)]],
    ['8.2.2: Connection', [headers(1, requestBlock('/', [['connection', 'close']]), END)]],
    ['8.3.1: a Host that differs', [headers(1, requestBlock('/', [['host', 'b.test']]), END)]],
    ['8.1.1: less content than promised', [headers(1, requestBlock('/', [length(4)], 'POST'), END)]],
    ['8.1.1: two lengths', [headers(1, requestBlock('/', [length(4), length(5)], 'POST'))]],
  ])('that is malformed is reported to nobody: %s', (_, frames) => {
    const rig = server()
    expect(verdictOn(rig, ...frames)).toBe('stream 1 PROTOCOL_ERROR')
    expect(rig.log()).toEqual([])
    expect(isAlive(rig)).toBe(true)
  })

  it.each<[rule: string, frames: Buffer[]]>([
    ['8.1.1: more content than promised', [data(1, 'abcde')]],
    ['8.1.1: less', [data(1, 'abc', END_STREAM)]],
    ['8.1.1: less, before trailers', [data(1, 'abc'), headers(1, literals(['x', '1']), END)]],
    ['8.1: trailers that do not end the stream', [headers(1, literals(['x', '1']))]],
    ['8.1: a second request', [headers(1, requestBlock(), END)]],
  ])('that breaks later is reported: %s', (_, frames) => {
    const rig = server()
    rig.receive(headers(1, requestBlock('/', [length(4)], 'POST')))
    rig.log()
    expect(verdictOn(rig, ...frames)).toBe('stream 1 PROTOCOL_ERROR')
    expect(rig.log().filter(line => !line.startsWith('data'))).toEqual([
      'closed 1 failed',
      'reset 1 PROTOCOL_ERROR broken',
    ])
  })

  it('with :protocol that was not offered is malformed (RFC 8441 3)', () => {
    const rig = new SessionRig('server', { enableConnectProtocol: false })
    const block = literals(
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'http'],
      [':path', '/'],
      [':authority', 'a.test'],
    )
    expect(verdictOn(rig, headers(1, block))).toBe('stream 1 PROTOCOL_ERROR')
  })

  it('above maxConcurrentStreams is refused, so that it can be sent again (5.1.2)', () => {
    const rig = new SessionRig('server', { options: { maxConcurrentStreams: 2 } })
    for (const id of [1, 3]) expect(verdictOn(rig, headers(id, requestBlock(), END))).toBe('none')
    expect(verdictOn(rig, headers(5, requestBlock()))).toBe('stream 5 REFUSED_STREAM')
    expect(rig.log()).toEqual(['request 1 GET / end', 'request 3 GET / end', 'defence maxConcurrentStreams'])
    // Its content is on its way, and harmless.
    expect(verdictOn(rig, data(5, 'abc', END_STREAM))).toBe('none')
    rig.stream(1).respond(200, NO_HEADERS, true)
    expect(verdictOn(rig, headers(7, requestBlock(), END))).toBe('none')
    expect(rig.log()).toEqual(['closed 1', 'request 7 GET / end'])
  })

  it('above the limit on fields is answered with 431 (RFC 6585 5)', () => {
    const rig = new SessionRig('server', {
      maxHeaderBytes: 200,
      peerSettings: { [SETTING.HEADER_TABLE_SIZE]: 0 },
    })
    rig.receive(headers(1, requestBlock('/', [['x', 'y'.repeat(300)]]), END_HEADERS))
    const [head, reset] = rig.wire()
    expect(head).toMatchObject({ type: TYPE.HEADERS, streamId: 1, flags: END })
    expect(statusOf(head!.payload)).toBe(431)
    expect(reset).toMatchObject({ type: TYPE.RST_STREAM, streamId: 1 })
    expect(rig.log()).toEqual(['defence maxHeaderBytes'])
    expect(verdictOn(rig, data(1, 'on its way', END_STREAM))).toBe('none')
    expect(verdictOn(rig, headers(3, requestBlock(), END))).toBe('none')
    expect(rig.log()).toEqual(['request 3 GET / end'])
  })

  it('with a block far above the limit ends the connection, and its compressed bytes are not gathered', () => {
    const rig = new SessionRig('server', { maxHeaderBytes: 1000, options: { maxContinuations: 1000 } })
    const part = Buffer.alloc(10_000)
    expect(verdictOn(rig, headers(1, part, 0), continuation(1, part))).toBe('connection ENHANCE_YOUR_CALM')
    expect(rig.log().filter(line => line.startsWith('defence'))).toEqual(['defence maxHeaderBytes'])
  })
})

describe('a request or response that we send (RFC 9113 8)', () => {
  it.each<[string, Partial<OutgoingRequest>]>([
    ['a field with a line in it', { headers: ['x', 'a\r\nb: c'] }],
    ['a name that is no token', { headers: ['x y', '1'] }],
    ['a name in upper case', { headers: ['X', '1'] }],
    ['a pseudo-field among the fields', { headers: [':path', '/other'] }],
    ['a field of the connection', { headers: ['connection', 'close'] }],
    ['Transfer-Encoding', { headers: ['transfer-encoding', 'chunked'] }],
    ['a path with a line in it', { path: '/a\r\nb' }],
    ['a method that is no token', { method: 'G T' }],
    ['an empty method', { method: '' }],
    ['a path with a space in it', { path: '/ HTTP/1.1' }],
    ['a path with a fragment', { path: '/a#b' }],
    ['a path that is relative', { path: 'a' }],
    ['an empty path', { path: '' }],
    ['* for another method than OPTIONS', { path: '*' }],
    ['an authority with a line in it', { authority: 'a\r\nb' }],
    ['an authority with userinfo', { authority: 'u@a' }],
    ['no authority', { authority: '' }],
    ['a scheme that is none', { scheme: 'ht tp' }],
    ['a protocol without CONNECT', { protocol: 'websocket' }],
    ['a protocol that is none', { method: 'CONNECT', protocol: 'web socket' }],
    ['CONNECT to no port', { method: 'CONNECT' }],
  ])('never has %s, since open() refuses it and writes nothing', (_, change) => {
    const rig = new SessionRig('client')
    expect(() => rig.open({ ...GET, headers: ['x-table', 'entry'], ...change })).toThrow(TransportError)
    expect(rig.session.outputBytes).toBe(0)
    expect(rig.session.openStreams).toBe(0)
    expect(rig.open().id).toBe(1)
  })

  it('uses CONTINUATION frames when its head is larger than a frame of the peer (6.10)', () => {
    const rig = new SessionRig('client')
    rig.open({ ...GET, headers: ['x', 'y'.repeat(60_000)] })
    const frames = rig.wire()
    expect(frames.length).toBeGreaterThan(2)
    expect(frames.map(({ type }) => type)).toEqual([
      TYPE.HEADERS,
      ...frames.slice(1).map(() => TYPE.CONTINUATION),
    ])
    expect(frames.every(({ payload }) => payload.length <= 16_384)).toBe(true)
    expect(frames[0]?.flags).toBe(END_STREAM)
    expect(frames.map(({ flags }) => flags & END_HEADERS)).toEqual([
      ...frames.slice(1).map(() => 0),
      END_HEADERS,
    ])
  })

  it('begins each stream with the next odd number (5.1.1)', () => {
    const rig = new SessionRig('client')
    expect([rig.open().id, rig.open().id, rig.open().id]).toEqual([1, 3, 5])
  })

  it('stops at the last number, and reports that before', () => {
    const rig = new SessionRig('client', { firstStreamId: 2 ** 31 - 3 })
    expect(rig.open().id).toBe(2 ** 31 - 3)
    expect(rig.session.capacity).toBeGreaterThan(0)
    expect(rig.open().id).toBe(2 ** 31 - 1)
    expect(rig.log()).toContain('exhausted')
    expect(rig.session.capacity).toBe(0)
    expect(() => rig.open()).toThrow(TransportError)
    rig.receive(headers(2 ** 31 - 1, responseBlock(), END))
    expect(rig.log()).toContain('response 2147483647 200')
  })

  it('has 1xx, then a head, content and trailers', () => {
    const rig = new SessionRig('server', { peerSettings: { [SETTING.HEADER_TABLE_SIZE]: 0 } })
    rig.receive(headers(1, requestBlock(), END))
    const stream = rig.stream(1)
    stream.respond(103, ['link', '</a>'], false)
    stream.respond(200, ['x', '1'], false)
    stream.write(Buffer.from('abc'), chunk => chunk)
    stream.end(['x-sum', '7'])
    const frames = rig.wire()
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [TYPE.HEADERS, END_HEADERS],
      [TYPE.HEADERS, END_HEADERS],
      [TYPE.DATA, 0],
      [TYPE.HEADERS, END],
    ])
    expect([frames[0], frames[1]].map(frame => statusOf(frame!.payload))).toEqual([103, 200])
    expect(rig.log().at(-1)).toBe('closed 1')
  })

  it.each<Role>(['client', 'server'])(
    'of a %s obeys a table size of 0, and announces it in the next block (RFC 7541 4.2)',
    role => {
      const rig = new SessionRig(role)
      const send = (id: number): Buffer => {
        if (role === 'client') rig.open({ ...GET, headers: ['x-repeated', 'value'] })
        else {
          rig.receive(headers(id, requestBlock(), END))
          rig.stream(id).respond(200, ['x-repeated', 'value'], true)
        }
        return rig.wire().find(({ type }) => type === TYPE.HEADERS)!.payload
      }
      // An entry may be made at the second or third time only.
      for (const id of [1, 3, 5]) send(id)
      const indexed = send(7)
      rig.receive(settings({ [SETTING.HEADER_TABLE_SIZE]: 0 }))
      rig.frames()
      const literal = send(9)
      expect(literal.subarray(0, 1)).toEqual(tableSize(0))
      expect(literal.length).toBeGreaterThan(indexed.length)
      expect(send(11).length).toBeGreaterThan(indexed.length)
    },
  )

  it('without content ends in its head or in an empty frame', () => {
    const rig = new SessionRig('client')
    rig.open(POST)
    const stream = rig.open(POST, false)
    stream.end(NO_HEADERS)
    const ends = rig.wire().filter(({ flags }) => (flags & END_STREAM) !== 0)
    expect(ends.map(({ streamId }) => streamId)).toEqual([1, 3])
    expect(stream.isSendOpen).toBe(false)
  })
})
