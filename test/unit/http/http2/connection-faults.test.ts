import { describe, expect, it, vi } from 'vitest'
import { DEFAULT_RESPONSE_LIMITS } from '../../../../src/base/options/options.ts'
import { DEFAULT_HTTP2_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { http2Connection } from '../../../../src/http/http2/connection.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler } from '../../../contract/recorder.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'
import { earlyConnectionParts } from '../../../support/early-connection-parts.ts'
import { turns } from '../../../support/fake-early-gate.ts'
import { FLAG, headers, SETTINGS_ACK, settings } from '../../../support/http2-wire.ts'

/** `:status: 200` in the static table of HPACK. */
const answer = (streamId: number): Buffer =>
  headers(streamId, Buffer.from([0x88]), FLAG.END_HEADERS | FLAG.END_STREAM)
const INTERNAL = { error: { code: 'MM_INTERNAL', cause: DEFECT } }
const THROWN = String(DEFECT)

function connect() {
  const { log, listener, socket, options } = earlyConnectionParts()
  const connection = http2Connection({
    ...options,
    early: undefined,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
  })
  const open = (): RecordingHandler => {
    const handler = new RecordingHandler(log)
    connection.open(requestOf(), handler)
    return handler
  }
  const begin = async (): Promise<void> => {
    socket.receive(Buffer.concat([settings({}), SETTINGS_ACK]))
    await turns()
  }
  return { listener, socket, connection, open, begin }
}

describe('a defect in an event of an HTTP/2 connection', () => {
  it('while it writes fails the exchanges on it with MM_INTERNAL, and other connections go on', async () => {
    const heard = collectFaults()
    const { listener, socket, open, begin } = connect()
    const other = connect()
    await begin()
    await other.begin()
    vi.spyOn(socket, 'write').mockImplementationOnce(fail)
    const exchanges = [open(), open()]
    for (const { done } of exchanges) expect(await done).toMatchObject(INTERNAL)
    expect(heard()).toEqual([`writing to an HTTP/2 connection: ${THROWN}`])
    expect(socket.destroyed).toBe(true)
    expect(await listener.closed).toBe('internal-error')
    const second = other.open()
    await turns()
    other.socket.receive(answer(1))
    expect((await second.done).status).toBe(200)
  })

  it('of the pool does not keep the answer from its caller, and ends the connection', async () => {
    const heard = collectFaults()
    const { listener, socket, open, begin } = connect()
    await begin()
    const [first, second] = [open(), open()]
    await turns()
    listener.onFree = fail
    socket.receive(answer(1))
    expect(await first.done).toMatchObject({ status: 200, error: undefined })
    expect(await second.done).toMatchObject(INTERNAL)
    expect(heard()).toEqual([`the end of an exchange: ${THROWN}`])
    expect(await listener.closed).toBe('internal-error')
  })

  it('within its session is reported too', async () => {
    const heard = collectFaults()
    const { listener, socket, open, begin } = connect()
    vi.spyOn(listener, 'onCapacityChanged').mockImplementation(fail)
    const { done } = open()
    await begin()
    expect(await done).toMatchObject({ error: { code: 'MM_INTERNAL' } })
    expect(heard()).toEqual([`a session of h2: ${THROWN}`])
    expect(await listener.closed).toBe('internal-error')
    await turns()
    expect(socket.writableEnded).toBe(true)
  })
})

it('a defect in the end of a handshake with early data fails the requests held back, over HTTP/2', async () => {
  const heard = collectFaults()
  const { gate, listener, socket, options } = earlyConnectionParts()
  const connection = http2Connection({
    ...options,
    limits: DEFAULT_RESPONSE_LIMITS,
    http2: DEFAULT_HTTP2_OPTIONS,
  })
  const handler = new RecordingHandler()
  connection.open({ ...requestOf(), method: 'POST' }, handler)
  vi.spyOn(listener, 'onCapacityChanged').mockImplementation(fail)
  gate.open()
  expect(heard()).toEqual([`the end of a handshake with early data: ${THROWN}`])
  expect(await handler.done).toMatchObject(INTERNAL)
  expect([socket.destroyed, await listener.closed]).toEqual([true, 'internal-error'])
})
