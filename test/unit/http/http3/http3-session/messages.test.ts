import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import {
  data,
  FRAME,
  fieldSection,
  frame,
  headers,
  integer,
  requestHeaders,
  responseHeaders,
  settings,
  varint,
} from '../../../../support/http3-wire.ts'
import { GET, POST, ROLES, type Role, SessionRig } from './session-rig.ts'

const TRAILERS = headers(['x-sum', '1'])
const POST_HEAD = requestHeaders('/', [], 'POST')
const PUSH_PROMISE = frame(FRAME.PUSH_PROMISE, Buffer.concat([varint(0), fieldSection()]))

type State = 'head' | 'body' | 'trailers' | 'tunnel'

/** A session whose stream 0 has read so much of a message. */
function inState(role: Role, state: State): SessionRig {
  const rig = new SessionRig(role)
  const connect = [
    [':method', 'CONNECT'],
    [':authority', 'a.test:443'],
  ] as const
  if (role === 'client')
    rig.open(state === 'tunnel' ? { ...GET, method: 'CONNECT', authority: 'a.test:443' } : POST, false)
  if (state === 'head') return rig
  const head = role === 'client' ? responseHeaders() : state === 'tunnel' ? headers(...connect) : POST_HEAD
  rig.receive(0, state === 'trailers' ? Buffer.concat([head, TRAILERS]) : head)
  rig.log()
  return rig
}

const FRAMES = {
  DATA: data('abc'),
  HEADERS: TRAILERS,
  PUSH_PROMISE,
  CANCEL_PUSH: frame(FRAME.CANCEL_PUSH, varint(0)),
  SETTINGS: settings(),
  GOAWAY: frame(FRAME.GOAWAY, varint(0)),
  MAX_PUSH_ID: frame(FRAME.MAX_PUSH_ID, varint(0)),
  PRIORITY_UPDATE: frame(FRAME.PRIORITY_UPDATE, Buffer.from('\0u=1')),
  'type 2 of HTTP/2': frame(0x02),
  'type 6 of HTTP/2': frame(0x06),
  'type 8 of HTTP/2': frame(0x08),
  'type 9 of HTTP/2': frame(0x09),
  ORIGIN: frame(0x0c),
  grease: frame(0x1f * 7 + 0x21, Buffer.from('xyz')),
} as const

const BAD = 'connection H3_FRAME_UNEXPECTED'
/** RFC 9114 4.1, 4.4, 7.2: `head` takes HEADERS, which are no trailers then. */
const TAKEN: Readonly<Record<State, readonly string[]>> = {
  head: [],
  body: ['DATA', 'HEADERS'],
  trailers: [],
  tunnel: ['DATA'],
}

describe('of the frames on a request stream (RFC 9114 4.1, 7.2),', () => {
  const rows = ROLES.flatMap(role =>
    (['head', 'body', 'trailers', 'tunnel'] as const).flatMap(state =>
      Object.keys(FRAMES).map(name => ({ role, state, name: name as keyof typeof FRAMES })),
    ),
  ).filter(({ state, name }) => state !== 'head' || name !== 'HEADERS')

  it.each(rows)('a $role accepts or refuses $name at $state by the table', ({ role, state, name }) => {
    const rig = inState(role, state)
    rig.receive(0, FRAMES[name])
    if (name === 'ORIGIN' || name === 'grease') expect(rig.verdict()).toBe('none')
    else if (name === 'PUSH_PROMISE' && role === 'client')
      expect(rig.verdict()).toBe('connection H3_ID_ERROR')
    else expect(rig.verdict()).toBe(TAKEN[state].includes(name) ? 'none' : BAD)
    if (name === 'DATA' && rig.verdict() === 'none') expect(rig.bodies.get(0)).toBe('abc')
  })

  it.each(ROLES)('a %s skips unknown ones anywhere, and reports nothing of them (9)', role => {
    const rig = new SessionRig(role)
    if (role === 'client') rig.open()
    const grease = FRAMES.grease
    const head = role === 'client' ? responseHeaders() : POST_HEAD
    rig.receive(0, Buffer.concat([grease, head, grease, data('a'), grease, TRAILERS, grease]), true)
    const begun = role === 'client' ? 'response 0 200' : 'request 0 POST /'
    expect(rig.log().filter(line => !line.startsWith('closed'))).toEqual([begun, 'data 0 1', 'end 0 x-sum 1'])
  })

  it.each(ROLES)('a %s reads a message in single bytes', role => {
    const rig = new SessionRig(role)
    if (role === 'client') rig.open()
    const head = role === 'client' ? responseHeaders(200, [['x-a', 'b']]) : POST_HEAD
    const bytes = Buffer.concat([head, data('hello'), data(''), data(' world'), TRAILERS])
    for (const byte of bytes) rig.receive(0, Buffer.of(byte))
    rig.receive(0, Buffer.alloc(0), true)
    expect(rig.bodies.get(0)).toBe('hello world')
    expect(rig.log().at(-1)).toBe('end 0 x-sum 1')
  })
})

describe('at the end of a stream (RFC 9114 4.1, 7.1)', () => {
  it.each(
    ROLES.flatMap(role =>
      [
        ['payload', frame(FRAME.DATA, Buffer.from('x'), 10)],
        ['length', Buffer.of(0x00, 0x40)],
        ['type', Buffer.of(0x40)],
        ['section', frame(FRAME.HEADERS, Buffer.of(0, 0), 10)],
        ['unknown frame', frame(0x21, Buffer.of(1), 2)],
      ].map(([within, bytes]) => ({ role, within: within as string, bytes: bytes as Buffer })),
    ),
  )('a $role within a $within fails with H3_FRAME_ERROR', ({ role, bytes }) => {
    const rig = inState(role, 'body')
    rig.receive(0, bytes, true)
    expect(rig.verdict()).toBe('connection H3_FRAME_ERROR')
  })

  it('a server before the end of the head fails with H3_REQUEST_INCOMPLETE, and serves the next request', () => {
    for (const bytes of [Buffer.alloc(0), FRAMES.grease]) {
      const rig = new SessionRig('server')
      rig.receive(0, bytes, true)
      expect(rig.verdict(0)).toBe('stream 0 H3_REQUEST_INCOMPLETE')
      rig.receive(4, requestHeaders(), true)
      expect(rig.log().at(-1)).toBe('request 4 GET / end')
    }
  })

  it('a client before the head, or after a 1xx alone, has a broken answer', () => {
    for (const bytes of [Buffer.alloc(0), responseHeaders(103)]) {
      const rig = new SessionRig('client')
      rig.open()
      rig.receive(0, bytes, true)
      expect(rig.log().slice(-2)).toEqual(['closed 0 failed', 'reset 0 H3_MESSAGE_ERROR broken'])
      expect(rig.quic.closed).toBeUndefined()
    }
  })
})

const MALFORMED_REQUESTS: readonly [name: string, head: Buffer][] = [
  ['no :method', headers([':scheme', 'https'], [':authority', 'a'], [':path', '/'])],
  ['no :scheme', headers([':method', 'GET'], [':authority', 'a'], [':path', '/'])],
  ['no :path', headers([':method', 'GET'], [':scheme', 'https'], [':authority', 'a'])],
  ['neither authority nor host (4.3.1)', headers([':method', 'GET'], [':scheme', 'https'], [':path', '/'])],
  ['a pseudo-field twice', requestHeaders('/', [[':path', '/']])],
  ['a pseudo-field behind a field', headers(['x', 'y'], [':method', 'GET'], [':scheme', 'https'])],
  ['an unknown pseudo-field', requestHeaders('/', [[':what', 'x']])],
  [':status', requestHeaders('/', [[':status', '200']])],
  ['an upper-case name', requestHeaders('/', [['X-A', 'b']])],
  ['connection (4.2)', requestHeaders('/', [['connection', 'close']])],
  ['transfer-encoding (4.2)', requestHeaders('/', [['transfer-encoding', 'chunked']])],
  ['te other than trailers (4.2)', requestHeaders('/', [['te', 'gzip']])],
  ['a line break in a value', requestHeaders('/', [['x', 'a\nb']])],
  ['host unlike :authority (4.3.1)', requestHeaders('/', [['host', 'other']])],
  [
    'two lengths',
    requestHeaders('/', [
      ['content-length', '1'],
      ['content-length', '2'],
    ]),
  ],
  ['a length that is none', requestHeaders('/', [['content-length', '-1']])],
  ['CONNECT with a path (4.4)', headers([':method', 'CONNECT'], [':authority', 'a:1'], [':path', '/'])],
  ['an empty section', headers()],
]

describe('among malformed messages (RFC 9114 4.1.2)', () => {
  it.each(MALFORMED_REQUESTS)('a request is broken by %s', (_, head) => {
    const rig = new SessionRig('server')
    rig.receive(0, head, true)
    expect(rig.verdict(0)).toBe('stream 0 H3_MESSAGE_ERROR')
    expect(rig.log().filter(line => line.startsWith('request'))).toEqual([])
    rig.receive(4, requestHeaders(), true)
    expect(rig.log().at(-1)).toBe('request 4 GET / end')
  })

  it.each([
    ['no :status', headers(['x', 'y'])],
    [':status of two digits', headers([':status', '20'])],
    [':status 101 (4.5)', headers([':status', '101'])],
    [':path', headers([':status', '200'], [':path', '/'])],
    ['connection', responseHeaders(200, [['connection', 'close']])],
    ['an upper-case name', responseHeaders(200, [['X', 'y']])],
  ])('a response is broken by %s', (_, head) => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(0, head)
    expect(rig.verdict(0)).toBe('stream 0 H3_MESSAGE_ERROR')
    expect(rig.log()).toEqual(['closed 0 failed', 'reset 0 H3_MESSAGE_ERROR broken'])
    rig.open()
    rig.receive(4, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 4 200', 'closed 4', 'end 4'])
  })

  it.each(ROLES)('a %s refuses pseudo-fields in trailers (4.3)', role => {
    const rig = inState(role, 'body')
    rig.receive(0, headers([':status', '200']))
    expect(rig.verdict(0)).toBe('stream 0 H3_MESSAGE_ERROR')
  })

  it.each(
    ROLES.flatMap(role =>
      [
        ['more than', '2', data('abc'), false],
        ['less than', '4', data('abc'), true],
        ['nothing of', '4', Buffer.alloc(0), true],
        ['less, then trailers, than', '4', Buffer.concat([data('abc'), TRAILERS]), true],
      ].map(([what, length, bytes, ends]) => ({
        role,
        what: what as string,
        length: length as string,
        bytes: bytes as Buffer,
        ends: ends as boolean,
      })),
    ),
  )('a $role refuses $what content-length says', ({ role, length, bytes, ends }) => {
    const rig = new SessionRig(role)
    if (role === 'client') rig.open(POST, false)
    const head =
      role === 'client'
        ? responseHeaders(200, [['content-length', length]])
        : requestHeaders('/', [['content-length', length]], 'POST')
    rig.receive(0, head)
    rig.receive(0, bytes, ends)
    expect(rig.verdict(0)).toBe('stream 0 H3_MESSAGE_ERROR')
    expect(rig.log().at(-1)).toBe('reset 0 H3_MESSAGE_ERROR broken')
  })

  it.each(ROLES)('a %s accepts content as long as content-length says, in many frames', role => {
    const rig = new SessionRig(role)
    if (role === 'client') rig.open()
    const fields = [['content-length', '3']] as const
    const head = role === 'client' ? responseHeaders(200, fields) : requestHeaders('/', fields, 'POST')
    rig.receive(0, Buffer.concat([head, data('a'), data('b'), data('c')]), true)
    expect(rig.log().at(-1)).toBe('end 0')
  })

  it('answers without content may say a length, and have none (4.1.2)', () => {
    for (const [request, status] of [
      [{ ...GET, method: 'HEAD' }, 200],
      [GET, 304],
    ] as const) {
      const rig = new SessionRig('client')
      rig.open(request)
      rig.receive(0, responseHeaders(status, [['content-length', '5']]), true)
      expect(rig.log()).toEqual([`response 0 ${status}`, 'closed 0', 'end 0'])
      rig.open(request)
      rig.receive(4, Buffer.concat([responseHeaders(status), data('x')]))
      expect(rig.verdict(4)).toBe('stream 4 H3_MESSAGE_ERROR')
    }
  })

  it('a section that QPACK cannot decode ends the connection (RFC 9204 2.2)', () => {
    for (const section of [
      Buffer.of(0),
      Buffer.of(0, 0, 0x80),
      Buffer.of(0, 0, 0x23, 0x61),
      Buffer.concat([Buffer.of(0, 0), integer(0xc0, 6, 99)]),
    ]) {
      const rig = new SessionRig('server')
      rig.receive(0, frame(FRAME.HEADERS, section))
      expect(rig.verdict()).toBe('connection QPACK_DECOMPRESSION_FAILED')
    }
  })
})

describe('among valid messages', () => {
  it('1xx come before the answer (4.1)', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(0, Buffer.concat([responseHeaders(100), responseHeaders(103), responseHeaders(200)]), true)
    expect(rig.log()).toEqual(['response 0 100', 'response 0 103', 'response 0 200', 'closed 0', 'end 0'])
  })

  it('a request that comes whole is reported with its end, and its answer leaves in one write with its end', () => {
    const rig = new SessionRig('server')
    rig.onRequest = stream => {
      stream.respond(200, ['x-a', 'b'], false)
      stream.write(Buffer.from('hello'), chunk => Buffer.from(chunk))
      stream.end(NO_HEADERS)
    }
    rig.receive(0, requestHeaders(), true)
    expect(rig.log()).toEqual(['closed 0', 'request 0 GET / end'])
    expect(rig.quic.writes.filter(line => line.startsWith('0 '))).toHaveLength(1)
    expect(rig.frames(0)).toEqual([expect.stringMatching(/^HEADERS \d+$/), 'DATA 5 end'])
  })

  it('the end of a request that comes later is reported later', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders())
    expect(rig.log()).toEqual(['request 0 GET /'])
    rig.receive(0, Buffer.alloc(0), true)
    expect(rig.log()).toEqual(['end 0'])
    expect(rig.stream(0).hasReceivedEnd).toBe(true)
  })

  it('trailers go in both directions', () => {
    const client = new SessionRig('client')
    const stream = client.open(POST, false)
    stream.write(Buffer.from('abc'), chunk => chunk)
    stream.end(['x-sum', '6'])
    expect(client.frames(0)).toEqual([
      expect.stringMatching(/^HEADERS/),
      'DATA 3',
      expect.stringMatching(/^HEADERS \d+ end$/),
    ])
    client.receive(0, Buffer.concat([responseHeaders(), TRAILERS]), true)
    expect(client.log()).toEqual(['response 0 200', 'closed 0', 'end 0 x-sum 1'])
  })

  it('trailers that cannot be put on the wire break their stream alone', () => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    stream.end(['bad name', 'x'])
    expect(rig.verdict(0)).toBe('stream 0 H3_INTERNAL_ERROR')
    expect(rig.log()).toEqual(['closed 0', 'reset 0 H3_INTERNAL_ERROR invalid'])
    rig.open()
    rig.receive(4, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 4 200', 'closed 4', 'end 4'])
  })

  it('a request that cannot be put on the wire throws, and nothing has happened', () => {
    const rig = new SessionRig('client')
    expect(() => rig.open({ ...GET, headers: ['bad name', 'x'] })).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
    expect(() => rig.open({ ...GET, path: 'a b' })).toThrow(
      expect.objectContaining({ code: 'MM_INVALID_ARGUMENT' }),
    )
    expect(rig.session.openStreams).toBe(0)
    const stream = rig.open()
    expect(stream.id).toBe(0)
    rig.receive(0, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 0 200', 'closed 0', 'end 0'])
  })

  it('a pause holds the rest back, in the middle of a frame too, and resume lets it go', () => {
    const rig = new SessionRig('client')
    const stream = rig.open()
    rig.onData = () => stream.pause()
    const [one, two] = ['one'.repeat(700), 'two'.repeat(700)]
    rig.receive(0, Buffer.concat([responseHeaders(), data(one), data(two)]), true)
    expect(rig.log()).toEqual(['response 0 200', 'data 0 2100'])
    expect(rig.session.bufferedBytes).toBe(data(two).length)
    // Other streams go on, and read into the same memory.
    rig.open()
    rig.receive(4, Buffer.concat([responseHeaders(), data('other')]), true)
    expect(rig.bodies.get(4)).toBe('other')
    rig.onData = undefined
    stream.resume()
    expect(rig.bodies.get(0)).toBe(one + two)
    expect(rig.log().slice(-2)).toEqual(['closed 0', 'end 0'])
  })

  it.each(ROLES)('a %s delivers small frames of one read together, ahead of what follows', role => {
    const rig = new SessionRig(role)
    if (role === 'client') rig.open()
    const head = role === 'client' ? responseHeaders() : requestHeaders('/', [], 'POST')
    const bytes = Array.from({ length: 3_000 }, (_, i) => String(i % 10))
    rig.receive(0, Buffer.concat([head, ...bytes.map(byte => data(byte)), headers(['x-sum', '1'])]), true)
    expect(rig.bodies.get(0)).toBe(bytes.join(''))
    const log = rig.log()
    expect(log.filter(line => line.startsWith('data')).length).toBeLessThan(6)
    expect(log.at(-1)).toBe('end 0 x-sum 1')
  })

  it('small frames before a fault are delivered before it', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(
      0,
      Buffer.concat([responseHeaders(200, [['content-length', '2']]), data('a'), data('b'), data('c')]),
    )
    expect(rig.log()).toEqual([
      'response 0 200',
      'data 0 2',
      'closed 0 failed',
      expect.stringMatching(/^reset 0 H3_MESSAGE_ERROR/),
    ])
  })

  it('a reader that pauses and resumes within its call gets everything once', () => {
    const rig = new SessionRig('client')
    const stream = rig.open()
    rig.onData = () => {
      stream.pause()
      stream.resume()
    }
    rig.receive(0, Buffer.concat([responseHeaders(), data('one'), data('two')]), true)
    expect(rig.bodies.get(0)).toBe('onetwo')
    expect(rig.log().at(-1)).toBe('end 0')
  })

  it('a reader may resume another from within its call, and each keeps its own bytes', () => {
    const rig = new SessionRig('client')
    const stalled = rig.open()
    rig.open()
    stalled.pause()
    rig.receive(0, Buffer.concat([responseHeaders(), data('stalled'.repeat(500))]), true)
    rig.onData = stream => {
      if (stream.id === 4) stalled.resume()
    }
    rig.receive(4, Buffer.concat([responseHeaders(), data('waker'), data('again')]), true)
    expect(rig.bodies.get(0)).toBe('stalled'.repeat(500))
    expect(rig.bodies.get(4)).toBe('wakeragain')
  })

  it('a server does not read a request a second time that another resumed and that is over before its turn', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders('/', [], 'POST'))
    rig.receive(4, POST_HEAD)
    rig.receive(8, POST_HEAD)
    for (const id of [0, 8]) rig.stream(id).respond(200, NO_HEADERS, true)
    rig.stream(8).pause()
    rig.log()
    rig.onData = stream => {
      if (stream.id === 4) rig.stream(8).resume()
    }
    rig.quic.deliver(4, data('waker'))
    rig.quic.deliver(8, data('stalled'), true)
    rig.turn()
    expect(rig.log()).toEqual(['data 4 5', 'data 8 7', 'closed 8', 'end 8'])
    expect(rig.session.openStreams).toBe(2)
  })
})
