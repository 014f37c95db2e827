import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { CODE, data, requestHeaders, responseHeaders } from '../../../../support/http3-wire.ts'
import { GET, POST, SessionRig } from './session-rig.ts'

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
const POST_HEAD = requestHeaders('/', [], 'POST')

/** A server that has read the head of a POST on stream 0. */
function posted(): SessionRig {
  const rig = new SessionRig('server')
  rig.receive(0, POST_HEAD)
  rig.log()
  return rig
}

describe('a client whose stream the peer breaks off (RFC 9114 4.1.1)', () => {
  it.each([
    ['H3_REQUEST_REJECTED', 'closed 0', 'unprocessed'],
    ['H3_REQUEST_CANCELLED', 'closed 0', 'peer'],
    ['H3_NO_ERROR', 'closed 0', 'peer'],
    ['H3_VERSION_FALLBACK', 'closed 0 failed', 'needs-http1'],
    ['H3_MESSAGE_ERROR', 'closed 0 failed', 'peer'],
  ] as const)('by RESET_STREAM with %s reports why, and ends its own side', (code, closed, cause) => {
    const rig = new SessionRig('client')
    rig.open(POST, false)
    rig.quic.peerResets(0, CODE[code])
    rig.turn()
    expect(rig.log()).toEqual([closed, `reset 0 ${code} ${cause}`])
    // Our side ends too; the peer's is over.
    expect(rig.nameOf(rig.quic.stream(0).resetCode)).toBe('H3_REQUEST_CANCELLED')
    expect(rig.quic.stream(0).stopCode).toBeUndefined()
    expect(rig.session.openStreams).toBe(0)
  })

  it('by an unknown code takes it for H3_NO_ERROR (9)', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.quic.peerResets(0, 0x1f * 55 + 0x21)
    rig.turn()
    expect(rig.log()).toEqual(['closed 0', 'reset 0 H3_NO_ERROR peer'])
  })

  it('by STOP_SENDING with H3_REQUEST_REJECTED reports the request as unprocessed', () => {
    const rig = new SessionRig('client')
    rig.open(POST, false)
    rig.quic.peerStops(0, CODE.H3_REQUEST_REJECTED)
    rig.turn()
    expect(rig.log()).toEqual(['closed 0', 'reset 0 H3_REQUEST_REJECTED unprocessed'])
  })

  it('by STOP_SENDING still gets the answer, drops what is written, and notifies a waiting writer', () => {
    const rig = new SessionRig('client', { options: { writeAheadBytes: 1000 } })
    const stream = rig.open(POST, false)
    rig.quic.allow(0, 0)
    expect(stream.write(Buffer.alloc(5000), keep)).toBe(false)
    rig.quic.peerStops(0, CODE.H3_NO_ERROR)
    rig.turn()
    expect(rig.log()).toEqual(['writable 0'])
    expect(stream.isSendOpen).toBe(false)
    expect(stream.queuedBytes).toBe(0)
    expect(stream.write(Buffer.alloc(5000), keep)).toBe(true)
    stream.end(NO_HEADERS)
    rig.receive(0, Buffer.concat([responseHeaders(), data('early')]), true)
    expect(rig.log()).toEqual(['response 0 200', 'data 0 5', 'closed 0', 'end 0'])
    expect(rig.session.bufferedBytes).toBe(0)
  })

  it('by STOP_SENDING behind the whole answer, which a stalled reader has not read, loses nothing of it', () => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    stream.pause()
    rig.receive(0, Buffer.concat([responseHeaders(), data('answer')]), true)
    rig.quic.peerStops(0, CODE.H3_NO_ERROR)
    rig.turn()
    expect(rig.log()).toEqual(['response 0 200'])
    stream.resume()
    expect(rig.log()).toEqual(['data 0 6', 'closed 0', 'end 0'])
  })

  it('by STOP_SENDING behind an answer that was delivered reports nothing but the close', () => {
    const rig = new SessionRig('client')
    rig.open(POST, false)
    rig.receive(0, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 0 200', 'end 0'])
    rig.quic.peerStops(0, CODE.H3_NO_ERROR)
    rig.turn()
    expect(rig.log()).toEqual(['closed 0'])
  })

  it('by STOP_SENDING behind an answer that was delivered notifies a waiting writer', () => {
    const rig = new SessionRig('client', { options: { writeAheadBytes: 1000 } })
    const stream = rig.open(POST, false)
    rig.quic.allow(0, 0)
    expect(stream.write(Buffer.alloc(5000), keep)).toBe(false)
    rig.receive(0, responseHeaders(), true)
    rig.log()
    rig.quic.peerStops(0, CODE.H3_NO_ERROR)
    rig.turn()
    expect(rig.log()).toEqual(['closed 0', 'writable 0'])
    expect(stream.write(Buffer.alloc(5000), keep)).toBe(true)
    stream.end(NO_HEADERS)
    expect(rig.log()).toEqual([])
  })
})

describe('a server whose stream the peer breaks off', () => {
  it('by RESET_STREAM before the end of the request reports the reset, and resets its answer', () => {
    const rig = posted()
    rig.quic.peerResets(0, CODE.H3_REQUEST_CANCELLED)
    rig.turn()
    expect(rig.log()).toEqual(['closed 0', 'reset 0 H3_REQUEST_CANCELLED peer'])
    expect(rig.nameOf(rig.quic.stream(0).resetCode)).toBe('H3_REQUEST_CANCELLED')
  })

  it('by STOP_SENDING while it answers reports the reset, and drops what is written', () => {
    const rig = posted()
    rig.stream(0).respond(200, NO_HEADERS, false)
    rig.quic.peerStops(0, CODE.H3_REQUEST_CANCELLED)
    rig.turn()
    expect(rig.log()).toEqual(['closed 0', 'reset 0 H3_REQUEST_CANCELLED peer'])
    rig.stream(0).write(Buffer.from('late'), keep)
    rig.stream(0).end(NO_HEADERS)
    expect(rig.session.openStreams).toBe(0)
  })

  it('by STOP_SENDING behind its whole answer loses nothing of the request', () => {
    const rig = posted()
    rig.stream(0).respond(200, NO_HEADERS, true)
    rig.quic.peerStops(0, CODE.H3_NO_ERROR)
    rig.receive(0, data('rest'), true)
    expect(rig.log()).toEqual(['data 0 4', 'closed 0', 'end 0'])
  })

  it('by STOP_SENDING that comes with the request, or before it, leaves nothing behind', () => {
    const rig = new SessionRig('server')
    rig.onRequest = stream => {
      stream.respond(200, NO_HEADERS, false)
      stream.write(Buffer.from('nobody wants it'), keep)
      stream.end(NO_HEADERS)
    }
    rig.quic.deliver(0, requestHeaders(), true)
    rig.quic.peerStops(0, CODE.H3_REQUEST_CANCELLED)
    rig.turn()
    rig.quic.peerStops(4, CODE.H3_REQUEST_CANCELLED)
    rig.turn()
    rig.receive(4, requestHeaders(), true)
    rig.receive(8, requestHeaders(), true)
    expect(rig.session.openStreams).toBe(0)
    expect(rig.log().at(-1)).toBe('request 8 GET / end')
    expect(rig.frames(8).at(-1)).toMatch(/end$/)
  })

  it('by STOP_SENDING when it is over already does nothing', () => {
    const rig = new SessionRig('server')
    rig.onRequest = stream => stream.respond(204, NO_HEADERS, true)
    rig.receive(0, requestHeaders(), true)
    rig.log()
    for (let i = 0; i < 2000; i++) rig.quic.tell({ type: 'stopped', stream: 0, code: 0x100 })
    rig.turn()
    expect(rig.log()).toEqual([])
    expect(rig.quic.closed).toBeUndefined()
  })

  it('by RESET_STREAM before anything of it was read reports no request', () => {
    const rig = new SessionRig('server')
    rig.quic.peerResets(0, CODE.H3_REQUEST_CANCELLED)
    rig.turn()
    expect(rig.log().filter(line => line.startsWith('request'))).toEqual([])
    expect(rig.session.openStreams).toBe(0)
  })

  it('by RESET_STREAM before the head was whole reports no request', () => {
    const rig = new SessionRig('server')
    rig.receive(0, requestHeaders().subarray(0, 5))
    rig.quic.peerResets(0, CODE.H3_REQUEST_CANCELLED)
    rig.turn()
    expect(rig.log().filter(line => !line.startsWith('closed'))).toEqual([])
    expect(rig.session.openStreams).toBe(0)
  })
})

describe('when we break off a stream,', () => {
  it.each([
    ['NO_ERROR', 'H3_REQUEST_CANCELLED', 'H3_NO_ERROR'],
    ['CANCEL', 'H3_REQUEST_CANCELLED', 'H3_REQUEST_CANCELLED'],
    ['INTERNAL_ERROR', 'H3_INTERNAL_ERROR', 'H3_INTERNAL_ERROR'],
    ['ENHANCE_YOUR_CALM', 'H3_EXCESSIVE_LOAD', 'H3_EXCESSIVE_LOAD'],
  ] as const)('a client with %s sends RESET_STREAM with %s and STOP_SENDING with %s', (code, reset, stop) => {
    const rig = new SessionRig('client')
    const stream = rig.open(POST, false)
    stream.reset(code)
    stream.reset(code)
    expect(rig.log()).toEqual(['closed 0'])
    const { resetCode, stopCode } = rig.quic.stream(0)
    expect([rig.nameOf(resetCode), rig.nameOf(stopCode)]).toEqual([reset, stop])
    // Commands do nothing then, and what still comes is nothing new.
    stream.write(Buffer.from('x'), keep)
    stream.end(NO_HEADERS)
    stream.resume()
    rig.receive(0, responseHeaders(), true)
    expect(rig.log()).toEqual([])
  })

  it('a client whose request has left only stops the answer', () => {
    const rig = new SessionRig('client')
    rig.open().reset('CANCEL')
    const { resetCode, stopCode } = rig.quic.stream(0)
    expect([rig.nameOf(resetCode), rig.nameOf(stopCode)]).toEqual(['none', 'H3_REQUEST_CANCELLED'])
  })

  it('a server that has answered drops the rest of a request with H3_NO_ERROR (4.1)', () => {
    const rig = posted()
    rig.stream(0).respond(413, NO_HEADERS, true)
    rig.stream(0).reset('NO_ERROR')
    const { resetCode, stopCode, isFinished } = rig.quic.stream(0)
    expect([rig.nameOf(resetCode), rig.nameOf(stopCode), isFinished]).toEqual(['none', 'H3_NO_ERROR', true])
    // What of it still comes is no new request.
    rig.receive(0, Buffer.concat([POST_HEAD, data('more')]), true)
    expect(rig.log().filter(line => line.startsWith('request'))).toEqual([])
  })

  it('a server that breaks off within its answer sends the code on both sides', () => {
    const rig = posted()
    rig.stream(0).respond(200, NO_HEADERS, false)
    rig.stream(0).reset('INTERNAL_ERROR')
    const { resetCode, stopCode } = rig.quic.stream(0)
    expect([rig.nameOf(resetCode), rig.nameOf(stopCode)]).toEqual(['H3_INTERNAL_ERROR', 'H3_INTERNAL_ERROR'])
  })

  it('a server may do so from within the call that reports the request', () => {
    const rig = new SessionRig('server')
    rig.onRequest = stream => stream.reset('INTERNAL_ERROR')
    rig.receive(0, Buffer.concat([POST_HEAD, data('x')]), true)
    expect(rig.log()).toEqual(['closed 0', 'request 0 POST /'])
    expect(rig.session.openStreams).toBe(0)
  })

  it('a reader may do so from within its call, and nothing more is reported', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.onData = stream => stream.reset('CANCEL')
    const large = data(Buffer.alloc(2_000))
    rig.receive(0, Buffer.concat([responseHeaders(), large, large]), true)
    expect(rig.log()).toEqual(['response 0 200', 'data 0 2000', 'closed 0'])
  })

  it('the output that was held for it is dropped', () => {
    const rig = new SessionRig('client')
    const doomed = rig.session.open(POST, false, NO_EVENTS, 0)
    doomed.reset('CANCEL')
    rig.open(GET)
    expect(rig.quic.stream(doomed.id).written).toHaveLength(0)
    expect(rig.frames(4)).toEqual([expect.stringMatching(/^HEADERS \d+ end$/)])
  })
})

const NO_EVENTS = { onResponse() {}, onData() {}, onEnd() {}, onWritable() {}, onReset() {} }
