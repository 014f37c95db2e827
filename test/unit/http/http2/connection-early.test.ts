import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../../../src/base/options/options.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { http2Connection } from '../../../../src/http/http2/connection.ts'
import type { MultiplexedConnection } from '../../../../src/http/multiplex/connection.ts'
import type { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler, type RecordingListener } from '../../../contract/recorder.ts'
import { ScriptedSource } from '../../../contract/scripted-source.ts'
import { earlyConnectionParts } from '../../../support/early-connection-parts.ts'
import { type FakeEarlyGate, type FakeStreamSocket, turns } from '../../../support/fake-early-gate.ts'
import {
  describeFrame,
  FLAG,
  FrameSplitter,
  goaway,
  headers,
  PREFACE,
  SETTINGS_ACK,
  settings,
} from '../../../support/http2-wire.ts'

/** `:status: 200` in the static table of HPACK. */
const STATUS_200 = Buffer.from([0x88])
const answer = (streamId: number): Buffer => headers(streamId, STATUS_200, FLAG.END_HEADERS | FLAG.END_STREAM)

describe('an HTTP/2 connection whose handshake is under way', () => {
  let log: string[]
  let clock: FakeClock
  let gate: FakeEarlyGate
  let socket: FakeStreamSocket
  let listener: RecordingListener
  let connection: MultiplexedConnection
  let splitter: FrameSplitter
  let readTo: number
  beforeEach(() => {
    const parts = earlyConnectionParts()
    ;({ log, clock, gate, socket, listener } = parts)
    splitter = new FrameSplitter()
    readTo = PREFACE.length
    connection = http2Connection({
      ...parts.options,
      limits: DEFAULT_RESPONSE_LIMITS,
      http2: { ...DEFAULT_HTTP2_OPTIONS, streamsBeforeSettings: 5 },
    })
  })
  const open = (overrides: Parameters<typeof requestOf>[0] = {}, name = ''): RecordingHandler => {
    const handler = new RecordingHandler(log, name)
    connection.open(requestOf(overrides), handler)
    return handler
  }
  const early = { mayBeEarly: true }
  const posted = { method: 'POST', body: Buffer.from('body') }
  /** The frames that have left since the last time, in words; those of the beginning are left out. */
  const frames = async (): Promise<string[]> => {
    await turns()
    const all = Buffer.concat(socket.written)
    const next = all.subarray(readTo)
    readTo = all.length
    return splitter
      .receive(next)
      .map(describeFrame)
      .filter(frame => !/^(SETTINGS|WINDOW_UPDATE)/.test(frame))
  }
  const kinds = async (): Promise<string[]> =>
    (await frames()).map(frame => frame.split(' ').slice(0, 2).join(' '))

  it('writes a request that may leave early at once with the preface', async () => {
    const handlers = [open(early), open(early), open(early)]
    await turns()
    expect(socket.written).toHaveLength(1)
    expect(await kinds()).toEqual(['HEADERS 1', 'HEADERS 3', 'HEADERS 5'])
    expect(handlers.map(({ controller }) => controller?.wasEarly)).toEqual([true, true, true])
    gate.open()
    expect(await kinds()).toEqual([])
  })

  it('sends its preface in early data when there is no request', async () => {
    await turns()
    expect(socket.text.startsWith(PREFACE.toString('latin1'))).toBe(true)
    expect(connection.isCapacityProvisional).toBe(true)
  })

  it('holds back a request that may not leave early, and sends it in its order when the handshake is complete', async () => {
    const handlers = [open(posted), open(early), open({}), open({ method: 'DELETE' }), open(early)]
    expect(await kinds()).toEqual(['HEADERS 1', 'HEADERS 3'])
    gate.phase = 'handshaking'
    expect(await kinds()).toEqual([])
    gate.open()
    expect(await kinds()).toEqual(['HEADERS 5', 'DATA 5', 'HEADERS 7', 'HEADERS 9'])
    expect(handlers.map(({ controller }) => controller?.wasEarly)).toEqual([false, true, false, false, true])
    socket.receive(Buffer.concat([settings(), SETTINGS_ACK, ...[1, 3, 5, 7, 9].map(answer)]))
    for (const { status } of await Promise.all(handlers.map(({ done }) => done))) expect(status).toBe(200)
  })

  it('holds back, while it is handshaking, a request that might have left early before', async () => {
    gate.phase = 'handshaking'
    const { controller } = open(early)
    expect(await kinds()).toEqual([])
    gate.open()
    expect(await kinds()).toEqual(['HEADERS 1'])
    expect(controller?.wasEarly).toBe(false)
  })

  it('holds back nothing when the handshake is complete', async () => {
    gate.open()
    open(posted)
    expect(await kinds()).toEqual(['HEADERS 1', 'DATA 1'])
  })

  it('begins a body that is held back when it leaves, and not before', async () => {
    const source = new ScriptedSource()
    open({ method: 'PUT', body: source })
    await turns()
    expect(source.sink).toBeUndefined()
    gate.open()
    expect(source.sink).toBeDefined()
    expect(await kinds()).toEqual(['HEADERS 1'])
  })

  it('never sends a request that is given up while it is held back, and the others keep their order', async () => {
    const [first, second] = [open(posted, 'a'), open(posted, 'b')]
    first.controller?.abort(new TransportError('MM_ABORTED', 'given up'))
    expect(log).toEqual([
      'a: request-start',
      'b: request-start',
      'stream-closed',
      'a: response-error MM_ABORTED no',
    ])
    gate.open()
    expect(await kinds()).toEqual(['HEADERS 1', 'DATA 1'])
    expect(second.error).toBeUndefined()
  })

  it('resets a request that has left early and is given up, and none of the others', async () => {
    const [first, second] = [open(early, 'a'), open(early, 'b')]
    await turns()
    gate.phase = 'handshaking'
    first.controller?.abort(new TransportError('MM_ABORTED', 'given up'))
    expect((await kinds()).at(-1)).toBe('RST_STREAM 1')
    gate.open()
    socket.receive(Buffer.concat([settings(), SETTINGS_ACK, answer(3)]))
    expect((await second.done).status).toBe(200)
  })

  it('lets the time limit of a request run while it is held back', () => {
    const handler = open({ ...posted, headersTimeoutMs: 100 })
    clock.advance(99)
    expect(handler.error).toBeUndefined()
    clock.advance(1)
    expect(handler.error).toMatchObject({ code: 'MM_HEADERS_TIMEOUT', processed: 'no' })
  })

  it('reports that what was held back was not processed, and that what had left may have been', async () => {
    const [left, held] = [open(early, 'a'), open(posted, 'b')]
    await turns()
    connection.close('timeout')
    expect(left.error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'unknown' })
    expect(held.error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'no' })
    expect(log.slice(2)).toEqual([
      'draining timeout',
      'stream-failed',
      'stream-failed',
      'closed timeout',
      'a: response-error MM_CONNECTION_CLOSED unknown',
      'b: response-error MM_CONNECTION_CLOSED no',
    ])
    gate.open() // too late: nothing follows
    await turns()
    expect(log).toHaveLength(8)
  })

  it('ends at once when it is closed, so that no request is sent again that nobody waits for', async () => {
    open(early)
    await turns()
    gate.phase = 'handshaking'
    const { length } = socket.written
    connection.close('timeout')
    expect(socket.destroyed).toBe(true)
    await turns()
    expect(socket.written).toHaveLength(length)
    expect(clock.pendingTimers()).toBe(0)
  })

  it('breaks all requests when its handshake fails', async () => {
    const [left, held] = [open(early), open(posted)]
    await turns()
    socket.destroy(new Error('handshake failure'))
    expect((await left.done).error).toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'unknown' })
    expect((await held.done).error).toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'no' })
    expect(clock.pendingTimers()).toBe(0)
  })

  it('refuses the requests that it holds back when it is to drain, and finishes those that have left', async () => {
    const [left, held] = [open(early), open(posted)]
    await turns()
    connection.drain('drained')
    expect((await held.done).error).toMatchObject({ code: 'MM_REFUSED', processed: 'no' })
    gate.open()
    socket.receive(Buffer.concat([settings(), SETTINGS_ACK, answer(1)]))
    expect((await left.done).status).toBe(200)
    expect(await listener.closed).toBe('drained')
  })

  it('refuses the requests beyond the number of streams that the peer turns out to allow', async () => {
    const [, first, second] = [open(early), open(posted), open(posted)]
    await turns()
    gate.phase = 'open' // complete, and SETTINGS came with it
    socket.receive(Buffer.concat([settings({ 3: 2 }), SETTINGS_ACK]))
    gate.open()
    await turns()
    expect(first.error).toBeUndefined()
    expect(second.error).toMatchObject({ code: 'MM_REFUSED', processed: 'no' })
  })

  it('refuses the requests that it holds back when GOAWAY comes with the end of the handshake', async () => {
    const [left, held] = [open(early), open(posted)]
    await turns()
    gate.phase = 'open'
    socket.receive(Buffer.concat([settings(), SETTINGS_ACK, goaway(1), answer(1)]))
    gate.open()
    expect((await left.done).status).toBe(200)
    expect((await held.done).error).toMatchObject({ code: 'MM_REFUSED', processed: 'no' })
  })

  it('reports its capacity when the handshake is complete', () => {
    gate.open()
    expect(log).toEqual(['capacity-changed'])
  })
})
