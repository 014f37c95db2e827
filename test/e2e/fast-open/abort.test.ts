import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { afterEach, describe, expect, it, vi } from 'vitest'
import type * as Native from '../../../src/connect/native/socket-calls.ts'
import type { Protocol } from '../../../src/index.ts'
import { NGINX_EARLY } from '../../support/early-world.ts'
import { enterFastOpenNamespace, requireFastOpenNamespace } from '../../support/fast-open-namespace.ts'
import { fastOpenWorld, giveFastOpenToAll } from '../../support/fast-open-world.ts'
import { startNginx } from '../../support/nginx.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireOpenssl } from '../../support/require-openssl.ts'
import { type Switching, startSwitchedPort } from '../../support/switched-port.ts'
import { hookSyn, type SynHook } from '../../support/syn-hook.ts'
import { until } from '../../support/until.ts'

/**
 * Connects that Fast Open has deferred, and that nobody wants any more: in each phase nothing stays behind,
 * and nobody is blamed.
 */

const hook = vi.hoisted<SynHook>(() => ({ onSynWaits: undefined }))

vi.mock('../../../src/connect/native/socket-calls.ts', async importOriginal => {
  const original = await importOriginal<typeof Native>()
  return { ...original, socketCalls: () => hookSyn(original.socketCalls(), hook) }
})

afterEach(() => {
  hook.onSynWaits = undefined
})

const missing = requireFastOpenNamespace() ?? requireOpenssl() ?? requireBinary('nginx')
const descriptors = (): number => readdirSync('/proc/self/fd').length

/** The server at the end of a way, that answers when it is told to. */
interface Way {
  leadsTo: Switching
}

/** When it is given up: `now` does it. The server goes on after that. */
type Phase = (now: () => void, way: Way, upstream: number) => void

/**
 * Calls back when the first flight has come, and when `answerBytes` of the answer have gone out; then passes
 * everything on.
 */
function pause(way: Way, upstreamPort: number, answerBytes: number, onPaused: () => void): void {
  way.leadsTo = client => {
    way.leadsTo = upstreamPort
    client.once('data', (hello: Buffer) => {
      client.pause()
      if (answerBytes === 0) onPaused()
      const upstream = connect({ port: upstreamPort, host: '127.0.0.1' })
      upstream.on('error', () => client.destroy()).once('close', () => client.destroy())
      client.once('close', () => upstream.destroy())
      upstream.write(hello)
      client.pipe(upstream)
      upstream.once('data', (answer: Buffer) => {
        client.write(answer.subarray(0, answerBytes))
        upstream.pause()
        setTimeout(() => {
          if (answerBytes > 0) onPaused()
          client.write(answer.subarray(answerBytes))
          upstream.pipe(client)
        }, 20)
      })
    })
  }
}

const PHASES: readonly (readonly [string, Phase])[] = [
  ['at connect(), before anything is written', now => void (hook.onSynWaits = now)],
  ['in the turn in which it is written', now => void (hook.onSynWaits = () => process.nextTick(now))],
  ['in the turn after that', now => void (hook.onSynWaits = () => setImmediate(now))],
  ['when the server has the first flight', (now, way, upstream) => pause(way, upstream, 0, now)],
  ['in the middle of the answer', (now, way, upstream) => pause(way, upstream, 100, now)],
]

describe.skipIf(missing !== undefined).each<Protocol>(['http/1.1', 'h2'])(
  `a connect that was deferred and is given up, by %s ${missing ?? ''}`,
  protocol => {
    describe.each([false, true])('with early data: %s,', early => {
      /** A ticket and a cookie are there. */
      async function setUp() {
        const namespace = enterFastOpenNamespace(3)
        giveFastOpenToAll()
        const nginx = await startNginx({ http2: true, extraServer: NGINX_EARLY })
        const way = await startSwitchedPort(nginx.tlsPort)
        const { ca } = nginx.certificates
        const world = fastOpenWorld({ port: way.port, ca, protocols: [protocol], early })
        for (let round = 0; round < 2; round++) {
          await world.ask('/early')
          await world.untilIdleIsClosed()
        }
        expect(world.fastOpens().at(-1)).toBe('used')
        await until(() => way.open === 0, 'the way is free')
        return {
          way,
          world,
          nginx,
          async [Symbol.asyncDispose]() {
            await world[Symbol.asyncDispose]()
            await way[Symbol.asyncDispose]()
            await nginx.stop()
            namespace[Symbol.dispose]()
          },
        }
      }

      it.each(PHASES)('leaves no descriptor when it is given up %s', async (_name, phase) => {
        await using setting = await setUp()
        const { way, world, nginx } = setting
        const before = descriptors()
        for (let round = 0; round < 3; round++) {
          const abort = new AbortController()
          phase(() => abort.abort(), way, nginx.tlsPort)
          const given = world.ask('/early', { signal: abort.signal })
          await expect(given).rejects.toMatchObject({ name: 'AbortError' })
          // Its connect goes on, and is of use to the next one, but over HTTP/1.1 where the request had left
          // already.
          const { status, info } = await world.ask('/early')
          expect([status, info.retries]).toEqual([200, 0])
          await world.untilIdleIsClosed()
        }
        await until(() => way.open === 0, 'nothing is open at the server')
        await until(() => descriptors() <= before, 'no descriptor is left')
        const { info } = await world.ask('/early')
        expect(info).toMatchObject({ resumed: true, tfo: 'used', earlyData: early ? 'accepted' : 'none' })
        // Over HTTP/1.1 EarlyDataWatch takes a request that was given up for harm to its connection.
        expect(new Set(world.fastOpens().slice(1)), 'nobody is blamed').toEqual(new Set(['used']))
      })

      it.each(PHASES)('leaves no descriptor by close() %s', async (_name, phase) => {
        await using setting = await setUp()
        const { way, world, nginx } = setting
        const before = descriptors()
        let closed: Promise<void> | undefined
        phase(() => void (closed = world.transport.close()), way, nginx.tlsPort)
        await expect(world.ask('/early')).rejects.toMatchObject({ code: 'MM_TRANSPORT_CLOSED' })
        await closed
        await until(() => way.open === 0, 'nothing is open at the server')
        await until(() => descriptors() <= before, 'no descriptor is left')
        // A connection that says goodbye may complete its handshake for that.
        expect(new Set(world.fastOpens().slice(1)), 'nobody is blamed').toEqual(new Set(['used']))
      })

      it('is not ended by drain(), which waits for its request', async () => {
        await using setting = await setUp()
        const { way, world, nginx } = setting
        way.delayMs = 50
        way.leadsTo = nginx.tlsPort
        const asked = world.ask('/early')
        await until(() => way.open > 0, 'the first flight has come')
        await world.transport.drain()
        expect((await asked).status).toBe(200)
        expect(world.transport.stats().totalConnections).toBe(0)
        await until(() => way.open === 0, 'nothing is open at the server')
      })
    })
  },
)
