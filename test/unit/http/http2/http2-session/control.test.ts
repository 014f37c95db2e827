import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import { requestBlock, responseBlock } from '../../../../support/http2-fields.ts'
import {
  data,
  FLAG,
  frame,
  goaway,
  headers,
  PREFACE,
  ping,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
  uint32,
  windowUpdate,
} from '../../../../support/http2-wire.ts'
import { isAlive, POST, type Role, SessionRig, verdictOn } from './session-rig.ts'

const ROLES: Role[] = ['client', 'server']
const END = FLAG.END_HEADERS | FLAG.END_STREAM
const MAX_ID = 2 ** 31 - 1

describe.each(ROLES)('SETTINGS for a %s (RFC 9113 6.5)', role => {
  it('are acknowledged, each frame once, in order', () => {
    const rig = new SessionRig(role)
    rig.receive(settings(), settings({ [SETTING.MAX_CONCURRENT_STREAMS]: 7 }), ping('pingpong'))
    const frames = rig.wire()
    expect(frames.map(({ type, flags }) => [type, flags])).toEqual([
      [TYPE.SETTINGS, FLAG.ACK],
      [TYPE.SETTINGS, FLAG.ACK],
      [TYPE.PING, FLAG.ACK],
    ])
    expect(frames.map(({ payload }) => payload.length)).toEqual([0, 0, 8])
    expect(rig.log()).toEqual(['settings', 'settings'])
  })

  it.each<[string, Record<number, number>, string]>([
    ['ENABLE_PUSH of 2', { [SETTING.ENABLE_PUSH]: 2 }, 'PROTOCOL_ERROR'],
    ['INITIAL_WINDOW_SIZE of 2^31', { [SETTING.INITIAL_WINDOW_SIZE]: 2 ** 31 }, 'FLOW_CONTROL_ERROR'],
    ['MAX_FRAME_SIZE of 16383', { [SETTING.MAX_FRAME_SIZE]: 16_383 }, 'PROTOCOL_ERROR'],
    ['MAX_FRAME_SIZE of 2^24', { [SETTING.MAX_FRAME_SIZE]: 2 ** 24 }, 'PROTOCOL_ERROR'],
    ['ENABLE_CONNECT_PROTOCOL of 2', { [SETTING.ENABLE_CONNECT_PROTOCOL]: 2 }, 'PROTOCOL_ERROR'],
    ['NO_RFC7540_PRIORITIES that changes', { 9: 1 }, 'PROTOCOL_ERROR'],
  ])('with %s end the connection', (_, values, code) => {
    expect(verdictOn(new SessionRig(role), settings(values))).toBe(`connection ${code}`)
  })

  it('with unknown identifiers are ignored', () => {
    const rig = new SessionRig(role)
    expect(verdictOn(rig, settings({ 0: 1, 7: 2, 0xff: 3, 0xffff: 4 }))).toBe('none')
    expect(isAlive(rig)).toBe(true)
  })

  it('that do not come in time end the session', () => {
    const rig = new SessionRig(role, { handshake: false, options: { settingsTimeoutMs: 5000 } })
    rig.frames()
    expect(rig.session.hasPeerSettings).toBe(false)
    expect(rig.session.nextTimeoutAt).toBe(5000)
    rig.session.onTimeout(4999)
    expect(rig.log()).toEqual([])
    rig.session.onTimeout(5000)
    expect(rig.frames()).toEqual(['GOAWAY 0 SETTINGS_TIMEOUT'])
    expect(rig.log()).toEqual(['ending', 'over SETTINGS_TIMEOUT timeout'])
  })

  it('of ours that are not acknowledged in time end the session (6.5.3)', () => {
    const rig = new SessionRig(role, { handshake: false, options: { settingsTimeoutMs: 5000 } })
    rig.receive(role === 'server' ? PREFACE : Buffer.alloc(0), settings())
    rig.frames()
    expect(rig.session.hasPeerSettings).toBe(true)
    rig.session.onTimeout(rig.session.nextTimeoutAt)
    expect(rig.frames()).toEqual(['GOAWAY 0 SETTINGS_TIMEOUT'])
  })

  it('that have come in time leave no deadline', () => {
    const rig = new SessionRig(role)
    expect(rig.session.nextTimeoutAt).toBe(Number.POSITIVE_INFINITY)
    rig.session.onTimeout(1e9)
    expect(isAlive(rig)).toBe(true)
  })

  it('acknowledged more often than sent do no harm', () => {
    const rig = new SessionRig(role)
    expect(verdictOn(rig, SETTINGS_ACK, SETTINGS_ACK)).toBe('none')
  })
})

describe('SETTINGS of a server for a client', () => {
  it('set its capacity, which is small until they come', () => {
    const rig = new SessionRig('client', { handshake: false, options: { streamsBeforeSettings: 3 } })
    expect(rig.session.capacity).toBe(3)
    rig.receive(settings({ [SETTING.MAX_CONCURRENT_STREAMS]: 50 }))
    expect(rig.session.capacity).toBe(50)
    rig.receive(settings({ [SETTING.MAX_CONCURRENT_STREAMS]: 0 }))
    expect(rig.session.capacity).toBe(0)
    rig.receive(settings({ [SETTING.MAX_CONCURRENT_STREAMS]: 2 ** 32 - 1 }))
    expect(rig.session.capacity).toBeGreaterThan(2 ** 30)
    expect(rig.log()).toEqual(['settings', 'settings', 'settings'])
  })

  it('must not allow push (6.5.2)', () => {
    expect(verdictOn(new SessionRig('client'), settings({ [SETTING.ENABLE_PUSH]: 1 }))).toBe(
      'connection PROTOCOL_ERROR',
    )
    expect(verdictOn(new SessionRig('client'), settings({ [SETTING.ENABLE_PUSH]: 0 }))).toBe('none')
    expect(verdictOn(new SessionRig('server'), settings({ [SETTING.ENABLE_PUSH]: 1 }))).toBe('none')
  })

  it('offer extended CONNECT, and do not take it back (RFC 8441 3)', () => {
    const rig = new SessionRig('client')
    expect(rig.session.peerEnablesConnect).toBe(false)
    rig.receive(settings({ [SETTING.ENABLE_CONNECT_PROTOCOL]: 1 }))
    expect(rig.session.peerEnablesConnect).toBe(true)
    expect(verdictOn(rig, settings({ [SETTING.ENABLE_CONNECT_PROTOCOL]: 0 }))).toBe(
      'connection PROTOCOL_ERROR',
    )
  })
})

describe.each(ROLES)('PING for a %s (RFC 9113 6.7)', role => {
  it('is answered with its own bytes', () => {
    const rig = new SessionRig(role)
    rig.receive(ping('\x00\xff12345\x80'))
    const [pong] = rig.wire()
    expect(pong).toMatchObject({ type: TYPE.PING, flags: FLAG.ACK, streamId: 0 })
    expect(pong?.payload.toString('latin1')).toBe('\x00\xff12345\x80')
  })

  it('of ours is reported when its answer comes, and only then', () => {
    const rig = new SessionRig(role)
    rig.session.ping()
    const [sent] = rig.wire()
    expect(sent).toMatchObject({ type: TYPE.PING, flags: 0 })
    rig.receive(frame(TYPE.PING, FLAG.ACK, 0, Buffer.from('whatever')))
    expect(rig.log()).toEqual([])
    rig.receive(frame(TYPE.PING, FLAG.ACK, 0, sent!.payload))
    expect(rig.log()).toEqual(['pong'])
    expect(rig.frames()).toEqual([])
  })

  it('answers that nobody asked for do no harm', () => {
    const rig = new SessionRig(role)
    for (let last = 0; last < 256; last++) {
      rig.receive(frame(TYPE.PING, FLAG.ACK, 0, Buffer.from([0, 0, 0, 0, 0, 0, 0, last])))
    }
    expect(rig.log().filter(line => line !== 'pong')).toEqual([])
    expect(isAlive(rig)).toBe(true)
  })
})

describe('GOAWAY for a client (RFC 9113 6.8)', () => {
  it('notifies the streams above its last id that they were not processed, and lets the others finish', () => {
    const rig = new SessionRig('client')
    for (let i = 0; i < 3; i++) rig.open()
    rig.frames()
    rig.receive(goaway(3, 'NO_ERROR', 'see you\r\n'))
    expect(rig.log()).toEqual(['goaway 3 NO_ERROR see you??', 'closed 5', 'reset 5 NO_ERROR unprocessed'])
    expect(rig.session.capacity).toBe(0)
    expect(() => rig.open()).toThrow(
      expect.objectContaining({ code: 'MM_CONNECTION_CLOSED', processed: 'no' }),
    )
    rig.receive(headers(1, responseBlock(), END), headers(3, responseBlock()), data(3, 'x', FLAG.END_STREAM))
    expect(rig.log()).toEqual([
      'response 1 200',
      'closed 1',
      'end 1',
      'response 3 200',
      'data 3 1',
      'closed 3',
      'end 3',
      'ending',
      'over NO_ERROR local',
    ])
    expect(rig.frames()).toEqual(['GOAWAY 0 NO_ERROR'])
  })

  it('comes in two steps: 2^31-1 stops new streams, the second one names the last', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.open()
    rig.receive(goaway(MAX_ID))
    expect(rig.log()).toEqual([`goaway ${MAX_ID} NO_ERROR`])
    expect(rig.session.capacity).toBe(0)
    rig.receive(goaway(1))
    expect(rig.log()).toEqual(['goaway 1 NO_ERROR', 'closed 3', 'reset 3 NO_ERROR unprocessed'])
    expect(rig.session.openStreams).toBe(1)
  })

  it('must not raise its last id', () => {
    const rig = new SessionRig('client')
    for (let i = 0; i < 3; i++) rig.open()
    rig.receive(goaway(3))
    expect(verdictOn(rig, goaway(5))).toBe('connection PROTOCOL_ERROR')
  })

  it('with an error has the same effect on the streams above, and leaves the rest open', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.open()
    rig.receive(goaway(1, 'ENHANCE_YOUR_CALM', 'too_many_pings'))
    expect(rig.log()).toEqual([
      'goaway 1 ENHANCE_YOUR_CALM too_many_pings',
      'closed 3',
      'reset 3 ENHANCE_YOUR_CALM unprocessed',
    ])
  })

  it('with nothing open ends the session at once', () => {
    const rig = new SessionRig('client')
    rig.receive(goaway(0))
    expect(rig.log()).toEqual(['goaway 0 NO_ERROR', 'ending', 'over NO_ERROR local'])
  })

  it('has its debug data cut and made printable', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(goaway(1, 'NO_ERROR', '\x1b[2J'.repeat(1000)))
    const [line] = rig.log()
    expect(line).toMatch(/^goaway 1 NO_ERROR [ -~]{1,200}$/)
  })

  it('with an unknown code has no special meaning (7)', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(frame(TYPE.GOAWAY, 0, 0, Buffer.concat([uint32(1), uint32(0xdeadbeef)])))
    expect(rig.log()).toEqual(['goaway 1 INTERNAL_ERROR'])
  })
})

describe('the drain of a server (RFC 9113 6.8)', () => {
  const drained = () => {
    const rig = new SessionRig('server')
    rig.receive(headers(1, requestBlock(), END))
    rig.log()
    rig.session.drain(0)
    return rig
  }

  it('sends GOAWAY with 2^31-1 and a PING first, and still accepts what is on its way', () => {
    const rig = drained()
    const [first, probe] = rig.wire()
    expect(first?.payload.toString('hex')).toBe('7fffffff00000000')
    expect(probe).toMatchObject({ type: TYPE.PING, flags: 0 })
    rig.receive(headers(3, requestBlock(), END))
    expect(rig.log()).toEqual(['request 3 GET / end'])
    rig.receive(frame(TYPE.PING, FLAG.ACK, 0, probe!.payload))
    expect(rig.frames()).toEqual(['GOAWAY 3 NO_ERROR'])
    expect(rig.log()).toEqual([])
    rig.stream(3).respond(200, NO_HEADERS, true)
    rig.stream(1).respond(200, NO_HEADERS, true)
    expect(rig.log()).toEqual(['closed 3', 'closed 1', 'ending', 'over NO_ERROR local'])
  })

  it('ignores requests above the last id, and all frames that belong to them', () => {
    const rig = drained()
    const probe = rig.wire()[1]!
    rig.receive(frame(TYPE.PING, FLAG.ACK, 0, probe.payload))
    rig.frames()
    for (const late of [
      headers(3, requestBlock('/', [], 'POST')),
      data(3, 'content'),
      windowUpdate(3, 1000),
      headers(3, Buffer.from('\x00\x01x\x011', 'latin1'), END),
      headers(5, requestBlock(), END),
      frame(TYPE.RST_STREAM, 0, 5, uint32(8)),
    ]) {
      expect(verdictOn(rig, late)).toBe('none')
    }
    expect(rig.log()).toEqual([])
    rig.stream(1).respond(200, NO_HEADERS, true)
    expect(rig.log().at(-1)).toBe('over NO_ERROR local')
  })

  it('does not wait forever for the answer to its PING', () => {
    const rig = drained()
    rig.frames()
    expect(rig.session.nextTimeoutAt).toBeLessThan(60_000)
    rig.session.onTimeout(rig.session.nextTimeoutAt)
    expect(rig.frames()).toEqual(['GOAWAY 1 NO_ERROR'])
  })

  it('ends at once when nothing is open and nothing was on its way', () => {
    const rig = new SessionRig('server')
    rig.session.drain(0)
    const probe = rig.wire()[1]!
    expect(rig.log()).toEqual([])
    rig.receive(frame(TYPE.PING, FLAG.ACK, 0, probe.payload))
    expect(rig.log()).toEqual(['ending', 'over NO_ERROR local'])
  })

  it('is done once when it is asked for twice', () => {
    const rig = drained()
    rig.session.drain(1)
    expect(rig.frames()).toEqual([`GOAWAY ${MAX_ID} NO_ERROR`, 'PING 0'])
  })
})

describe('the drain of a client', () => {
  it('opens no more streams, and sends GOAWAY when the last is done', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.frames()
    rig.session.drain(0)
    expect(rig.session.capacity).toBe(0)
    expect(() => rig.open()).toThrow(expect.objectContaining({ code: 'MM_CONNECTION_CLOSED' }))
    expect(rig.frames()).toEqual([])
    rig.receive(headers(1, responseBlock(), END))
    expect(rig.log()).toEqual(['response 1 200', 'closed 1', 'end 1', 'ending', 'over NO_ERROR local'])
    expect(rig.frames()).toEqual(['GOAWAY 0 NO_ERROR'])
  })

  it('with nothing open ends at once', () => {
    const rig = new SessionRig('client')
    rig.session.drain(0)
    expect(rig.log()).toEqual(['ending', 'over NO_ERROR local'])
  })
})

describe('the end of a session', () => {
  it.each(ROLES)('comes with a code for a %s that closes it, which receives nothing from then on', role => {
    const rig = new SessionRig(role)
    if (role === 'client') rig.open()
    else rig.receive(headers(1, requestBlock(), END))
    rig.frames()
    rig.log()
    rig.session.close('ENHANCE_YOUR_CALM', 'no more')
    expect(rig.log()).toEqual([
      'ending',
      'closed 1 failed',
      'reset 1 ENHANCE_YOUR_CALM session',
      'over ENHANCE_YOUR_CALM local',
    ])
    expect(rig.frames()).toEqual([`GOAWAY ${role === 'server' ? 1 : 0} ENHANCE_YOUR_CALM`])
    rig.session.close('NO_ERROR', '')
    rig.session.drain(0)
    rig.session.ping()
    rig.receive(ping())
    expect(rig.frames()).toEqual([])
    expect(rig.log()).toEqual([])
  })

  it('reports as unprocessed what was never taken for writing', () => {
    const rig = new SessionRig('client')
    rig.open()
    rig.frames()
    rig.open()
    rig.session.abandon('the socket broke')
    expect(rig.log()).toEqual([
      'closed 1 failed',
      'reset 1 NO_ERROR session',
      'closed 3',
      'reset 3 NO_ERROR unprocessed',
    ])
    expect(rig.session).toMatchObject({ capacity: 0, openStreams: 0 })
  })

  it('comes at once where a handler closes the session from within', () => {
    const rig = new SessionRig('server')
    rig.onRequest = () => rig.session.close('NO_ERROR', 'enough')
    rig.receive(headers(1, requestBlock(), END), headers(3, requestBlock(), END), data(0, 'x'))
    expect(rig.frames()).toEqual(['GOAWAY 1 NO_ERROR'])
    expect(rig.log().filter(line => line.startsWith('request'))).toEqual(['request 1 GET / end'])
  })

  it('follows from a handler that throws, and does not end the process', () => {
    const rig = new SessionRig('server')
    rig.onRequest = () => {
      throw new Error('a defect')
    }
    rig.receive(headers(1, requestBlock(), END))
    expect(rig.frames()).toEqual(['GOAWAY 1 INTERNAL_ERROR'])
    expect(rig.log().at(-1)).toBe('over INTERNAL_ERROR local')
  })

  it.each(ROLES)(
    'does not follow from trailers of a %s that cannot be encoded, which break their stream alone, even when they had to wait',
    role => {
      for (const window of [0, 65_535]) {
        const rig = new SessionRig(role, { peerSettings: { [SETTING.INITIAL_WINDOW_SIZE]: window } })
        if (role === 'client') rig.open(POST, false)
        else {
          rig.receive(headers(1, requestBlock(), END))
          rig.stream(1).respond(200, NO_HEADERS, false)
        }
        rig.frames()
        rig.log()
        rig.stream(1).write(Buffer.from('content'), chunk => Buffer.from(chunk))
        rig.stream(1).end(['x-table', 'entry', 'x', 'a\r\nb'])
        if (window === 0) {
          expect(rig.frames()).toEqual([])
          rig.receive(windowUpdate(1, 1000))
        }
        expect(rig.frames()).toEqual(['DATA 1', 'RST_STREAM 1 INTERNAL_ERROR'])
        expect(rig.log()).toEqual(['closed 1', 'reset 1 INTERNAL_ERROR invalid'])
        expect(isAlive(rig)).toBe(true)
      }
    },
  )
})

describe('of the extensions,', () => {
  it('ORIGIN (RFC 8336 2) is for clients, on stream 0', () => {
    const origins = frame(0xc, 0, 0, Buffer.from('\x00\x0ehttps://a.test\x00\x01x', 'latin1'))
    const rig = new SessionRig('client')
    rig.receive(origins)
    expect(rig.log()).toEqual(['origins https://a.test'])
    const misplaced = Buffer.from(origins)
    misplaced.writeUInt32BE(1, 5)
    rig.open()
    expect(verdictOn(rig, misplaced)).toBe('none')
    const server = new SessionRig('server')
    expect(verdictOn(server, origins)).toBe('none')
    expect([rig.log(), server.log()]).toEqual([[], []])
  })

  it('ALTSVC (RFC 7838 4) is for clients', () => {
    const onConnection = frame(0xa, 0, 0, Buffer.from('\x00\x0ehttps://a.testh3=":443"', 'latin1'))
    const onStream = frame(0xa, 0, 1, Buffer.from('\x00\x00h3=":443"', 'latin1'))
    const rig = new SessionRig('client')
    rig.open()
    rig.receive(onConnection, onStream)
    expect(rig.log()).toEqual(['altsvc https://a.test h3=":443"', 'altsvc  h3=":443"'])
    const server = new SessionRig('server')
    expect(verdictOn(server, onConnection)).toBe('none')
    expect(server.log()).toEqual([])
  })

  it('PRIORITY_UPDATE (RFC 9218 7.1) puts one answer before another, also when it comes before its request', () => {
    const rig = new SessionRig('server', { peerSettings: { [SETTING.INITIAL_WINDOW_SIZE]: 1_000_000 } })
    const update = (id: number, value: string): Buffer =>
      frame(0x10, 0, 0, Buffer.concat([uint32(id), Buffer.from(value)]))
    rig.receive(update(5, 'u=0'))
    for (const id of [1, 3, 5]) {
      rig.receive(headers(id, requestBlock(), END))
      rig.stream(id).respond(200, NO_HEADERS, false)
    }
    // The window of the connection is used up, so that all wait.
    rig.stream(1).write(Buffer.alloc(65_535), chunk => Buffer.from(chunk))
    for (const id of [1, 3, 5]) {
      rig.stream(id).write(Buffer.from(String(id)), chunk => Buffer.from(chunk))
      rig.stream(id).end(NO_HEADERS)
    }
    rig.receive(update(3, 'u=1'))
    rig.frames()
    rig.receive(windowUpdate(0, 1000))
    expect(rig.frames()).toEqual(['DATA 5', 'DATA 3', 'DATA 1'])
  })

  it.each<[string, Buffer]>([
    ['a malformed value', Buffer.concat([uint32(1), Buffer.from('u=9,,')])],
    ['a stream that is closed or never was', Buffer.concat([uint32(99), Buffer.from('u=1')])],
  ])('PRIORITY_UPDATE with %s is ignored', (_, payload) => {
    expect(verdictOn(new SessionRig('server'), frame(0x10, 0, 0, payload))).toBe('none')
  })

  it('PRIORITY_UPDATE for stream 0 ends the connection', () => {
    expect(verdictOn(new SessionRig('server'), frame(0x10, 0, 0, uint32(0)))).toBe(
      'connection PROTOCOL_ERROR',
    )
  })
})
