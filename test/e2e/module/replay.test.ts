import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { TransportEvent } from '../../../src/index.ts'
import { ok, type ScriptedOrigin } from '../../support/scripted-origin.ts'
import { scriptedRun } from '../../support/scripted-run.ts'

/** What is sent again when its connection dies, and what never is: the origin counts. */
describe('by the rules of replay,', () => {
  const { transportWith, scripted, failure, textOf } = scriptedRun()

  describe('on a reused connection that dies', () => {
    /** Answers the first request on each connection, and breaks off at every later one. */
    const fragile = (): Promise<ScriptedOrigin> =>
      scripted(({ socket, place }) => {
        if (place === 1) socket.write(ok())
        else socket.destroy()
      })

    it.each(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])(
      'after the request was written, %s is sent again',
      async method => {
        const origin = await fragile()
        const events: TransportEvent[] = []
        const transport = transportWith({}, events)
        await textOf(transport, origin.url)
        const body = method === 'PUT' ? 'body' : null
        const response = await transport.request(origin.url, { method, body })
        await response.dump()
        expect([response.status, response.info.retries, response.info.reused]).toEqual([200, 1, false])
        expect(origin.requests).toEqual(['GET /', `${method} /`, `${method} /`])
        expect(events.find(({ type }) => type === 'exchange-retried')).toMatchObject({
          reason: 'stale-connection',
        })
      },
    )

    it.each(['POST', 'PATCH'])('after the request was written: %s is not sent again', async method => {
      const origin = await fragile()
      const transport = transportWith()
      await textOf(transport, origin.url)
      const error = await failure(transport.request(origin.url, { method, body: 'pay' }))
      expect(error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'unknown', resendable: false })
      expect(origin.requests).toEqual(['GET /', `${method} /`])
    })

    it('with a body that cannot be read twice, not even PUT is sent again', async () => {
      const origin = await fragile()
      const transport = transportWith()
      await textOf(transport, origin.url)
      const once = (async function* () {
        yield 'only once'
      })()
      expect(await failure(transport.request(origin.url, { method: 'PUT', body: once }))).toMatchObject({
        code: 'MM_CONNECTION_CLOSED',
        processed: 'unknown',
      })
      expect(origin.requests).toEqual(['GET /', 'PUT /'])
    })

    it('with a Blob, which can be read twice, PUT is sent again, and whole', async () => {
      const bodies: string[] = []
      const origin = await scripted(request => {
        void request.body().then(body => {
          bodies.push(body.toString())
          if (request.place === 1) request.socket.write(ok())
          else request.socket.destroy()
        })
      })
      const transport = transportWith()
      await textOf(transport, origin.url)
      const response = await transport.request(origin.url, {
        method: 'PUT',
        body: new Blob(['again and again']),
      })
      expect([response.status, bodies]).toEqual([200, ['', 'again and again', 'again and again']])
      await response.dump()
    })

    it('many requests at once are all sent again, each on a new connection', async () => {
      const waiting: Socket[] = []
      const origin = await scripted(({ socket, place }) => {
        if (place > 1) socket.destroy()
        else if (waiting.push(socket) === 8) for (const one of waiting.splice(0)) one.write(ok())
      })
      const transport = transportWith({ pool: { maxConnections: 8 } })
      const round = (): Promise<string[]> =>
        Promise.all(Array.from({ length: 8 }, () => textOf(transport, origin.url)))
      await round()
      expect(await round()).toEqual(Array.from({ length: 8 }, () => 'ok'))
      expect([origin.accepted(), origin.requests.length]).toEqual([16, 24])
    })

    it('and whose successors die too, a request is given up after maxUnanswered', async () => {
      const origin = await scripted(({ socket, line }) => {
        if (line === 'GET /first') socket.write(ok())
        else socket.destroy()
      })
      const transport = transportWith({ retry: { maxUnanswered: 3 } })
      await textOf(transport, `${origin.url}/first`)
      expect(await failure(transport.request(origin.url))).toMatchObject({ code: 'MM_CONNECTION_CLOSED' })
      expect(origin.requests).toEqual(['GET /first', 'GET /', 'GET /', 'GET /', 'GET /'])
    })
  })

  it('a POST whose connection is found dead before a byte was written is sent on another', async () => {
    const sockets: Socket[] = []
    const onSocket = (message: unknown): void => void sockets.push((message as { socket: Socket }).socket) // node's own channel
    const origin = await scripted(({ socket }) => socket.write(ok()))
    const events: TransportEvent[] = []
    const transport = transportWith({}, events)
    subscribe('net.client.socket', onSocket)
    await textOf(transport, origin.url)
    unsubscribe('net.client.socket', onSocket)
    expect(sockets).toHaveLength(1)
    // Node reports the end of a socket in a later turn: in this one the pool takes it for alive.
    sockets[0]?.destroy()
    const response = await transport.request(origin.url, { method: 'POST', body: 'pay' })
    expect([await response.text(), response.info.retries]).toEqual(['ok', 1])
    expect(origin.requests).toEqual(['GET /', 'POST /'])
    expect(events.find(({ type }) => type === 'exchange-retried')).toMatchObject({
      reason: 'unprocessed',
      error: { code: 'MM_CONNECTION_CLOSED', processed: 'no' },
    })
  })

  it('a connection that was idle for long is checked before it carries a POST', async () => {
    const origin = await scripted(({ socket }) => socket.write(ok()))
    const transport = transportWith({ pool: { verifyAfterIdleMs: 5 } })
    await textOf(transport, origin.url)
    await sleep(20)
    for (const socket of origin.sockets) socket.end() // in this very turn: we cannot have seen it yet
    const response = await transport.request(origin.url, { method: 'POST', body: 'pay' })
    expect([await response.text(), response.info.retries, response.info.reused]).toEqual(['ok', 0, false])
    expect(origin.requests).toEqual(['GET /', 'POST /'])
  })

  it('a retry budget that is spent lets no more retries through', async () => {
    const transport = transportWith({
      retry: { maxRetries: 5, budgetMin: 0, budgetRatio: 0 },
      pool: { backoffBaseMs: 1 },
    })
    const refused = await failure(transport.request('http://127.0.0.1:9/'))
    expect(refused.code).toBe('MM_CONNECT_REFUSED')
    expect(transport.stats().pools.map(({ retries, connectFailures }) => [retries, connectFailures])).toEqual(
      [[0, 1]],
    )
  })
})
