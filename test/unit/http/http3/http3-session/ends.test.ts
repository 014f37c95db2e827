import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import {
  data,
  FRAME,
  frame,
  headers,
  requestHeaders,
  responseHeaders,
  SETTING,
} from '../../../../support/http3-wire.ts'
import { CONNECT_UDP, GET, POST, ROLES, SessionRig } from './session-rig.ts'

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)

describe('when the QUIC connection ends,', () => {
  it.each([
    [{ cause: 'peer', isApplication: true, code: 0x100 }, 'over H3_NO_ERROR peer'],
    [{ cause: 'peer', isApplication: true, code: 0x102 }, 'over H3_INTERNAL_ERROR peer'],
    [{ cause: 'peer', isApplication: false, code: 10 }, 'over QUIC error 10 peer'],
    [{ cause: 'idle', isApplication: false, code: 0 }, 'over H3_NO_ERROR idle'],
    [{ cause: 'reset', isApplication: false, code: 0 }, 'over H3_NO_ERROR network'],
    [{ cause: 'unusable', isApplication: false, code: 0 }, 'over H3_NO_ERROR network'],
  ] as const)('every stream and the session end with the reason: %o', (end, over) => {
    for (const role of ROLES) {
      const rig = new SessionRig(role)
      if (role === 'client') rig.open()
      else rig.receive(0, requestHeaders())
      rig.log()
      rig.quic.ends(end)
      rig.turn()
      const log = rig.log()
      expect(log.slice(0, 2)).toEqual(['ending', 'closed 0 failed'])
      expect(log[2]).toMatch(/^reset 0 H3_(NO|INTERNAL)_ERROR session$/)
      expect(log.slice(3)).toEqual([over])
      expect([rig.session.capacity, rig.session.openStreams]).toEqual([0, 0])
      expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
    }
  })

  it('what came in the same turn is read first', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.quic.deliver(0, Buffer.concat([responseHeaders(), data('last bytes')]), true)
    rig.quic.ends({})
    rig.turn()
    expect(rig.log()).toEqual([
      'response 0 200',
      'data 0 10',
      'closed 0',
      'end 0',
      'ending',
      'over H3_NO_ERROR peer',
    ])
  })

  it('an answer that had come whole reaches its stalled reader, and one that had not is reset', () => {
    const rig = new SessionRig('client')
    for (const id of [0, 4, 8]) {
      rig.open().pause()
      rig.receive(id, Buffer.concat([responseHeaders(), data('first')]))
    }
    rig.quic.deliver(0, Buffer.concat([data(' and last'), headers(['x-sum', '1'])]), true)
    rig.quic.deliver(4, data(' and'))
    rig.turn()
    expect(rig.log()).toEqual(['response 0 200', 'response 4 200', 'response 8 200'])
    rig.quic.ends({})
    rig.turn()
    expect(rig.log()).toEqual([
      'ending',
      'data 0 14',
      'closed 0',
      'end 0 x-sum 1',
      'closed 4 failed',
      'reset 4 H3_NO_ERROR session',
      'closed 8 failed',
      'reset 8 H3_NO_ERROR session',
      'over H3_NO_ERROR peer',
    ])
  })

  it('an answer larger than a read that its reader held back reaches it whole', () => {
    const rig = new SessionRig('client')
    rig.open().pause()
    const body = Buffer.from(Array.from({ length: 200_000 }, (_, i) => i % 251))
    rig.receive(0, Buffer.concat([responseHeaders(), data(body)]), true)
    rig.quic.ends({})
    rig.turn()
    expect(rig.bodies.get(0)).toBe(body.toString('latin1'))
  })

  it('everybody is notified of the end, whatever is wrong in what a stalled reader was sent', () => {
    for (const wrong of [
      frame(FRAME.DATA, Buffer.from('x'), 10),
      frame(FRAME.SETTINGS),
      frame(FRAME.HEADERS, Buffer.of(0)),
      headers([':status', '200']),
    ]) {
      const rig = new SessionRig('client')
      rig.open().pause()
      rig.open()
      rig.receive(0, Buffer.concat([responseHeaders(), data('x'), wrong]), true)
      rig.quic.ends({})
      rig.turn()
      const log = rig.log()
      expect(log.filter(line => line.startsWith('reset'))).toHaveLength(2)
      expect(log.filter(line => line.startsWith('end '))).toEqual([])
      expect(log.at(-1)).toBe('over H3_NO_ERROR peer')
      expect(rig.session.openStreams).toBe(0)
    }
  })

  it('an answer that had come whole under an upload is complete, and the upload is reset', () => {
    const rig = new SessionRig('client')
    rig.open(POST, false).pause()
    rig.receive(0, responseHeaders(413), true)
    rig.quic.ends({})
    rig.turn()
    expect(rig.log()).toEqual([
      'response 0 413',
      'ending',
      'end 0',
      'closed 0 failed',
      'reset 0 H3_NO_ERROR session',
      'over H3_NO_ERROR peer',
    ])
  })
})

describe('when we end the session,', () => {
  it.each([
    ['NO_ERROR', 'H3_NO_ERROR'],
    ['ENHANCE_YOUR_CALM', 'H3_EXCESSIVE_LOAD'],
    ['INTERNAL_ERROR', 'H3_INTERNAL_ERROR'],
    ['CANCEL', 'H3_INTERNAL_ERROR'],
  ] as const)('close(%s) sends %s, is reported once, and leaves commands without effect', (code, wire) => {
    const rig = new SessionRig('client', { peerSettings: [[SETTING.H3_DATAGRAM, 1]] })
    const stream = rig.open(CONNECT_UDP, false)
    const datagrams = rig.datagrams(stream.id)
    rig.session.close(code, 'r'.repeat(1000))
    rig.session.close('NO_ERROR', 'again')
    expect(rig.quic.closed).toMatchObject({ isApplication: true, reason: 'r'.repeat(200) })
    expect(rig.verdict()).toBe(`connection ${wire}`)
    expect(rig.log()).toEqual(['ending', 'closed 0 failed', `reset 0 ${wire} session`, `over ${wire} local`])
    stream.resume()
    rig.session.ping()
    rig.session.drain(0)
    rig.session.flush()
    rig.session.onTimeout(1e9)
    rig.receive(0, responseHeaders(), true)
    expect(datagrams.send(Buffer.alloc(1))).toBe(false)
    expect(() => rig.open()).toThrow(expect.objectContaining({ code: 'MM_CONNECTION_CLOSED' }))
    expect(rig.log()).toEqual([])
  })

  it('an end without error leaves the close of QUIC to its driver, if that wants it, and one with an error does not', () => {
    const rig = new SessionRig('client')
    rig.mayCloseNow = false
    rig.open()
    rig.session.drain(0)
    rig.receive(0, responseHeaders(), true)
    expect(rig.log().at(-1)).toBe('over H3_NO_ERROR local')
    expect(rig.quic.closed).toBeUndefined()
    const bad = new SessionRig('client')
    bad.mayCloseNow = false
    bad.control(frame(FRAME.SETTINGS))
    expect(bad.verdict()).toBe('connection H3_FRAME_UNEXPECTED')
  })

  it('abandon() notifies the streams, and reports no end', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.session.abandon('the link is gone')
    rig.session.abandon('again')
    expect(rig.log()).toEqual(['closed 0 failed', 'reset 0 H3_NO_ERROR session'])
    expect(rig.reasons).toEqual(['the link is gone'])
  })

  it('a fault of the peer breaks every stream', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.open()
    rig.receive(0, data('before the head'))
    expect(rig.log()).toEqual([
      'ending',
      'closed 0 failed',
      'reset 0 H3_FRAME_UNEXPECTED session',
      'closed 4 failed',
      'reset 4 H3_FRAME_UNEXPECTED session',
      'over H3_FRAME_UNEXPECTED peer',
    ])
  })

  it('a handler that throws ends the connection with H3_INTERNAL_ERROR, not the process', () => {
    const rig = new SessionRig('server')
    rig.onRequest = () => {
      throw new Error('a defect')
    }
    rig.receive(0, requestHeaders(), true)
    expect(rig.verdict()).toBe('connection H3_INTERNAL_ERROR')
    expect(rig.log().at(-1)).toBe('over H3_INTERNAL_ERROR local')
  })
})

describe('while a session waits,', () => {
  it.each(ROLES)('a %s waits settingsTimeoutMs for SETTINGS', role => {
    const rig = new SessionRig(role, { handshake: false, options: { settingsTimeoutMs: 5000 } })
    rig.now = 1000
    rig.quic.establish()
    rig.turn()
    expect(rig.session.nextTimeoutAt).toBe(6000)
    rig.pass(4999)
    expect(rig.quic.closed).toBeUndefined()
    rig.pass(1)
    expect(rig.verdict()).toBe('connection H3_MISSING_SETTINGS')
    expect(rig.log().at(-1)).toBe('over H3_MISSING_SETTINGS timeout')
  })

  it('it has no timeout when SETTINGS have come, nor when there is no limit', () => {
    expect(new SessionRig('client').session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
    const rig = new SessionRig('client', { handshake: false, options: { settingsTimeoutMs: 0 } })
    rig.quic.establish()
    rig.turn()
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
  })

  it('a ping is answered by the next packet of any kind', () => {
    const rig = new SessionRig('client')
    rig.session.ping()
    rig.turn()
    expect([rig.quic.pings, rig.log()]).toEqual([1, []])
    rig.quic.packets++
    rig.turn()
    rig.turn()
    expect(rig.log()).toEqual(['pong'])
  })

  const liveness = { intervalMs: 1000, timeoutMs: 2500, idleIntervalMs: 0, quietIntervalMs: 0 }

  it('it asks for proof of liveness once per interval while streams are open, and gives up after the timeout', () => {
    const rig = new SessionRig('client', { liveness })
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
    rig.open()
    rig.pass(1000)
    expect(rig.quic.pings).toBe(1)
    rig.quic.packets++
    rig.pass(1000)
    expect(rig.quic.pings).toBe(1)
    rig.pass(2499)
    expect([rig.quic.pings, rig.quic.closed]).toEqual([4, undefined])
    rig.pass(1000)
    expect(rig.log()).toEqual([
      'ending',
      'closed 0 failed',
      'reset 0 H3_NO_ERROR session',
      'over H3_NO_ERROR silent',
    ])
  })

  it('what had come whole reaches its stalled reader before QUIC is closed for silence', () => {
    const rig = new SessionRig('client', { liveness })
    for (const id of [0, 4]) {
      rig.open().pause()
      rig.receive(id, Buffer.concat([responseHeaders(), data('answer')]), id === 0)
    }
    let wasOpen = false
    rig.onData = () => void (wasOpen = rig.quic.closed === undefined)
    rig.pass(10_000)
    expect(rig.log()).toEqual([
      'response 0 200',
      'response 4 200',
      'ending',
      'data 0 6',
      'closed 0',
      'end 0',
      'closed 4 failed',
      'reset 4 H3_NO_ERROR session',
      'over H3_NO_ERROR silent',
    ])
    expect([wasOpen, rig.verdict()]).toEqual([true, 'connection H3_NO_ERROR'])
  })

  it('it asks for no proof of liveness while nothing is open', () => {
    const rig = new SessionRig('client', { liveness })
    rig.open(GET)
    rig.receive(0, responseHeaders(), true)
    rig.pass(100_000)
    expect(rig.quic.pings).toBe(0)
    rig.open()
    rig.pass(1000)
    expect(rig.quic.pings).toBe(1)
  })
})

describe('under back-pressure', () => {
  it('a write that QUIC does not take waits, up to writeAheadBytes, and room is reported at half of it', () => {
    const rig = new SessionRig('client', { options: { writeAheadBytes: 20_000 } })
    const stream = rig.open(POST, false)
    rig.quic.allow(0, 0)
    expect(stream.write(Buffer.alloc(10_000), keep)).toBe(true)
    expect(stream.write(Buffer.alloc(10_000), keep)).toBe(false)
    expect(rig.session.bufferedBytes).toBeGreaterThanOrEqual(20_000)
    rig.quic.allow(0, 5000)
    rig.turn()
    expect(rig.log()).toEqual([])
    rig.quic.allow(0, 6000)
    rig.turn()
    expect(rig.log()).toEqual(['writable 0'])
    stream.end(NO_HEADERS)
    rig.quic.allow(0, 1_000_000)
    rig.turn()
    expect(rig.quic.stream(0).isFinished).toBe(true)
    expect(rig.frames(0).filter(line => line.startsWith('DATA'))).toEqual(['DATA 10000', 'DATA 10000 end'])
  })

  it('a producer that writes on from within its call gets everything through, in order', () => {
    const rig = new SessionRig('client', { options: { writeAheadBytes: 9000 } })
    const stream = rig.open(POST, false)
    const pieces = Array.from({ length: 200 }, (_, i) => Buffer.alloc(1000 + 37 * i, i))
    let next = 0
    const produce = (): void => {
      while (next < pieces.length) if (!stream.write(pieces[next++]!, keep)) return
      stream.end(NO_HEADERS)
    }
    rig.onWritable = produce
    rig.quic.allow(0, 3000)
    produce()
    for (let turns = 0; !rig.quic.stream(0).isFinished; turns++) {
      if (turns > 2000) throw new Error('it does not come to an end')
      rig.session.flush()
      rig.quic.allow(0, 7001)
      rig.turn()
      // The limit, the cork that was emptied into it, and one piece.
      expect(stream.queuedBytes).toBeLessThan(9000 + 16_384 + 8400)
    }
    const sent = rig.quic.frames(0).filter(({ type }) => type === FRAME.DATA)
    expect(Buffer.concat(sent.map(({ payload }) => payload)).equals(Buffer.concat(pieces))).toBe(true)
  })
})
