import { describe, expect, it } from 'vitest'
import { NO_HEADERS } from '../../../../../src/base/http/headers.ts'
import type { Http2Options } from '../../../../../src/base/options/protocol-options.ts'
import { requestBlock, responseBlock } from '../../../../support/http2-fields.ts'
import {
  data,
  FLAG,
  frame,
  headers,
  PREFACE,
  resetStream,
  SETTING,
  SETTINGS_ACK,
  settings,
  TYPE,
  type WireFrame,
  windowUpdate,
} from '../../../../support/http2-wire.ts'
import { isAlive, POST, type RigOptions, type Role, SessionRig, verdictOn } from './session-rig.ts'

const ROLES: Role[] = ['client', 'server']
const { END_STREAM, PADDED } = FLAG
const MAX_WINDOW = 2 ** 31 - 1
const INITIAL_WINDOW = 65_535

/** A session with stream `1` (or more) open for us to send on. */
function sending(role: Role, rigOptions: RigOptions = {}, streams = 1): SessionRig {
  const rig = new SessionRig(role, rigOptions)
  for (let index = 0; index < streams; index++) {
    if (role === 'client') rig.open(POST, false)
    else {
      rig.receive(headers(2 * index + 1, requestBlock('/', [], 'POST')))
      rig.stream(2 * index + 1).respond(200, NO_HEADERS, false)
    }
  }
  rig.frames()
  rig.log()
  return rig
}

/** A session with stream 1 open, on which the peer sends content. */
function receiving(role: Role, options: Partial<Http2Options> = {}): SessionRig {
  const rig = new SessionRig(role, { options })
  if (role === 'client') {
    rig.open(POST, false)
    rig.receive(headers(1, responseBlock()))
  } else rig.receive(headers(1, requestBlock('/', [], 'POST')))
  rig.frames()
  rig.log()
  return rig
}

const keep = (chunk: Buffer): Buffer => Buffer.from(chunk)
const dataBytes = (frames: readonly WireFrame[], id?: number): number =>
  frames
    .filter(({ type, streamId }) => type === TYPE.DATA && (id === undefined || streamId === id))
    .reduce((sum, { payload }) => sum + payload.length, 0)
const creditOf = (frames: readonly WireFrame[], id: number): number =>
  frames
    .filter(({ type, streamId }) => type === TYPE.WINDOW_UPDATE && streamId === id)
    .reduce((sum, { payload }) => sum + payload.readUInt32BE(0), 0)

describe.each(ROLES)('a %s that sends content (RFC 9113 6.9)', role => {
  it.each<[string, string, (rig: SessionRig) => Buffer]>([
    ['6.9: 0 on the connection', 'connection PROTOCOL_ERROR', () => windowUpdate(0, 0)],
    ['6.9: 0 on a stream', 'stream 1 PROTOCOL_ERROR', () => windowUpdate(1, 0)],
    ['6.9: 0 but for the reserved bit', 'stream 1 PROTOCOL_ERROR', () => windowUpdate(1, 0x8000_0000)],
    [
      '6.9.1: the connection, above 2^31-1',
      'connection FLOW_CONTROL_ERROR',
      () => windowUpdate(0, MAX_WINDOW),
    ],
    ['6.9.1: a stream, above 2^31-1', 'stream 1 FLOW_CONTROL_ERROR', () => windowUpdate(1, MAX_WINDOW)],
    ['6.9.1: the connection, up to 2^31-1', 'none', () => windowUpdate(0, MAX_WINDOW - INITIAL_WINDOW)],
    ['6.9.1: a stream, up to 2^31-1', 'none', () => windowUpdate(1, MAX_WINDOW - INITIAL_WINDOW)],
    [
      '6.9.2: INITIAL_WINDOW_SIZE that takes a stream above 2^31-1',
      'connection FLOW_CONTROL_ERROR',
      rig => {
        rig.receive(windowUpdate(1, 10))
        return settings({ [SETTING.INITIAL_WINDOW_SIZE]: MAX_WINDOW })
      },
    ],
    [
      '6.9.2: INITIAL_WINDOW_SIZE of 2^31-1',
      'none',
      () => settings({ [SETTING.INITIAL_WINDOW_SIZE]: MAX_WINDOW }),
    ],
  ])('counts credit by section %s, with %s', (_, verdict, bytes) => {
    const rig = sending(role)
    expect(verdictOn(rig, bytes(rig))).toBe(verdict)
    if (!verdict.startsWith('connection')) expect(isAlive(rig)).toBe(true)
  })

  it('sends no more than the window of the stream, and goes on with further credit', () => {
    const rig = sending(role)
    rig.receive(windowUpdate(0, 1_000_000))
    const stream = rig.stream(1)
    expect(stream.write(Buffer.alloc(70_000, 'a'), keep)).toBe(false)
    expect(dataBytes(rig.wire())).toBe(INITIAL_WINDOW)
    expect(stream.queuedBytes).toBe(70_000 - INITIAL_WINDOW)
    rig.receive(windowUpdate(1, 1))
    expect(dataBytes(rig.wire())).toBe(1)
    expect(rig.log()).toEqual([])
    rig.receive(windowUpdate(1, 100_000))
    expect(dataBytes(rig.wire())).toBe(70_000 - INITIAL_WINDOW - 1)
    expect(rig.log()).toEqual(['writable 1'])
    expect(stream.queuedBytes).toBe(0)
  })

  it('sends no more than the window of the connection, and shares further credit among its streams', () => {
    const rig = sending(role, {}, 2)
    rig.receive(windowUpdate(1, 1_000_000), windowUpdate(3, 1_000_000))
    rig.stream(1).write(Buffer.alloc(100_000), keep)
    rig.stream(3).write(Buffer.alloc(100_000), keep)
    expect(dataBytes(rig.wire())).toBe(INITIAL_WINDOW)
    rig.receive(windowUpdate(0, 200_000))
    const frames = rig.wire()
    expect(dataBytes(frames, 1) + dataBytes(frames, 3)).toBe(200_000 - INITIAL_WINDOW)
    expect(rig.log().sort()).toEqual(['writable 1', 'writable 3'])
  })

  it('ends a stream behind what waits, and needs no window for an end alone', () => {
    const rig = sending(role)
    const stream = rig.stream(1)
    stream.write(Buffer.alloc(INITIAL_WINDOW), keep)
    expect(dataBytes(rig.wire())).toBe(INITIAL_WINDOW)
    stream.end(NO_HEADERS)
    const [end] = rig.wire()
    expect(end).toMatchObject({ type: TYPE.DATA, flags: END_STREAM, streamId: 1 })
    expect(end?.payload).toHaveLength(0)

    const waiting = sending(role)
    waiting.stream(1).write(Buffer.alloc(INITIAL_WINDOW + 2), keep)
    waiting.stream(1).end(['x-sum', '1'])
    expect(waiting.wire().at(-1)).toMatchObject({ type: TYPE.DATA, flags: 0 })
    waiting.receive(windowUpdate(0, 10), windowUpdate(1, 10))
    const rest = waiting.wire()
    expect(rest.map(({ type, flags }) => [type, flags])).toEqual([
      [TYPE.DATA, 0],
      [TYPE.HEADERS, FLAG.END_HEADERS | END_STREAM],
    ])
  })

  it('cuts DATA to the frame size that the peer accepts (6.5.2)', () => {
    const rig = sending(role, { peerSettings: { [SETTING.MAX_FRAME_SIZE]: 20_000 } })
    rig.stream(1).write(Buffer.alloc(50_000), keep)
    expect(rig.wire().map(({ payload }) => payload.length)).toEqual([20_000, 20_000, 10_000])
  })

  it('takes windows below zero after a smaller INITIAL_WINDOW_SIZE, until credit has filled them (6.9.2)', () => {
    const rig = sending(role)
    rig.receive(windowUpdate(0, 1_000_000))
    const stream = rig.stream(1)
    stream.write(Buffer.alloc(100_000), keep)
    expect(dataBytes(rig.wire())).toBe(INITIAL_WINDOW)
    rig.receive(settings({ [SETTING.INITIAL_WINDOW_SIZE]: 10 })) // the window is 10 - 65535 now
    expect(dataBytes(rig.wire())).toBe(0)
    rig.receive(windowUpdate(1, INITIAL_WINDOW - 10)) // 0
    expect(dataBytes(rig.wire())).toBe(0)
    rig.receive(windowUpdate(1, 7))
    expect(dataBytes(rig.wire())).toBe(7)
    rig.receive(settings({ [SETTING.INITIAL_WINDOW_SIZE]: 30 }))
    expect(dataBytes(rig.wire())).toBe(20)
    rig.receive(
      settings({ [SETTING.INITIAL_WINDOW_SIZE]: 0 }),
      settings({ [SETTING.INITIAL_WINDOW_SIZE]: 31 }),
    )
    expect(dataBytes(rig.wire())).toBe(1)
    expect(stream.queuedBytes).toBe(100_000 - INITIAL_WINDOW - 28)
  })

  it('holds content back, not heads, with a window of 0 from the start (6.9.2)', () => {
    const rig = sending(role, { peerSettings: { [SETTING.INITIAL_WINDOW_SIZE]: 0 } })
    rig.stream(1).write(Buffer.from('abc'), keep)
    rig.stream(1).end(NO_HEADERS)
    expect(rig.frames()).toEqual([])
    rig.receive(windowUpdate(1, 2))
    expect(dataBytes(rig.wire())).toBe(2)
    rig.receive(windowUpdate(1, 2))
    const [last] = rig.wire()
    expect(last).toMatchObject({ type: TYPE.DATA, flags: END_STREAM })
    expect(last?.payload.toString()).toBe('c')
  })

  it('uses what new SETTINGS allow behind their acknowledgement (6.5.3)', () => {
    const rig = sending(role)
    rig.receive(windowUpdate(0, 1_000_000))
    rig.stream(1).write(Buffer.alloc(100_000), keep)
    rig.frames()
    rig.receive(settings({ [SETTING.INITIAL_WINDOW_SIZE]: 200_000, [SETTING.MAX_FRAME_SIZE]: 100_000 }))
    expect(rig.frames()).toEqual(['SETTINGS 0', 'DATA 1'])
  })

  it('ignores credit for a stream that is over (6.9.1)', () => {
    const rig = sending(role)
    rig.stream(1).reset('CANCEL')
    rig.frames()
    expect(verdictOn(rig, windowUpdate(1, 0), windowUpdate(1, MAX_WINDOW))).toBe('none')
  })

  it('makes its producers wait for room, whatever the windows say, and notifies them when there is', () => {
    const rig = sending(role, {
      options: { writeAheadBytes: 1000 },
      peerSettings: { [SETTING.INITIAL_WINDOW_SIZE]: MAX_WINDOW },
    })
    rig.receive(windowUpdate(0, 1_000_000_000))
    const stream = rig.stream(1)
    let written = 0
    rig.onWritable = () => void (written += 1)
    while (stream.write(Buffer.alloc(500), keep)) written += 1
    expect(written).toBeLessThan(5)
    expect(rig.session.outputBytes).toBeLessThan(5000)
    const before = written
    rig.frames()
    expect(written).toBe(before + 1)
  })

  it('lets no producer that throws when it is notified of room stop the others', () => {
    const rig = sending(role, { options: { writeAheadBytes: 20_000 } }, 2)
    for (const id of [1, 3]) expect(rig.stream(id).write(Buffer.alloc(20_000), keep)).toBe(false)
    rig.onWritable = () => {
      throw new Error('a defect')
    }
    rig.session.takeOutput()
    expect(() => rig.session.releaseOutput()).toThrow('a defect')
    rig.onWritable = undefined
    rig.receive(windowUpdate(0, 2000))
    expect(rig.frames()).toEqual(['DATA 3', 'DATA 3'])
    expect(rig.log()).toEqual(['writable 1', 'writable 3'])
  })
})

describe.each(ROLES)('a %s that receives content (RFC 9113 6.9)', role => {
  const small = { streamWindowBytes: 70_000, maxStreamWindowBytes: 70_000, connectionWindowBytes: 100_000 }

  it('gives credit back for what was read, on both levels', () => {
    const rig = receiving(role, small)
    for (let sent = 0; sent < 1_000_000; sent += 10_000) {
      rig.receive(data(1, Buffer.alloc(10_000)))
      expect(rig.frames().filter(frame => !frame.startsWith('WINDOW_UPDATE') && frame !== 'PING 0')).toEqual(
        [],
      )
    }
    expect(rig.bodies.get(1)).toHaveLength(1_000_000)
    expect(rig.session.bufferedBytes).toBe(0)
  })

  it('breaks a stream whose content exceeds its window (6.9.1)', () => {
    const rig = receiving(role, small)
    rig.stream(1).pause()
    for (let i = 0; i < 7; i++) rig.receive(data(1, Buffer.alloc(10_000)))
    expect(rig.session.bufferedBytes).toBeGreaterThanOrEqual(70_000)
    expect(verdictOn(rig, data(1, ''))).toBe('none')
    expect(verdictOn(rig, data(1, 'x'))).toBe('stream 1 FLOW_CONTROL_ERROR')
    expect(rig.session.bufferedBytes).toBe(0)
    expect(isAlive(rig)).toBe(true)
  })

  it('ends the connection when content exceeds its window (6.9.1)', () => {
    const rig = receiving(role, { ...small, maxBufferedBytes: 100_000 })
    const next = role === 'client' ? rig.open(POST, false).id : 3
    rig.receive(headers(next, role === 'client' ? responseBlock() : requestBlock('/', [], 'POST')))
    rig.stream(1).pause()
    rig.stream(next).pause()
    // What is held counts against maxBufferedBytes, so that no credit comes.
    for (let i = 0; i < 5; i++) rig.receive(data(1, Buffer.alloc(10_000)), data(next, Buffer.alloc(10_000)))
    expect(rig.session.bufferedBytes).toBeGreaterThanOrEqual(100_000)
    expect(verdictOn(rig, data(1, 'x'))).toBe('connection FLOW_CONTROL_ERROR')
  })

  it('stalls the stream of a stalled reader, and no other', () => {
    const rig = receiving(role, { ...small, maxBufferedBytes: 1_000_000 })
    const next = role === 'client' ? rig.open(POST, false).id : 3
    rig.receive(headers(next, role === 'client' ? responseBlock() : requestBlock('/', [], 'POST')))
    rig.frames()
    rig.stream(1).pause()
    let connectionCredit = 100_000
    let streamCredit = 70_000
    let sleeperCredit = 70_000
    for (let i = 0; i < 7; i++) rig.receive(data(1, Buffer.alloc(10_000)))
    connectionCredit -= 70_000
    sleeperCredit -= 70_000
    for (let i = 0; i < 100; i++) {
      const frames = rig.wire()
      connectionCredit += creditOf(frames, 0)
      streamCredit += creditOf(frames, next)
      sleeperCredit += creditOf(frames, 1)
      expect(Math.min(connectionCredit, streamCredit)).toBeGreaterThanOrEqual(10_000)
      rig.receive(data(next, Buffer.alloc(10_000)))
      connectionCredit -= 10_000
      streamCredit -= 10_000
    }
    expect(sleeperCredit).toBe(0)
    expect(rig.bodies.get(next)).toHaveLength(1_000_000)
    // It wakes, and gets its window back, once half of it is worth a frame.
    rig.stream(1).resume()
    expect(creditOf(rig.wire(), 1)).toBeGreaterThanOrEqual(35_000)
    expect(rig.bodies.get(1)).toHaveLength(70_000)
  })

  it('holds no more than maxBufferedBytes for all stalled readers, and goes on when they resume', () => {
    const rig = receiving(role, { ...small, maxBufferedBytes: 200_000 })
    rig.stream(1).pause()
    let credit = 100_000
    let streams = [1]
    let buffered = 0
    for (let i = 1; credit >= 10_000; i++) {
      expect(i).toBeLessThan(100)
      const id = 2 * i + 1
      if (role === 'client') rig.open(POST, false)
      rig.receive(headers(id, role === 'client' ? responseBlock() : requestBlock('/', [], 'POST')))
      rig.stream(id).pause()
      rig.receive(data(id, Buffer.alloc(10_000)))
      streams = [...streams, id]
      buffered += 10_000
      credit += creditOf(rig.wire(), 0) - 10_000
    }
    expect(rig.session.bufferedBytes).toBeGreaterThanOrEqual(buffered)
    expect(rig.session.bufferedBytes).toBeLessThanOrEqual(200_000)
    for (const id of streams) rig.stream(id).resume()
    credit += creditOf(rig.wire(), 0)
    expect(credit).toBeGreaterThanOrEqual(50_000)
    expect(rig.session.bufferedBytes).toBe(0)
  })

  it('gives credit for padding, and for bytes that nobody reads any more', () => {
    const rig = receiving(role, small)
    let credit = 100_000
    let streamCredit = 70_000
    const padded = Buffer.concat([Buffer.from([255]), Buffer.alloc(300)])
    for (let i = 0; i < 2000; i++) {
      rig.receive(frame(TYPE.DATA, PADDED, 1, padded))
      const frames = rig.wire()
      credit += creditOf(frames, 0) - padded.length
      streamCredit += creditOf(frames, 1) - padded.length
      expect(Math.min(credit, streamCredit)).toBeGreaterThan(0)
    }
    expect(rig.bodies.get(1)).toHaveLength(45 * 2000)
    // Reset by us: what is on its way counts for the connection alone.
    rig.stream(1).reset('CANCEL')
    for (let i = 0; i < 100; i++) {
      rig.receive(data(1, Buffer.alloc(10_000)))
      credit += creditOf(rig.wire(), 0) - 10_000
      expect(credit).toBeGreaterThan(0)
    }
    expect(rig.bodies.get(1)).toHaveLength(45 * 2000)
  })

  it('gives what a stream held back to the connection when the stream ends', () => {
    for (const how of ['reset by us', 'reset by the peer'] as const) {
      const rig = receiving(role, { ...small, maxBufferedBytes: 100_000 })
      rig.stream(1).pause()
      for (let i = 0; i < 7; i++) rig.receive(data(1, Buffer.alloc(10_000)))
      expect(creditOf(rig.wire(), 0)).toBe(0)
      if (how === 'reset by us') rig.stream(1).reset('CANCEL')
      else rig.receive(resetStream(1, 'CANCEL'))
      expect(rig.session.bufferedBytes).toBe(0)
      expect(creditOf(rig.wire(), 0)).toBe(70_000)
    }
  })

  it('delivers what was held in order, and stops again when asked to', () => {
    const rig = receiving(role, small)
    const stream = rig.stream(1)
    stream.pause()
    const letters = ['a', 'b', 'c', 'd'].map(letter => letter.repeat(15_000))
    for (const letter of letters) rig.receive(data(1, letter))
    rig.receive(data(1, 'e', END_STREAM))
    expect(rig.log()).toEqual([])
    const all = `${letters.join('')}e`
    rig.onData = opened => {
      expect(opened.isDeliveringOwned).toBe(true)
      opened.pause()
    }
    stream.resume()
    stream.resume()
    const soFar = rig.bodies.get(1) ?? ''
    expect(soFar.length).toBeGreaterThanOrEqual(30_000)
    expect(soFar.length).toBeLessThan(all.length)
    expect(all.startsWith(soFar)).toBe(true)
    expect(stream.hasReceivedEnd).toBe(false)
    // resume() from within is served by the same loop.
    rig.onData = opened => {
      opened.pause()
      opened.resume()
    }
    stream.resume()
    expect(rig.bodies.get(1)).toBe(all)
    expect(rig.log().at(-1)).toBe('end 1')
    expect(stream.hasReceivedEnd).toBe(true)
  })

  it('holds small frames joined: 60,000 of one byte cost what they hold, and notify a reader a dozen times', () => {
    const rig = receiving(role, { ...small, maxTinyFramesPerSecond: 0 })
    const stream = rig.stream(1)
    stream.pause()
    const read = Buffer.concat(Array.from({ length: 1000 }, (_, i) => data(1, String(i % 10))))
    for (let i = 0; i < 60; i++) rig.receive(read)
    expect(rig.session.bufferedBytes).toBeLessThan(80_000)
    stream.resume()
    expect(rig.bodies.get(1)).toBe('0123456789'.repeat(6_000))
    expect(rig.log().length).toBeLessThan(12)
  })

  it('reports nothing more to a reader that resets its stream from within', () => {
    const rig = receiving(role, small)
    const stream = rig.stream(1)
    stream.pause()
    rig.receive(data(1, 'a'.repeat(16_000)), data(1, 'b'.repeat(16_000), END_STREAM))
    rig.onData = opened => opened.reset('CANCEL')
    stream.resume()
    expect(rig.log()).toEqual(['data 1 16000', 'closed 1'])
    expect(rig.session.bufferedBytes).toBe(0)
  })

  it('enforces a window below 65535 from its acknowledgement on, and not before (6.9.3)', () => {
    const rig = new SessionRig(role, {
      handshake: false,
      options: { streamWindowBytes: 1000, maxStreamWindowBytes: 1000 },
    })
    if (role === 'server') rig.receive(PREFACE)
    rig.receive(settings())
    if (role === 'client') rig.open(POST, false)
    rig.receive(headers(1, role === 'client' ? responseBlock() : requestBlock('/', [], 'POST')))
    rig.stream(1).pause()
    // The peer does not know our SETTINGS yet.
    for (let i = 0; i < 6; i++) expect(verdictOn(rig, data(1, Buffer.alloc(10_000)))).toBe('none')
    expect(verdictOn(rig, SETTINGS_ACK)).toBe('none')
    // Its window is below zero now; an end needs none (6.9.1: frames without content may be sent).
    expect(verdictOn(rig, data(1, '', END_STREAM))).toBe('none')
    rig.stream(1).resume()
    expect(rig.log().at(-1)).toBe('end 1')
    expect(rig.bodies.get(1)).toHaveLength(60_000)
  })

  it('breaks a stream beyond a window below 65535 that was acknowledged', () => {
    const rig = receiving(role, { streamWindowBytes: 1000, maxStreamWindowBytes: 1000 })
    rig.stream(1).pause()
    expect(verdictOn(rig, data(1, Buffer.alloc(1000)))).toBe('none')
    expect(verdictOn(rig, data(1, 'x'))).toBe('stream 1 FLOW_CONTROL_ERROR')
  })

  it.each<[string, Partial<Http2Options>]>([
    ['maxBufferedBytes below the window of the connection', { maxBufferedBytes: 50_000 }],
    [
      'a window of the connection far below that of a stream',
      { connectionWindowBytes: 65_535, streamWindowBytes: 1_000_000, maxStreamWindowBytes: 8_000_000 },
    ],
    [
      'a window of the connection that has grown',
      { maxBufferedBytes: 100_000, maxStreamWindowBytes: 10_000_000 },
    ],
  ])('does not stall forever with %s', (_, options) => {
    const rig = receiving(role, { ...small, ...options })
    let credit = options.connectionWindowBytes ?? small.connectionWindowBytes
    for (let i = 0; i < 500; i++) {
      rig.now += 10
      rig.receive(data(1, Buffer.alloc(10_000)))
      const frames = rig.wire()
      const ping = frames.find(({ type }) => type === TYPE.PING)
      if (ping !== undefined) rig.receive(frame(TYPE.PING, FLAG.ACK, 0, ping.payload))
      credit += creditOf([...frames, ...rig.wire()], 0) - 10_000
      expect(credit).toBeGreaterThanOrEqual(10_000)
    }
  })
})
