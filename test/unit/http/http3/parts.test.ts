import { describe, expect, it } from 'vitest'
import { DEFAULT_HTTP3_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { FloodGuard } from '../../../../src/http/http3/flood-guard.ts'
import { encodeDatagram, readDatagram } from '../../../../src/http/http3/frames/datagrams.ts'
import { ERROR_CODES, errorCodeOf } from '../../../../src/http/http3/frames/error-codes.ts'
import { StallMeter } from '../../../../src/http/http3/inbound-messages.ts'
import { quicFailure } from '../../../../src/http/http3/inbound-turn.ts'
import { SessionDeadlines } from '../../../../src/http/http3/session-deadlines.ts'
import { OwnStream } from '../../../../src/http/http3/unidirectional-streams.ts'
import { varint } from '../../../support/http3-wire.ts'
import { FakeQuic } from './fake-quic.ts'

describe('error codes', () => {
  it('are those of RFC 9114 8.1, RFC 9204 6 and RFC 9297 5.2', () => {
    expect(ERROR_CODES).toEqual({
      H3_DATAGRAM_ERROR: 0x33,
      H3_NO_ERROR: 0x100,
      H3_GENERAL_PROTOCOL_ERROR: 0x101,
      H3_INTERNAL_ERROR: 0x102,
      H3_STREAM_CREATION_ERROR: 0x103,
      H3_CLOSED_CRITICAL_STREAM: 0x104,
      H3_FRAME_UNEXPECTED: 0x105,
      H3_FRAME_ERROR: 0x106,
      H3_EXCESSIVE_LOAD: 0x107,
      H3_ID_ERROR: 0x108,
      H3_SETTINGS_ERROR: 0x109,
      H3_MISSING_SETTINGS: 0x10a,
      H3_REQUEST_REJECTED: 0x10b,
      H3_REQUEST_CANCELLED: 0x10c,
      H3_REQUEST_INCOMPLETE: 0x10d,
      H3_MESSAGE_ERROR: 0x10e,
      H3_CONNECT_ERROR: 0x10f,
      H3_VERSION_FALLBACK: 0x110,
      QPACK_DECOMPRESSION_FAILED: 0x200,
      QPACK_ENCODER_STREAM_ERROR: 0x201,
      QPACK_DECODER_STREAM_ERROR: 0x202,
    })
  })

  it('unknown ones and grease mean H3_NO_ERROR (RFC 9114 9)', () => {
    expect([0x10e, 0x21, 0x1f * 5 + 0x21, 0, 2 ** 60].map(errorCodeOf)).toEqual([
      'H3_MESSAGE_ERROR',
      ...Array.from({ length: 4 }, () => 'H3_NO_ERROR'),
    ])
  })
})

describe('quicFailure', () => {
  const failure = (end: Partial<Parameters<typeof quicFailure>[0]>): object =>
    quicFailure({ cause: 'peer', isApplication: true, code: 0x100, reason: '', ...end })

  it.each([
    [{}, { code: 'H3_NO_ERROR', isError: false, cause: 'peer' }],
    [
      { code: 0x107, reason: 'calm down' },
      { code: 'H3_EXCESSIVE_LOAD', isError: true, cause: 'peer' },
    ],
    [{ code: 0x21 }, { code: 'H3_NO_ERROR', isError: false }],
    [
      { isApplication: false, code: 0 },
      { code: 'QUIC error 0', isError: false, cause: 'peer' },
    ],
    [
      { isApplication: false, code: 0x128 },
      { code: 'QUIC error 296', isError: true },
    ],
    [
      { cause: 'local', isApplication: false, code: 7 },
      { code: 'QUIC error 7', isError: true, cause: 'peer' },
    ],
    [{ cause: 'idle' }, { isError: false, cause: 'idle' }],
    [{ cause: 'reset' }, { isError: false, cause: 'network' }],
    [
      { cause: 'unusable', reason: 'why' },
      { isError: false, cause: 'network' },
    ],
  ] as const)('%o', (end, expected) => {
    expect(failure(end)).toMatchObject(expected)
  })

  it('says what people need', () => {
    expect(failure({ code: 0x107, reason: 'calm down' })).toMatchObject({
      message: 'the peer closed the connection (H3_EXCESSIVE_LOAD): calm down',
    })
    expect(failure({ cause: 'unusable', reason: 'why' })).toMatchObject({
      message: 'the connection cannot go on: why',
    })
  })
})

describe('datagrams (RFC 9297 2.1)', () => {
  it.each([0, 4, 252, 256, 65_532, 2 ** 32, 2 ** 52])('for stream %i, round trip', streamId => {
    const bytes = encodeDatagram(streamId, Buffer.from('payload'))
    expect(readDatagram(bytes)).toEqual({ streamId, payload: Buffer.from('payload') })
  })

  it('without an id, or with one that no stream has', () => {
    for (const bytes of [Buffer.alloc(0), Buffer.of(0x80, 0), varint(2 ** 52), Buffer.alloc(8, 0xff)]) {
      expect(() => readDatagram(bytes)).toThrow(expect.objectContaining({ code: 'H3_DATAGRAM_ERROR' }))
    }
  })
})

describe('SessionDeadlines', () => {
  it('tells what is overdue, each once', () => {
    const deadlines = new SessionDeadlines()
    expect([deadlines.nextAt, deadlines.takeOverdue(1e12)]).toEqual([Infinity, undefined])
    deadlines.expect('settings', 0, 100)
    deadlines.expect('drain', 0, 50)
    expect([deadlines.nextAt, deadlines.takeOverdue(49)]).toEqual([50, undefined])
    expect([deadlines.takeOverdue(50), deadlines.takeOverdue(50), deadlines.nextAt]).toEqual([
      'drain',
      undefined,
      100,
    ])
    deadlines.met('settings')
    expect(deadlines.takeOverdue(1e12)).toBeUndefined()
    deadlines.expect('settings', 0, 0)
    expect(deadlines.nextAt).toBe(Infinity)
  })
})

describe('FloodGuard', () => {
  it('counts each kind for itself, and names the limit', () => {
    const guard = new FloodGuard({
      ...DEFAULT_HTTP3_OPTIONS,
      maxResetsPerSecond: 1,
      maxEmptyFramesPerSecond: 0,
    })
    for (let i = 0; i < 10; i++) guard.count('maxResetsPerSecond', 0)
    for (let i = 0; i < 1000; i++) guard.count('maxEmptyFramesPerSecond', 0)
    guard.count('maxIgnoredFramesPerSecond', 0)
    expect(() => guard.count('maxResetsPerSecond', 0)).toThrow(
      expect.objectContaining({ code: 'H3_EXCESSIVE_LOAD', limit: 'maxResetsPerSecond' }),
    )
    guard.count('maxResetsPerSecond', 1001)
  })
})

describe('StallMeter', () => {
  const stream = (lastReadAt = 0) => ({ stallMs: 0, lastReadAt, hasSlept: false })

  it('sees nothing where everything comes in order', () => {
    const meter = new StallMeter()
    const [one, other] = [stream(), stream()]
    for (let now = 10; now <= 1000; now += 10) {
      meter.onTurn(2500, now)
      meter.onRead(one, 1200, now)
      meter.onRead(other, 1200, now)
    }
    expect([one.stallMs, other.stallMs]).toEqual([0, 0])
  })

  it('what a stream yields beyond what arrived sat behind a gap since nobody could read it', () => {
    const meter = new StallMeter()
    const [stuck, fine] = [stream(), stream()]
    meter.onTurn(2500, 10)
    meter.onRead(stuck, 1200, 10)
    meter.onRead(fine, 1200, 10)
    // Five datagrams come that nobody can read.
    meter.onTurn(6250, 20)
    meter.onTurn(1250, 60)
    meter.onRead(stuck, 7200, 60)
    expect([stuck.stallMs, fine.stallMs]).toEqual([40, 0])
    // And that was that.
    meter.onTurn(1250, 100)
    meter.onRead(stuck, 1200, 100)
    expect(stuck.stallMs).toBe(40)
  })

  it('a stalled reader’s bytes waited for the stalled reader', () => {
    const meter = new StallMeter()
    const stalled = stream()
    meter.onTurn(6250, 20)
    stalled.hasSlept = true
    meter.onTurn(0, 500)
    meter.onRead(stalled, 6000, 500)
    expect([stalled.stallMs, stalled.hasSlept]).toEqual([0, false])
  })

  it('less than a datagram that nobody reads is acknowledgements', () => {
    const meter = new StallMeter()
    const one = stream()
    for (let now = 0; now < 20; now++) meter.onTurn(1000, now)
    meter.onTurn(1250, 1000)
    meter.onRead(one, 1200, 1000)
    expect(one.stallMs).toBe(0)
  })
})

describe('OwnStream', () => {
  it('says its type first, whatever was put before it was opened, and waits for room', () => {
    const quic = new FakeQuic('client')
    quic.left.unidirectional = 0
    quic.room = 2
    const stream = new OwnStream(quic, 0x54)
    stream.put(Buffer.from('ab'))
    stream.open()
    expect([stream.id, stream.isClear]).toEqual([undefined, false])
    quic.left.unidirectional = 1
    stream.open()
    stream.open()
    stream.put(Buffer.from('cd'))
    expect([stream.id, stream.isClear, quic.stream(2).written.toString('hex')]).toEqual([2, false, '4054'])
    quic.allow(2, 3)
    stream.pump()
    expect(quic.stream(2).written.subarray(2).toString()).toBe('abc')
    quic.allow(2, 3)
    stream.pump()
    expect([stream.isClear, quic.stream(2).written.subarray(2).toString()]).toEqual([true, 'abcd'])
  })
})
