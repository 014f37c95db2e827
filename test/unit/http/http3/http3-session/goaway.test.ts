import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { FRAME, frame, requestHeaders, responseHeaders, varint } from '../../../../support/http3-wire.ts'
import { GET, POST, SessionRig } from './session-rig.ts'

const goaway = (id: number): Buffer => frame(FRAME.GOAWAY, varint(id))
/** 2^62 - 4, the last id that a request can have: what a graceful end begins with (RFC 9114 5.2). */
const NOT_YET = frame(FRAME.GOAWAY, Buffer.from('fffffffffffffffc', 'hex'))

/** The payloads of the GOAWAY frames that we sent since the last time, as hex. */
function goawaysOf(rig: SessionRig): string[] {
  const frames = rig.controlFrames().filter(({ type }) => type === FRAME.GOAWAY)
  return frames.map(({ payload }) => payload.toString('hex'))
}

describe('a client that gets GOAWAY (RFC 9114 5.2)', () => {
  it('opens no more streams, then loses what the server did not process, then ends with the last one', () => {
    const rig = new SessionRig('client')
    for (let i = 0; i < 3; i++) rig.open(POST, false)
    rig.control(NOT_YET)
    expect(rig.log()).toEqual(['goaway unknown'])
    expect(rig.session.capacity).toBe(0)
    expect(() => rig.open(GET)).toThrow(expect.objectContaining({ code: 'MM_CONNECTION_CLOSED' }))
    rig.control(goaway(8))
    expect(rig.log()).toEqual(['goaway 2', 'closed 8', 'reset 8 H3_REQUEST_CANCELLED unprocessed'])
    rig.control(goaway(4))
    expect(rig.log()).toEqual(['goaway 1', 'closed 4', 'reset 4 H3_REQUEST_CANCELLED unprocessed'])
    rig.stream(0).end(NO_HEADERS)
    expect(rig.quic.closed).toBeUndefined()
    rig.receive(0, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 0 200', 'closed 0', 'end 0', 'ending', 'over H3_NO_ERROR local'])
    expect(rig.verdict()).toBe('connection H3_NO_ERROR')
  })

  it('ends at once when nothing is open', () => {
    const rig = new SessionRig('client')
    rig.control(goaway(0))
    expect(rig.log()).toEqual(['goaway 0', 'ending', 'over H3_NO_ERROR local'])
  })

  it('with the same id again reports it again and goes on', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.control(goaway(4), goaway(4))
    expect(rig.log()).toEqual(['goaway 1', 'goaway 1'])
    expect(rig.quic.closed).toBeUndefined()
  })
})

describe('a server that gets GOAWAY', () => {
  it('which names a push, goes on', () => {
    const rig = new SessionRig('server')
    rig.control(goaway(3), goaway(1))
    rig.receive(0, requestHeaders(), true)
    expect(rig.log()).toEqual(['request 0 GET / end'])
  })
})

describe('a server that drains', () => {
  it('announces it, serves what comes for two round trips, then names the first request that it does not serve', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders(), true)
    rig.session.drain(rig.now)
    rig.session.drain(rig.now)
    expect(goawaysOf(rig)).toEqual(['fffffffffffffffc'])
    rig.receive(4, requestHeaders(), true)
    rig.stream(0).respond(200, NO_HEADERS, true)
    rig.stream(4).respond(200, NO_HEADERS, true)
    expect(rig.log()).toEqual(['request 0 GET / end', 'request 4 GET / end', 'closed 0', 'closed 4'])
    // Nothing is open, but a request may be on its way.
    expect(rig.quic.closed).toBeUndefined()
    rig.pass(79)
    rig.receive(8, requestHeaders(), true)
    rig.pass(1)
    expect(goawaysOf(rig)).toEqual(['0c'])
    rig.receive(12, requestHeaders(), true)
    expect(rig.verdict(12)).toBe('stream 12 H3_REQUEST_REJECTED')
    expect(rig.log()).toEqual(['request 8 GET / end'])
    rig.stream(8).respond(200, NO_HEADERS, true)
    // The client may not have got it all: it is the one who closes, or does not within ten round trips and a
    // second.
    expect(rig.log()).toEqual(['closed 8'])
    rig.pass(999)
    expect(rig.quic.closed).toBeUndefined()
    rig.pass(1)
    expect(rig.log()).toEqual(['ending', 'over H3_NO_ERROR local'])
    expect(rig.verdict()).toBe('connection H3_NO_ERROR')
  })

  it.each([
    [0.1, 20, 1000],
    [400, 800, 4000],
  ])(
    'at a round trip of %d ms sends the last id after %d, and waits %d for the client',
    (rttMs, drainMs, byeMs) => {
      const rig = new SessionRig('server')
      rig.quic.rttMs = rttMs
      rig.session.drain(0)
      expect(rig.session.nextTimeoutAt).toBe(drainMs)
      rig.pass(drainMs)
      expect(goawaysOf(rig)).toEqual(['fffffffffffffffc', '00'])
      expect(rig.session.nextTimeoutAt).toBe(drainMs + byeMs)
      rig.pass(byeMs)
      expect(rig.log()).toEqual(['ending', 'over H3_NO_ERROR local'])
    },
  )

  it('serves a request that was late but below the last id, for as long as it takes', () => {
    const rig = new SessionRig('server')
    rig.onRequest = stream => {
      if (stream.id === 4) stream.respond(204, NO_HEADERS, true)
    }
    // Stream 4 came, stream 0 was lost on its way.
    rig.receive(4, requestHeaders(), true)
    rig.session.drain(0)
    rig.pass(80)
    expect(goawaysOf(rig)).toEqual(['fffffffffffffffc', '08'])
    rig.pass(900)
    rig.receive(0, requestHeaders(), true)
    rig.pass(60_000)
    expect(rig.quic.closed).toBeUndefined()
    rig.stream(0).respond(204, NO_HEADERS, true)
    expect(rig.quic.stream(0).isFinished).toBe(true)
    rig.pass(1000)
    expect(rig.log().at(-1)).toBe('over H3_NO_ERROR local')
  })

  it('ends as soon as the client closes', () => {
    const rig = new SessionRig('server')
    rig.session.drain(0)
    rig.pass(80)
    rig.quic.ends({})
    rig.turn()
    expect(rig.log()).toEqual(['ending', 'over H3_NO_ERROR peer'])
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('before the handshake is complete sends GOAWAY as soon as it can, and ends', () => {
    const rig = new SessionRig('server', { handshake: false })
    rig.session.drain(0)
    rig.quic.establish()
    rig.turn()
    expect(goawaysOf(rig)).toEqual(['fffffffffffffffc'])
    rig.pass(80)
    expect(goawaysOf(rig)).toEqual(['00'])
    rig.pass(1000)
    expect(rig.log().at(-1)).toBe('over H3_NO_ERROR local')
  })
})

describe('a client that drains', () => {
  it('ends with its last stream', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.session.drain(rig.now)
    expect(rig.session.capacity).toBe(0)
    expect(rig.log()).toEqual([])
    rig.receive(0, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 0 200', 'closed 0', 'end 0', 'ending', 'over H3_NO_ERROR local'])
  })

  it('ends at once when nothing is open', () => {
    const rig = new SessionRig('client')
    rig.session.drain(rig.now)
    expect(rig.log()).toEqual(['ending', 'over H3_NO_ERROR local'])
  })

  it('ends when its last stream is given up', () => {
    const rig = new SessionRig('client')
    rig.open().reset('CANCEL')
    rig.open()
    rig.session.drain(rig.now)
    rig.stream(4).reset('CANCEL')
    expect(rig.log().slice(-2)).toEqual(['ending', 'over H3_NO_ERROR local'])
  })
})

describe('the capacity of an HTTP/3 session', () => {
  it('is what the peer lets be under way at once, and is reported when that grows', () => {
    const rig = new SessionRig('client')
    expect(rig.session.capacity).toBe(100)
    rig.open()
    expect(rig.session.capacity).toBe(100)
    rig.quic.left.bidirectional = 3
    rig.turn()
    expect([rig.session.capacity, rig.capacities]).toEqual([100, []])
    rig.quic.left.bidirectional = 110
    rig.turn()
    rig.turn()
    expect([rig.session.capacity, rig.capacities]).toEqual([111, [111]])
  })

  it('is enforced: a stream above what the peer allows is refused, and nothing has happened', () => {
    const rig = new SessionRig('client')
    rig.quic.left.bidirectional = 1
    rig.open()
    expect(() => rig.open()).toThrow(expect.objectContaining({ code: 'MM_REFUSED' }))
    rig.quic.left.bidirectional = 1
    expect(rig.open().id).toBe(4)
    rig.receive(4, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 4 200', 'closed 4', 'end 4'])
  })

  it('ends with maxRequests, the last request that the connection carries', () => {
    const rig = new SessionRig('client', { maxRequests: 2 })
    expect(rig.session.capacity).toBe(2)
    rig.open()
    expect(rig.log()).toEqual([])
    rig.open()
    expect(rig.log()).toEqual(['exhausted'])
    rig.receive(0, responseHeaders(), true)
    expect(rig.session.capacity).toBe(1)
    expect(rig.session.openStreams).toBe(1)
  })

  it('is exhausted when the QUIC connection is to be retired', () => {
    const rig = new SessionRig('client')
    rig.quic.tell({ type: 'worn-out' })
    rig.turn()
    expect(rig.log()).toEqual(['exhausted'])
  })
})
