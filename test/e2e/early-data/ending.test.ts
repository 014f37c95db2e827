import { readdirSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import type { Protocol } from '../../../src/index.ts'
import { descriptorsTo } from '../../support/descriptors-to.ts'
import { useEarlyWorld } from '../../support/early-origin.ts'
import { parseReflection } from '../../support/nginx.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { until } from '../../support/until.ts'

const missing = requireOpenssl() ?? requireBinary('nginx')

/** Requests that are given up, and transports that end, while a handshake with early data is under way. */
describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `the end of early data over TCP by %s${missing === undefined ? '' : ` (${missing})`}`,
  protocol => {
    const isHttp2 = protocol === 'h2'
    const home = useEarlyWorld(protocol)

    const warmUp = async (): Promise<void> => {
      await home.world.ask('/early')
      await home.world.untilIdleIsClosed()
    }
    /** The next connection is taken, and receives nothing. */
    const fallSilent = (): void => {
      home.way.leadsTo = client => void client.resume()
    }
    const opened = () => home.world.events.filter(({ type }) => type === 'connection-opened').length
    const aborted = { name: 'AbortError' }

    it('leaves nothing behind for a request that is given up before anything has left', async () => {
      home.connect()
      await warmUp()
      const gaveUp = new AbortController()
      home.world.onEvent = ({ type }) => {
        if (type === 'connection-opened') gaveUp.abort()
      }
      await expect(home.world.ask('/early', { signal: gaveUp.signal })).rejects.toMatchObject(aborted)
      home.world.onEvent = () => {}
      await home.world.untilIdleIsClosed()
      expect((await home.world.ask('/early')).status).toBe(200)
      expect(home.world.retries()).toEqual([])
    })

    it('does not affect others when a request is given up in the turn in which its connection was opened', async () => {
      home.connect()
      await warmUp()
      const gaveUp = new AbortController()
      home.world.onEvent = ({ type }) => {
        if (type === 'connection-opened') process.nextTick(() => gaveUp.abort())
      }
      const [first, second, posted] = await Promise.allSettled([
        home.world.ask('/early', { signal: gaveUp.signal }),
        home.world.ask('/early'),
        home.world.ask('/early', { method: 'POST', body: 'x' }),
      ])
      expect(first).toMatchObject({ status: 'rejected', reason: aborted })
      expect([second, posted]).toMatchObject([{ value: { status: 200 } }, { value: { status: 200 } }])
    })

    it('does not affect others over HTTP/2 when a request is given up in the handshake', async () => {
      home.connect()
      await warmUp()
      home.way.delayMs = 40
      const gaveUp = new AbortController()
      const first = home.world.ask('/early', { signal: gaveUp.signal })
      const second = home.world.ask('/early')
      await until(() => opened() >= 2, 'the connection')
      await new Promise(resolve => setTimeout(resolve, 10))
      gaveUp.abort()
      await expect(first).rejects.toMatchObject(aborted)
      expect(await second).toMatchObject({ status: 200, info: { retries: 0 } })
      if (isHttp2) expect(home.way.accepted).toBe(2)
    })

    it('leaves the connection to the next request when a held one is given up', async () => {
      home.connect({ pool: { idleTimeoutMs: 100, maxConnections: 1 } })
      await warmUp()
      home.way.delayMs = 40
      const gaveUp = new AbortController()
      // HTTP/1.1 has one place: whoever waits behind it gets that.
      const held = home.world.ask('/early', { method: 'POST', body: 'x', signal: gaveUp.signal })
      const waiting = home.world.ask('/early')
      await until(() => opened() === 2, 'the connection')
      await new Promise(resolve => setTimeout(resolve, 10))
      gaveUp.abort()
      await expect(held).rejects.toMatchObject(aborted)
      const { info, text } = await waiting
      expect([info.retries, parseReflection(text)['reused']]).toEqual([0, 'r'])
      expect(home.way.accepted).toBe(2)
    })

    it('reports the time-outs of held requests', async () => {
      home.connect({ timeouts: { tlsMs: 20_000 }, pool: { idleTimeoutMs: 30, maxConnections: 1 } })
      await warmUp()
      const back = home.nginx.tlsPort
      home.way.leadsTo = client => {
        home.way.leadsTo = back
        client.resume()
      }
      const startedAt = performance.now()
      const posted = home.world.ask('/early', { method: 'POST', body: 'x', headersTimeoutMs: 150 })
      const early = home.world.ask('/early', { headersTimeoutMs: 400 })
      const settled = await Promise.allSettled([posted, early])
      expect(performance.now() - startedAt).toBeLessThan(15_000) // long before the handshake is given up
      for (const [index, asked] of settled.entries()) {
        // Either one may find another connection, where nothing of it was written.
        if (asked.status === 'fulfilled') expect(asked.value.status).toBe(200)
        else
          expect(asked.reason).toMatchObject({
            code: 'MM_HEADERS_TIMEOUT',
            ...(index === 0 && { processed: 'no' }),
          })
      }
    })

    it('closes the transport while requests are collected, in the handshake, and held back', async () => {
      for (const waitMs of [0, 1, 5, 20]) {
        home.way.leadsTo = home.nginx.tlsPort
        home.connect()
        await warmUp()
        fallSilent()
        const asked = [
          home.world.ask('/early'),
          home.world.ask('/early'),
          home.world.ask('/early', { method: 'POST', body: 'x' }),
        ].map(asked => asked.catch(error => error))
        if (waitMs > 0) await until(() => opened() > 1, 'the connection')
        await new Promise(resolve => setTimeout(resolve, waitMs))
        await home.world[Symbol.asyncDispose]()
        for (const error of await Promise.all(asked))
          expect(error).toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
        await until(() => home.way.open === 0, 'the end of all connections')
      }
    })

    it('lets what is under way end when the transport drains', async () => {
      home.connect()
      await warmUp()
      home.way.delayMs = 20
      const asked = [home.world.ask('/early'), home.world.ask('/early', { method: 'POST', body: 'x' })]
      await until(() => opened() > 1, 'the connection')
      const drained = home.world.transport.drain()
      for (const { status } of await Promise.all(asked)) expect(status).toBe(200)
      await drained
      await until(() => home.way.open === 0, 'the end of all connections')
    })

    it('comes for an idle connection in its handshake as for any other', async () => {
      home.connect({ pool: { idleTimeoutMs: 1 } })
      await warmUp()
      fallSilent()
      const gaveUp = new AbortController()
      const asked = home.world.ask('/early', { method: 'GET', signal: gaveUp.signal })
      await until(() => home.way.offered.length === 2, 'the ClientHello')
      gaveUp.abort()
      await expect(asked).rejects.toMatchObject(aborted)
      await until(() => home.way.open === 0, 'the end of all connections')
      await until(() => descriptorsTo(home.way.port).length === 0, 'the last descriptor')
    })

    it('leaves nothing behind after 300 connections of which half were given up', {
      timeout: 180_000,
    }, async () => {
      home.connect({ pool: { idleTimeoutMs: 1 } })
      await warmUp()
      // Seeded, so that a failure comes again.
      let seed = isHttp2 ? 20_261 : 11_471
      const random = (): number => {
        seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
        return seed / 2_147_483_648
      }
      let figures = { descriptors: 0, memory: 0 }
      const counted = { early: 0, aborted: 0, whole: 0 }
      // How many of a kind there are is a matter of how busy the machine is: it goes on until there are enough.
      const isEnough = (): boolean => counted.aborted > 20 && counted.early > 10
      for (let round = 0; round < 300 || (round < 2_000 && !isEnough()); round++) {
        const gaveUp = new AbortController()
        const isGivenUp = round % 2 === 1
        if (isGivenUp) {
          const delay = random() * 8
          if (delay < 2)
            home.world.onEvent = ({ type }) => void (type === 'connection-opened' && gaveUp.abort())
          else setTimeout(() => gaveUp.abort(), delay - 2)
        }
        try {
          const { status, info } = await home.world.ask('/early', { signal: gaveUp.signal })
          expect([status, info.retries]).toEqual([200, 0])
          if (info.earlyData === 'accepted') counted.early++
          counted.whole++
        } catch (error) {
          if (!isGivenUp) throw error
          expect(error).toMatchObject(aborted)
          counted.aborted++
        }
        home.world.onEvent = () => {}
        await until(() => home.world.transport.stats().totalConnections === 0, 'an empty pool')
        if (round === 100) figures = measure()
      }
      expect(isEnough(), JSON.stringify(counted)).toBe(true)
      await until(() => home.way.open === 0, 'the end of all connections')
      await until(() => descriptorsTo(home.way.port).length === 0, 'the last descriptor')
      const after = measure()
      expect(after.descriptors).toBeLessThanOrEqual(figures.descriptors + 4)
      expect(after.memory - figures.memory).toBeLessThan(60)
    })
  },
)

function measure(): { descriptors: number; memory: number } {
  return { descriptors: readdirSync('/proc/self/fd').length, memory: readProcessMemory(process.pid).now }
}
