import { getEventListeners } from 'node:events'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { DialRace } from '../../../src/connect/tcp/dial-race.ts'
import { DgramSocket } from '../../../src/quic/udp/dgram-socket.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'
import { TestDialer } from '../../support/dial-to.ts'
import { startLoopbackServer } from '../../support/loopback-server.ts'
import { until } from '../../support/until.ts'

afterEach(() => vi.restoreAllMocks())

describe('a defect in an event of a dial', () => {
  it('over TCP (its timer) ends the dial with MM_INTERNAL, and its connections', async () => {
    const heard = collectFaults()
    await using server = await startLoopbackServer() // accepts, and says nothing of TLS
    const controller = new AbortController()
    vi.spyOn(DialRace.prototype, 'onTimer').mockImplementation(fail)
    const error = await new TestDialer().failure(`https://origin.test:${server.port}`, {
      timeouts: { tlsMs: 100 },
      signal: controller.signal,
    })
    expect(error).toMatchObject({ code: 'MM_INTERNAL', cause: DEFECT, processed: 'no' })
    expect(heard()).toEqual([`an event of a dial: ${String(DEFECT)}`])
    expect(getEventListeners(controller.signal, 'abort')).toEqual([])
    await until(() => server.open() === 0, 'the connection is closed')
  })

  it('over TCP (the abort) ends the dial as well', async () => {
    const heard = collectFaults()
    await using server = await startLoopbackServer()
    const controller = new AbortController()
    vi.spyOn(DialRace.prototype, 'onAbort').mockImplementation(fail)
    const dialing = new TestDialer().failure(`https://origin.test:${server.port}`, {
      signal: controller.signal,
    })
    await until(() => server.accepted() === 1, 'TCP is connected')
    controller.abort()
    expect(await dialing).toMatchObject({ code: 'MM_INTERNAL', cause: DEFECT })
    expect(heard()).toEqual([`an event of a dial: ${String(DEFECT)}`])
    await until(() => server.open() === 0, 'the connection is closed')
  })

  it('over UDP (the socket is ready) rejects', async () => {
    const heard = collectFaults()
    const { Socket } = await import('node:dgram')
    vi.spyOn(Socket.prototype, 'address').mockImplementation(fail)
    const listener = { onDatagram: () => {}, onError: () => {} }
    await expect(DgramSocket.connect({ host: '127.0.0.1', port: 9 }, listener, {})).rejects.toMatchObject({
      code: 'MM_INTERNAL',
      cause: DEFECT,
    })
    expect(heard()).toEqual([`opening a UDP socket: ${String(DEFECT)}`])
  })
})
