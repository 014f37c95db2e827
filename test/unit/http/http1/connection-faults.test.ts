import { once } from 'node:events'
import { describe, expect, it, vi } from 'vitest'
import { DEFAULT_RESPONSE_LIMITS } from '../../../../src/base/options/options.ts'
import { Http1ClientExchange } from '../../../../src/http/http1/client-exchange.ts'
import { Http1Connection } from '../../../../src/http/http1/connection.ts'
import { requestOf } from '../../../contract/contract-bench.ts'
import { RecordingHandler } from '../../../contract/recorder.ts'
import { collectFaults, DEFECT, fail } from '../../../support/collected-faults.ts'
import { earlyConnectionParts } from '../../../support/early-connection-parts.ts'
import { turns } from '../../../support/fake-early-gate.ts'

const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
const THROWN = String(DEFECT)

function connect() {
  const { log, listener, socket, clock, options } = earlyConnectionParts()
  const limits = DEFAULT_RESPONSE_LIMITS
  const connection = new Http1Connection({ ...options, early: undefined, limits })
  const open = (): RecordingHandler => {
    const handler = new RecordingHandler(log)
    connection.open(requestOf(), handler)
    return handler
  }
  return { listener, socket, clock, connection, open }
}

describe('a defect in an event of an HTTP/1.1 connection', () => {
  it('ends the connection that was read, and is reported once', async () => {
    const heard = collectFaults()
    const { listener, socket } = connect()
    vi.spyOn(listener, 'onDraining').mockImplementation(fail)
    vi.spyOn(listener, 'onClosed').mockImplementation(fail)
    socket.receive('nobody has asked for this')
    await turns()
    expect(heard()).toEqual([`reading from an origin: ${THROWN}`])
    expect(socket.destroyed).toBe(true)
  })

  it('fails its exchange with MM_INTERNAL', async () => {
    const heard = collectFaults()
    const { listener, socket, clock, connection } = connect()
    let isBroken = false
    const handler = new RecordingHandler()
    connection.open(
      {
        ...requestOf(),
        get headersTimeoutMs(): number {
          return isBroken ? fail() : 1000
        },
      },
      handler,
    )
    const other = connect()
    isBroken = true
    clock.advance(1000)
    await turns()
    expect(heard()).toEqual([`an event of an HTTP/1.1 connection: ${THROWN}`])
    expect(socket.destroyed).toBe(true)
    expect(handler).toMatchObject({ error: { code: 'MM_INTERNAL', cause: DEFECT, processed: 'unknown' } })
    expect(await listener.closed).toBe('internal-error')
    const second = other.open()
    other.socket.receive(OK)
    expect((await second.done).status).toBe(200)
  })

  it('of the pool does not keep the answer from its caller', async () => {
    const heard = collectFaults()
    const { listener, socket, open } = connect()
    listener.onFree = fail
    const { done } = open()
    socket.receive(OK)
    expect(await done).toMatchObject({ status: 200, error: undefined })
    expect(heard()).toEqual([`the end of an exchange: ${THROWN}`])
    expect(socket.destroyed).toBe(true)
  })

  it('is not what a handler throws in its last call, which stays an uncaught exception', async () => {
    const heard = collectFaults()
    const { socket, open } = connect()
    const others = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    try {
      const thrown = once(process, 'uncaughtException')
      const handler = open()
      handler.onEnd = fail
      socket.receive(OK)
      expect((await thrown)[0]).toBe(DEFECT)
      expect(heard()).toEqual([])
      const second = open()
      socket.receive(OK)
      expect((await second.done).status).toBe(200)
    } finally {
      for (const other of others) process.on('uncaughtException', other)
    }
  })
})

describe('a defect in the end of an exchange over HTTP/1.1', () => {
  const breakEnd = (): void =>
    void vi.spyOn(Http1ClientExchange.prototype, 'release').mockImplementationOnce(fail)
  const ENDING = `the end of an exchange: ${THROWN}`

  it('that is complete ends it with MM_INTERNAL, and the connection', async () => {
    const heard = collectFaults()
    const { listener, socket, connection, open } = connect()
    const { done } = open()
    breakEnd()
    socket.receive(OK)
    expect(await done).toMatchObject({ error: { code: 'MM_INTERNAL', cause: DEFECT, processed: 'yes' } })
    expect(await listener.closed).toBe('internal-error')
    await turns()
    expect([heard(), socket.destroyed, String(connection)]).toEqual([
      [ENDING],
      true,
      expect.stringContaining(' closed, '),
    ])
  })

  it('that fails ends it with the first failure', async () => {
    const heard = collectFaults()
    const { listener, socket, open } = connect()
    const { done } = open()
    breakEnd()
    socket.receive('this is no HTTP')
    expect(await done).toMatchObject({ error: { code: 'MM_PROTOCOL_ERROR' } })
    expect([heard(), socket.destroyed, await listener.closed]).toEqual([[ENDING], true, 'internal-error'])
  })

  it.each(['release', 'ref'] as const)('that becomes a tunnel ends it with MM_INTERNAL (%s)', async where => {
    const heard = collectFaults()
    const { listener, socket, connection } = connect()
    const handler = new RecordingHandler()
    connection.open({ ...requestOf(), upgrade: 'chat' }, handler)
    if (where === 'release') breakEnd()
    else vi.spyOn(socket, 'ref').mockImplementationOnce(fail)
    socket.receive('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\n')
    expect(await handler.done).toMatchObject({ error: { code: 'MM_INTERNAL', cause: DEFECT } })
    expect([heard(), socket.destroyed, await listener.closed]).toEqual([[ENDING], true, 'internal-error'])
  })

  it('of a handshake with early data fails a request that was held back', async () => {
    const heard = collectFaults()
    const { gate, socket, options } = earlyConnectionParts()
    let isBroken = false
    const connection = new Http1Connection({ ...options, limits: DEFAULT_RESPONSE_LIMITS })
    const handler = new RecordingHandler()
    connection.open(
      {
        ...requestOf(),
        method: 'POST',
        get headersTimeoutMs(): number {
          return isBroken ? fail() : 1000
        },
      },
      handler,
    )
    isBroken = true
    gate.open()
    expect(await handler.done).toMatchObject({ error: { code: 'MM_INTERNAL', cause: DEFECT } })
    expect(heard()).toEqual([`an event of an HTTP/1.1 connection: ${THROWN}`])
    expect(socket.destroyed).toBe(true)
  })
})
