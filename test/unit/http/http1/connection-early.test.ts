import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import { DEFAULT_RESPONSE_LIMITS } from '../../../../src/base/options/options.ts'
import { Http1Connection } from '../../../../src/http/http1/connection.ts'
import type { FakeClock } from '../../../../src/testing/fake-clock.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler, type RecordingListener } from '../../../contract/recorder.ts'
import { ScriptedSource } from '../../../contract/scripted-source.ts'
import { earlyConnectionParts } from '../../../support/early-connection-parts.ts'
import { type FakeEarlyGate, type FakeStreamSocket, turns } from '../../../support/fake-early-gate.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

describe('an HTTP/1.1 connection whose handshake is under way', () => {
  let log: string[]
  let clock: FakeClock
  let gate: FakeEarlyGate
  let socket: FakeStreamSocket
  let listener: RecordingListener
  let connection: Http1Connection
  beforeEach(() => {
    const parts = earlyConnectionParts()
    ;({ log, clock, gate, socket, listener } = parts)
    connection = new Http1Connection({
      ...parts.options,
      limits: DEFAULT_RESPONSE_LIMITS,
    })
  })
  const open = (overrides: Parameters<typeof requestOf>[0] = {}, name = ''): RecordingHandler => {
    const handler = new RecordingHandler(log, name)
    connection.open(requestOf(overrides), handler)
    return handler
  }
  const early = { mayBeEarly: true }
  const posted = { method: 'POST', body: Buffer.from('body') }

  it('writes at once what may leave early, and reports that it did', async () => {
    const { controller, done } = open(early)
    expect(socket.text).toMatch(/^GET \/ HTTP\/1\.1\r\n/)
    expect(controller?.wasEarly).toBe(true)
    gate.phase = 'handshaking'
    gate.open()
    socket.receive(OK)
    await done
    expect(socket.text.match(/GET/g)).toHaveLength(1)
    expect(log).toEqual(['request-start', 'response-start 200', 'stream-closed', 'response-end'])
  })

  it.each(['collecting', 'handshaking'] as const)(
    'holds back a request that may not leave early while %s',
    async phase => {
      gate.phase = phase
      const { controller, done } = open(posted)
      await turns()
      expect(socket.text).toBe('')
      expect(log).toEqual(['request-start'])
      gate.open()
      expect(socket.text).toMatch(/^POST \/ HTTP\/1\.1\r\n[^]*\r\n\r\nbody$/)
      expect(controller?.wasEarly).toBe(false)
      socket.receive(OK)
      expect((await done).status).toBe(200)
    },
  )

  it('holds back a request that might have left early when another has left already', () => {
    gate.phase = 'handshaking'
    const { controller } = open(early)
    expect(socket.text).toBe('')
    gate.open()
    expect(socket.text).toMatch(/^GET/)
    expect(controller?.wasEarly).toBe(false)
  })

  it('holds back nothing when the handshake is complete', () => {
    gate.open()
    const { controller } = open(posted)
    expect(socket.text).toMatch(/^POST/)
    expect(controller?.wasEarly).toBe(false)
  })

  it('begins a body that is held back when it leaves, and not before', async () => {
    const source = new ScriptedSource()
    open({ method: 'PUT', body: source })
    await turns()
    expect([socket.text, source.sink]).toEqual(['', undefined])
    gate.open()
    expect(socket.text).toMatch(/^PUT/)
    expect(source.sink).toBeDefined()
  })

  it('accepts the next request when one that is held back was given up, and never writes that', () => {
    const { controller } = open(posted, 'a')
    controller?.abort(aborted())
    expect(log).toEqual(['a: request-start', 'stream-closed', 'a: response-error MM_ABORTED no'])
    open({ ...early, path: '/next' }, 'b')
    expect(socket.text).toMatch(/^GET \/next/)
    gate.open()
    expect(socket.text.match(/HTTP\/1\.1/g)).toHaveLength(1)
    expect(connection.toString()).toContain('active, 2 requests')
  })

  it('ends with a request that had left early and was given up', () => {
    const { controller } = open(early)
    controller?.abort(aborted())
    expect(socket.destroyed).toBe(true)
    expect(log).toEqual([
      'request-start',
      'draining exchange-aborted',
      'stream-closed',
      'closed exchange-aborted',
      'response-error MM_ABORTED no',
    ])
    gate.open() // says nothing any more
    expect(log).toHaveLength(5)
  })

  it('lets the time limit of a request run while it is held back', () => {
    const handler = open({ ...posted, headersTimeoutMs: 100 })
    clock.advance(99)
    expect(handler.error).toBeUndefined()
    clock.advance(1)
    expect(handler.error).toMatchObject({ code: 'MM_HEADERS_TIMEOUT', processed: 'no' })
    expect(socket.text).toBe('')
    expect(clock.pendingTimers()).toBe(0)
  })

  it('gives a request all of its time again when it leaves', () => {
    const handler = open({ ...posted, headersTimeoutMs: 100 })
    clock.advance(90)
    gate.open()
    clock.advance(90)
    expect(handler.error).toBeUndefined()
    clock.advance(10)
    expect(handler.error).toMatchObject({ code: 'MM_HEADERS_TIMEOUT', processed: 'unknown' })
  })

  it('reports that what was held back was not processed, and that what had left may have been', async () => {
    const held = open(posted)
    connection.close('timeout')
    expect(held.error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'no' })
    expect(log.slice(1, 2)).toEqual(['draining timeout'])
    expect(socket.destroyed).toBe(true)
    gate.open()
    expect(socket.text).toBe('')
  })

  it('breaks with its handshake under a request that has left early', async () => {
    const { done } = open(early)
    socket.destroy(new Error('handshake failure'))
    const { error } = await done
    expect(error).toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'unknown' })
    expect(error?.message).toContain('handshake failure')
  })

  it('drains when a request that is held back has ended', async () => {
    const { done } = open(posted)
    connection.drain('drained')
    expect(log).toEqual(['request-start'])
    gate.open()
    socket.receive(OK)
    expect((await done).status).toBe(200)
    expect(await listener.closed).toBe('drained')
  })

  it('goes on when a request that was held back cannot be encoded', () => {
    const handler = open({ ...posted, headers: ['x-bad', 'a\r\nb'] })
    gate.open()
    expect(handler.error).toMatchObject({ code: 'MM_INVALID_ARGUMENT' })
    expect(socket.text).toBe('')
    open()
    expect(socket.text).toMatch(/^GET/)
  })

  it('holds back a request that a handler opens within the last call of the one before', async () => {
    const { done } = open(early, 'a')
    listener.onFree = () => void open(posted, 'b')
    gate.phase = 'handshaking'
    socket.receive(OK)
    await done
    expect(socket.text).not.toContain('POST')
    gate.open()
    expect(socket.text).toContain('POST')
  })

  it('writes nothing at the end of the handshake when no request waits', () => {
    gate.open()
    expect([socket.text, log]).toEqual(['', []])
    expect(clock.pendingTimers()).toBe(0)
  })
})

function aborted() {
  return new TransportError('MM_ABORTED', 'given up')
}
