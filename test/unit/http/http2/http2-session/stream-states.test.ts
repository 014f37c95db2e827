import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import {
  indexedLiteral,
  literals,
  reference,
  requestBlock,
  responseBlock,
} from '../../../../support/http2-fields.ts'
import {
  data,
  FLAG,
  frame,
  headers,
  resetStream,
  TYPE,
  windowUpdate,
} from '../../../../support/http2-wire.ts'
import { isAlive, POST, type Role, SessionRig, verdictOn } from './session-rig.ts'

const { END_HEADERS, END_STREAM } = FLAG
const TRAILERS = literals(['x-sum', '1'])
const keep = (chunk: Buffer): Buffer => chunk

/**
 * The states of RFC 9113 5.1, seen from us. A closed stream is one that both sides ended, that we have reset,
 * or that the peer has; the reserved ones do not occur without push.
 */
type State = 'idle' | 'open' | 'halfClosedLocal' | 'halfClosedRemote' | 'ended' | 'resetByUs' | 'resetByPeer'

/** A session whose stream 1 is in the state, with its head received where there is one. */
function inState(role: Role, state: State): SessionRig {
  const rig = new SessionRig(role)
  const peerEnds = state === 'halfClosedRemote' || state === 'ended'
  const weEnd = state === 'halfClosedLocal' || state === 'ended'
  if (state !== 'idle' && role === 'client') {
    rig.open(POST, weEnd)
    rig.receive(headers(1, responseBlock(), END_HEADERS | (peerEnds ? END_STREAM : 0)))
  } else if (state !== 'idle') {
    rig.receive(headers(1, requestBlock('/', [], 'POST'), END_HEADERS | (peerEnds ? END_STREAM : 0)))
    rig.stream(1).respond(200, NO_HEADERS, weEnd)
  }
  if (state === 'resetByUs') rig.stream(1).reset('CANCEL')
  if (state === 'resetByPeer') rig.receive(resetStream(1, 'CANCEL'))
  rig.frames()
  rig.log()
  return rig
}

const FRAMES = {
  DATA: data(1, 'abc'),
  'DATA that ends': data(1, 'abc', END_STREAM),
  HEADERS: headers(1, TRAILERS),
  'HEADERS that end': headers(1, TRAILERS, END_HEADERS | END_STREAM),
  RST_STREAM: resetStream(1, 'CANCEL'),
  WINDOW_UPDATE: windowUpdate(1, 5000),
  PRIORITY: frame(TYPE.PRIORITY, 0, 1, Buffer.alloc(5)),
} as const
type FrameName = keyof typeof FRAMES

/**
 * What the peer may send in which state: `taken` (it has an effect), `ignored`, an error of the stream
 * (`s:`), or of the connection (`c:`). 5.1 lets us choose between the two for a stream that the peer itself
 * has closed, and treat frames that may have been on their way as if they had never come.
 */
const TABLE: Record<FrameName, Record<State, string>> = {
  // prettier-ignore
  DATA: {
    idle: 'c:PROTOCOL_ERROR',
    open: 'taken',
    halfClosedLocal: 'taken',
    halfClosedRemote: 's:STREAM_CLOSED',
    ended: 'c:STREAM_CLOSED',
    resetByUs: 'ignored',
    resetByPeer: 'c:STREAM_CLOSED',
  },
  'DATA that ends': {
    idle: 'c:PROTOCOL_ERROR',
    open: 'taken',
    halfClosedLocal: 'taken',
    halfClosedRemote: 's:STREAM_CLOSED',
    ended: 'c:STREAM_CLOSED',
    resetByUs: 'ignored',
    resetByPeer: 'c:STREAM_CLOSED',
  },
  // 8.1: trailers end their stream. On an idle one they would be a request without pseudo-fields.
  HEADERS: {
    idle: 'see below',
    open: 's:PROTOCOL_ERROR',
    halfClosedLocal: 's:PROTOCOL_ERROR',
    halfClosedRemote: 's:STREAM_CLOSED',
    ended: 'c:STREAM_CLOSED',
    resetByUs: 'ignored',
    resetByPeer: 'c:STREAM_CLOSED',
  },
  'HEADERS that end': {
    idle: 'see below',
    open: 'taken',
    halfClosedLocal: 'taken',
    halfClosedRemote: 's:STREAM_CLOSED',
    ended: 'c:STREAM_CLOSED',
    resetByUs: 'ignored',
    resetByPeer: 'c:STREAM_CLOSED',
  },
  RST_STREAM: {
    idle: 'c:PROTOCOL_ERROR',
    open: 'taken',
    halfClosedLocal: 'taken',
    halfClosedRemote: 'taken',
    ended: 'ignored',
    resetByUs: 'ignored',
    resetByPeer: 'ignored',
  },
  WINDOW_UPDATE: {
    idle: 'c:PROTOCOL_ERROR',
    open: 'ignored',
    halfClosedLocal: 'ignored',
    halfClosedRemote: 'ignored',
    ended: 'ignored',
    resetByUs: 'ignored',
    resetByPeer: 'ignored',
  },
  PRIORITY: {
    idle: 'ignored',
    open: 'ignored',
    halfClosedLocal: 'ignored',
    halfClosedRemote: 'ignored',
    ended: 'ignored',
    resetByUs: 'ignored',
    resetByPeer: 'ignored',
  },
}

const ROWS = (['client', 'server'] as const).flatMap(role =>
  Object.entries(TABLE).flatMap(([name, row]) =>
    Object.entries(row)
      .filter(([, expected]) => expected !== 'see below')
      .map(([state, expected]) => ({ role, frame: name as FrameName, state: state as State, expected })),
  ),
)

describe('a stream (RFC 9113 5.1)', () => {
  it.each(ROWS)(
    'of a $role that gets $frame when $state has the outcome $expected',
    ({ role, frame, state, expected }) => {
      const rig = inState(role, state)
      const verdict = verdictOn(rig, FRAMES[frame])
      const log = rig.log()
      if (expected.startsWith('c:')) {
        expect(verdict).toBe(`connection ${expected.slice(2)}`)
        return
      }
      expect(verdict).toBe(expected.startsWith('s:') ? `stream 1 ${expected.slice(2)}` : 'none')
      if (expected.startsWith('s:')) {
        const told = state === 'ended' ? [] : ['closed 1 failed', `reset 1 ${expected.slice(2)} broken`]
        expect(log).toEqual(told)
      } else expect(log.length > 0).toBe(expected === 'taken')
      expect(isAlive(rig)).toBe(true)
      // An error of one stream leaves the others alone.
      const next = role === 'client' ? rig.open().id : 3
      rig.receive(
        headers(next, role === 'client' ? responseBlock() : requestBlock(), END_HEADERS | END_STREAM),
      )
      expect(rig.log()).toContain(role === 'client' ? `response ${next} 200` : `request ${next} GET / end`)
    },
  )

  it('is closed when the peer skips it and opens one with a higher number (5.1.1)', () => {
    const request = headers(5, requestBlock(), END_HEADERS | END_STREAM)
    const skipped = (verdictFrame: Buffer) => verdictOn(withRequest5(), verdictFrame)
    const withRequest5 = () => {
      const rig = new SessionRig('server')
      rig.receive(request)
      return rig
    }
    expect(skipped(headers(3, requestBlock(), END_HEADERS | END_STREAM))).toMatch(
      /^connection (STREAM_CLOSED|PROTOCOL_ERROR)$/,
    )
    expect(skipped(data(3, 'x'))).toMatch(/^connection (STREAM_CLOSED|PROTOCOL_ERROR)$/)
    expect(skipped(headers(7, requestBlock(), END_HEADERS | END_STREAM))).toBe('none')
    // The same number again is not a new stream.
    expect(skipped(request)).toBe('stream 5 STREAM_CLOSED')
  })

  it('with a number that is not the peer’s to open ends the connection (5.1.1)', () => {
    const to = (role: Role, frame: Buffer) => verdictOn(new SessionRig(role), frame)
    expect(to('server', headers(2, requestBlock(), END_HEADERS | END_STREAM))).toBe(
      'connection PROTOCOL_ERROR',
    )
    expect(to('client', headers(2, responseBlock(), END_HEADERS | END_STREAM))).toBe(
      'connection PROTOCOL_ERROR',
    )
    expect(to('client', headers(1, responseBlock(), END_HEADERS | END_STREAM))).toBe(
      'connection PROTOCOL_ERROR',
    )
    expect(to('client', headers(99, responseBlock(), END_HEADERS | END_STREAM))).toBe(
      'connection PROTOCOL_ERROR',
    )
    for (const role of ['client', 'server'] as const) {
      expect(to(role, data(2, 'x'))).toBe('connection PROTOCOL_ERROR')
      expect(to(role, resetStream(2, 'CANCEL'))).toBe('connection PROTOCOL_ERROR')
      expect(to(role, windowUpdate(2, 1))).toBe('connection PROTOCOL_ERROR')
    }
  })

  it('that is idle is broken, and used up, by a request without pseudo-fields', () => {
    const rig = new SessionRig('server')
    expect(verdictOn(rig, FRAMES['HEADERS that end'])).toBe('stream 1 PROTOCOL_ERROR')
    expect(rig.log()).toEqual([])
    expect(verdictOn(rig, headers(1, requestBlock(), END_HEADERS | END_STREAM))).toBe('none')
    expect(rig.log()).toEqual([])
    expect(isAlive(rig)).toBe(true)
  })

  it('keeps HPACK in step with blocks that are ignored or refused (4.3)', () => {
    for (const state of ['resetByUs', 'halfClosedRemote'] as const) {
      const rig = inState('server', state)
      // 0x40: into the dynamic table; 0xbe: its newest entry.
      rig.receive(headers(1, Buffer.from('\x40\x05x-new\x04seen', 'latin1'), END_HEADERS | END_STREAM))
      rig.receive(
        headers(3, Buffer.concat([requestBlock('/next'), Buffer.from([0xbe])]), END_HEADERS | END_STREAM),
      )
      expect(rig.log()).toContain('request 3 GET /next end')
      expect(rig.heads.get(3)?.headers).toEqual(['x-new', 'seen'])
    }
  })

  it('that was given up ignores what was on its way, any number of times, and window and HPACK stay in step', () => {
    const rig = new SessionRig('client', { options: { connectionWindowBytes: 65_535 } })
    const streams = Array.from({ length: 1100 }, () => rig.open())
    const last = rig.open()
    for (const stream of streams) stream.reset('CANCEL')
    rig.frames()
    rig.receive(headers(1, indexedLiteral('x-first', '1')))
    for (let at = 0; at < 20; at++) rig.receive(data(3, Buffer.alloc(16_000)))
    expect(rig.frames().some(line => /^WINDOW_UPDATE 0\b/.test(line))).toBe(true)
    rig.receive(headers(last.id, Buffer.concat([responseBlock(), reference(62)]), END_HEADERS | END_STREAM))
    expect(rig.log().at(-1)).toBe(`end ${last.id}`)
  })

  it('of a client that goes on with an upload has a clean end when the upload ends', () => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    rig.receive(headers(1, responseBlock(), END_HEADERS | END_STREAM))
    expect(rig.log()).toEqual(['response 1 200', 'end 1'])
    expect(stream.hasReceivedEnd).toBe(true)
    stream.end(NO_HEADERS)
    expect(rig.log()).toEqual(['closed 1'])
    expect(rig.session.openStreams).toBe(0)
  })

  it('keeps a complete answer when RST_STREAM with NO_ERROR follows it (8.1)', () => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    stream.pause()
    rig.receive(headers(1, responseBlock()), data(1, 'answer', END_STREAM), resetStream(1, 'NO_ERROR'))
    expect(rig.log()).toEqual(['response 1 200'])
    stream.resume()
    expect(rig.log()).toEqual(['data 1 6', 'closed 1', 'end 1'])
    expect(rig.bodies.get(1)).toBe('answer')
    expect(rig.frames()).toEqual(['HEADERS 1'])
  })

  it('with a complete answer that a stalled reader has not read tells its writer to go on at RST_STREAM with NO_ERROR', () => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    stream.pause()
    expect(stream.write(Buffer.alloc(100_000), keep)).toBe(false)
    rig.receive(headers(1, responseBlock()), data(1, 'answer', END_STREAM), resetStream(1, 'NO_ERROR'))
    expect(rig.log()).toEqual(['response 1 200', 'writable 1'])
    rig.frames()
    expect(stream.write(Buffer.alloc(100_000), keep)).toBe(true)
    stream.end(NO_HEADERS)
    expect(rig.frames()).toEqual([])
    stream.resume()
    expect(rig.log()).toEqual(['data 1 6', 'closed 1', 'end 1'])
  })

  it('of a client whose request is complete is taken back by RST_STREAM with NO_ERROR, though the reader stalls', () => {
    const rig = new SessionRig('server')
    rig.receive(headers(1, requestBlock('/', [], 'POST')))
    const stream = rig.stream(1)
    stream.pause()
    stream.respond(200, NO_HEADERS, false)
    expect(stream.write(Buffer.alloc(100_000), keep)).toBe(false)
    rig.log()
    rig.receive(data(1, 'content', END_STREAM), resetStream(1, 'NO_ERROR'))
    expect(rig.log()).toEqual(['closed 1', 'reset 1 NO_ERROR peer'])
    expect(rig.session.openStreams).toBe(0)
  })

  it('that was a tunnel keeps its bytes for the reader when RST_STREAM with NO_ERROR follows its end', () => {
    const CONNECT = literals([':method', 'CONNECT'], [':authority', 'a.test:443'])
    for (const isAccepted of [true, false]) {
      const rig = new SessionRig('server')
      rig.receive(headers(1, CONNECT))
      const stream = rig.stream(1)
      stream.pause()
      if (isAccepted) {
        stream.respond(200, NO_HEADERS, false)
        stream.write(Buffer.alloc(100_000), keep)
      }
      rig.log()
      rig.receive(data(1, 'bye', END_STREAM), resetStream(1, 'NO_ERROR'))
      if (isAccepted) {
        expect(rig.log()).toEqual(['writable 1'])
        stream.resume()
        expect(rig.log()).toEqual(['data 1 3', 'closed 1', 'end 1'])
      } else expect(rig.log()).toEqual(['closed 1', 'reset 1 NO_ERROR peer'])
    }
  })

  it.each([
    ['REFUSED_STREAM', 'closed 1', 'reset 1 REFUSED_STREAM unprocessed'],
    ['CANCEL', 'closed 1', 'reset 1 CANCEL peer'],
    ['INTERNAL_ERROR', 'closed 1 failed', 'reset 1 INTERNAL_ERROR peer'],
  ] as const)('is closed by RST_STREAM with %s', (code, closed, reset) => {
    const rig = inState('client', 'open')
    rig.receive(resetStream(1, code))
    expect(rig.log()).toEqual([closed, reset])
    expect(rig.frames()).toEqual([])
  })

  it('is closed by RST_STREAM with an unknown code (7)', () => {
    const rig = inState('client', 'open')
    rig.receive(frame(TYPE.RST_STREAM, 0, 1, Buffer.from([0xde, 0xad, 0xbe, 0xef])))
    expect(rig.log()).toEqual(['closed 1 failed', 'reset 1 INTERNAL_ERROR peer'])
  })

  it('is reset once, and commands on it do nothing afterwards', () => {
    const rig = inState('client', 'open')
    const stream = rig.stream(1)
    stream.reset('CANCEL')
    stream.reset('CANCEL')
    stream.write(Buffer.from('x'), chunk => chunk)
    stream.end(NO_HEADERS)
    stream.resume()
    expect(rig.frames()).toEqual(['RST_STREAM 1 CANCEL'])
    expect(rig.log()).toEqual(['closed 1'])
  })
})
