import { describe, expect, it } from 'vitest'
import type { ExchangeRequest } from '../../../../../src/base/http/exchange.ts'
import { type Http3Settings, INITIAL_HTTP3_SETTINGS } from '../../../../../src/http/http3/frames/settings.ts'
import { FRAME, responseHeaders, SETTING, settings } from '../../../../support/http3-wire.ts'
import { FakeQuic } from '../fake-quic.ts'
import { GET, SessionRig } from './session-rig.ts'

const REMEMBERED: Http3Settings = {
  qpackMaxTableCapacity: 4096,
  qpackBlockedStreams: 16,
  maxFieldSectionSize: 20_000,
  enableConnectProtocol: true,
  h3Datagram: true,
}
/** The same as the peer says it. */
const SAME = [
  [SETTING.QPACK_MAX_TABLE_CAPACITY, 4096],
  [SETTING.QPACK_BLOCKED_STREAMS, 16],
  [SETTING.MAX_FIELD_SECTION_SIZE, 20_000],
  [SETTING.ENABLE_CONNECT_PROTOCOL, 1],
  [SETTING.H3_DATAGRAM, 1],
] as const

const asked = (overrides: Partial<ExchangeRequest> = {}): ExchangeRequest => ({
  method: 'GET',
  scheme: 'https',
  authority: 'origin.test',
  path: '/',
  headers: [],
  body: null,
  headersTimeoutMs: 0,
  bodyTimeoutMs: 0,
  ...overrides,
})

function early(rememberedSettings: Http3Settings = REMEMBERED): SessionRig {
  const quic = new FakeQuic('client')
  quic.isInEarlyData = true
  return new SessionRig('client', { handshake: false, quic, rememberedSettings })
}

function decided(rig: SessionRig, outcome: 'accepted' | 'rejected'): void {
  rig.quic.tell({ type: 'early-data', outcome })
  rig.quic.establish()
  rig.turn()
}

describe('early data of a client (RFC 9114 3.2, RFC 8470)', () => {
  it('carries SETTINGS and requests that may be early, while all others wait', () => {
    const rig = early()
    expect(rig.controlFrames()[0]?.type).toBe(FRAME.SETTINGS)
    expect(rig.session.isInEarlyData).toBe(true)
    expect(rig.session.isCapacityProvisional).toBe(true)
    expect(rig.session.readiness(asked({ mayBeEarly: true }), rig.now)).toBe('now')
    expect(rig.session.readiness(asked(), rig.now)).toBe('later')
    expect(rig.session.readiness(asked({ upgrade: 'websocket' }), rig.now)).toBe('later')
    rig.open()
    expect(rig.frames(0)).toEqual([expect.stringMatching(/^HEADERS \d+ end$/)])
  })

  it('uses no dynamic table, since the engine sends the same bytes again when they are rejected', () => {
    const rig = early()
    for (let i = 0; i < 5; i++) rig.open({ ...GET, headers: ['x-again', 'the same value'] })
    expect(rig.quic.stream(rig.ownEncoder).written).toHaveLength(1)
    // Required Insert Count 0 (RFC 9204 4.5.1).
    expect(rig.quic.stream(16).written.subarray(2, 4)).toEqual(Buffer.of(0, 0))
  })

  it('that is accepted is reported before the handshake, and requests wait no more', () => {
    const rig = early()
    rig.open()
    decided(rig, 'accepted')
    expect(rig.log()).toEqual(['early-data accepted', 'handshake h3'])
    expect(rig.session.isInEarlyData).toBe(false)
    expect(rig.session.readiness(asked(), rig.now)).toBe('now')
    rig.control(settings(SAME))
    rig.receive(0, responseHeaders(), true)
    expect(rig.log()).toEqual(['response 0 200', 'closed 0', 'end 0'])
  })

  it('that is rejected lets the requests that were sent go on, and the settings may be anything', () => {
    const rig = early()
    rig.open()
    decided(rig, 'rejected')
    rig.control(settings())
    rig.receive(0, responseHeaders(), true)
    expect(rig.log().slice(-3)).toEqual(['response 0 200', 'closed 0', 'end 0'])
    expect(rig.quic.closed).toBeUndefined()
  })

  it.each([
    ['QPACK_BLOCKED_STREAMS', 1, 15, 'H3_SETTINGS_ERROR'],
    ['MAX_FIELD_SECTION_SIZE', 2, 19_999, 'H3_SETTINGS_ERROR'],
    ['ENABLE_CONNECT_PROTOCOL', 3, 0, 'H3_SETTINGS_ERROR'],
    ['H3_DATAGRAM', 4, 0, 'H3_SETTINGS_ERROR'],
    // RFC 9204 3.2.3 asks for the same value, not only for as much.
    ['QPACK_MAX_TABLE_CAPACITY', 0, 4095, 'QPACK_DECODER_STREAM_ERROR'],
    ['QPACK_MAX_TABLE_CAPACITY', 0, 4097, 'QPACK_DECODER_STREAM_ERROR'],
  ] as const)(
    'that is accepted while %s (%i) has become %i ends the connection with %s (RFC 9114 7.2.4.2)',
    (_, index, value, code) => {
      const changed = SAME.map(([id, before], i) => [id, i === index ? value : before] as const)
      const rig = early()
      decided(rig, 'accepted')
      rig.control(settings(changed))
      expect(rig.verdict()).toBe(`connection ${code}`)
      // The same after a rejection is nobody's business.
      const rejected = early()
      decided(rejected, 'rejected')
      rejected.control(settings(changed))
      expect(rejected.verdict()).toBe('none')
    },
  )

  it.each(SAME.map(([id], index) => ({ id, index })))(
    'that is accepted while setting $id is gone ends the connection unless it was a limit (RFC 9114 7.2.4.2)',
    ({ id, index }) => {
      const rig = early()
      decided(rig, 'accepted')
      rig.control(settings(SAME.toSpliced(index, 1)))
      // An unlimited section size is no less than any.
      const code =
        id === SETTING.QPACK_MAX_TABLE_CAPACITY ? 'QPACK_DECODER_STREAM_ERROR' : 'H3_SETTINGS_ERROR'
      expect(rig.verdict()).toBe(id === SETTING.MAX_FIELD_SECTION_SIZE ? 'none' : `connection ${code}`)
    },
  )

  it('that is accepted may see every setting grow from nothing', () => {
    const rig = early(INITIAL_HTTP3_SETTINGS)
    decided(rig, 'accepted')
    rig.control(settings(SAME.filter(([id]) => id !== SETTING.MAX_FIELD_SECTION_SIZE)))
    expect(rig.verdict()).toBe('none')
  })
})

describe('the tickets of an HTTP/3 session', () => {
  it('are reported with the SETTINGS that they go with, whichever comes first', () => {
    const rig = new SessionRig('client', { handshake: false })
    rig.quic.establish()
    rig.quic.tell({ type: 'ticket', ticket: Buffer.from('one') })
    rig.turn()
    expect(rig.log()).toEqual(['handshake h3'])
    rig.control(settings([[SETTING.MAX_FIELD_SECTION_SIZE, 500]]))
    expect(rig.log()).toEqual(['ticket one 500'])
    rig.quic.tell({ type: 'ticket', ticket: Buffer.from('two') })
    rig.turn()
    expect(rig.log()).toEqual(['ticket two 500'])
  })

  it('are ignored by a server', () => {
    const rig = new SessionRig('server')
    rig.quic.tell({ type: 'ticket', ticket: Buffer.from('one') })
    rig.turn()
    expect(rig.log()).toEqual([])
  })
})

describe('before the handshake', () => {
  it('a client without a ticket writes nothing, and is not ready for a request', () => {
    const rig = new SessionRig('client', { handshake: false })
    expect(rig.quic.ids).toEqual([])
    expect(rig.session.readiness(asked({ mayBeEarly: true }), rig.now)).toBe('later')
    rig.quic.establish()
    rig.turn()
    expect(rig.quic.ids).toEqual([2, 6, 10])
    expect(rig.session.readiness(asked(), rig.now)).toBe('now')
  })

  it('a server in early data answers at once', () => {
    const quic = new FakeQuic('server')
    quic.isInEarlyData = true
    const rig = new SessionRig('server', { handshake: false, quic })
    expect(rig.controlFrames()[0]?.type).toBe(FRAME.SETTINGS)
    rig.quic.establish()
    rig.turn()
    // Once is enough.
    expect(rig.controlFrames().filter(({ type }) => type === FRAME.SETTINGS)).toEqual([])
  })

  it('an upgrade waits for the SETTINGS, and follows them (RFC 9220 3)', () => {
    for (const [peerSettings, readiness] of [
      [[[SETTING.ENABLE_CONNECT_PROTOCOL, 1]], 'now'],
      [[], 'unavailable'],
    ] as const) {
      const rig = new SessionRig('client', { handshake: false })
      rig.quic.establish()
      rig.turn()
      expect(rig.session.readiness(asked({ upgrade: 'websocket' }), rig.now)).toBe('later')
      rig.control(settings(peerSettings))
      expect(rig.session.readiness(asked({ upgrade: 'websocket' }), rig.now)).toBe(readiness)
    }
  })
})
