import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import type { OriginOptions } from '../../../src/index.ts'
import { startHttp2PeerOrigin } from '../../support/http2-peer.ts'
import { answerOk, startHttp3PeerOrigin } from '../../support/http3-peer-origin.ts'
import { load } from '../../support/load.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { scriptedRun } from '../../support/scripted-run.ts'
import { volume } from '../../support/volume.ts'

/**
 * An origin that ends some of its new connections when the first request has come, without a byte of an
 * answer.
 */
interface Fickle extends AsyncDisposable {
  readonly url: string
  readonly options: OriginOptions
  /** Requests that it has read, and those of them that it left unanswered. */
  readonly seen: { requests: number; dropped: number }
}

type Drops = () => boolean

const GETS = volume(300, 1_000)
const UNANSWERED = volume(100, 300)

const H3_NO_ERROR = 0x100

const KINDS: readonly [string, string | undefined, (drops: Drops) => Promise<Fickle>][] = [
  ['HTTP/1.1', undefined, startHttp1],
  ['HTTP/2, without GOAWAY', undefined, startHttp2],
  ['HTTP/3', requireQuic(), startHttp3],
]

/** Each request meets a new connection. */
const POOL = { maxRequests: 1, maxConnections: 16, backoffBaseMs: 1 }

describe.each(KINDS)(
  'an origin that closes new connections without an answer over %s',
  (_name, missing, start) => {
    const { transportWith, toClose } = scriptedRun()

    const fickle = async (drops: Drops): Promise<Fickle> => {
      const origin = await start(drops)
      toClose.push(() => origin[Symbol.asyncDispose]())
      return origin
    }

    it.skipIf(missing !== undefined)(
      `has none of ${GETS} GETs failed when it does so with a tenth of them`,
      async () => {
        const random = seededRandom(7)
        const origin = await fickle(() => random() < 0.1)
        const transport = transportWith({ ...origin.options, pool: POOL })
        const { requests, failures } = await load(transport, origin.url, { concurrency: 16, requests: GETS })
        expect(failures.map(({ message }) => message)).toEqual([])
        expect(origin.seen.dropped).toBeGreaterThan(GETS / 20)
        expect(origin.seen.requests).toBe(requests + origin.seen.dropped)
      },
    )

    it.skipIf(missing !== undefined)('sees no POST twice', async () => {
      let count = 0
      const origin = await fickle(() => ++count % 10 === 0)
      const transport = transportWith({ ...origin.options, pool: POOL })
      const { failures } = await load(transport, origin.url, {
        method: 'POST',
        body: 'pay',
        concurrency: 4,
        requests: 200,
      })
      expect(failures.map(({ processed }) => processed)).toEqual(Array.from({ length: 20 }, () => 'unknown'))
      expect(origin.seen).toEqual({ requests: failures.length + 180, dropped: 20 })
    })

    it.skipIf(missing !== undefined)(
      'is asked a fifth more often, and ten times, when it answers nothing at all',
      async () => {
        const origin = await fickle(() => true)
        const transport = transportWith({ ...origin.options, pool: POOL })
        const startedAt = performance.now()
        const { requests, failures } = await load(transport, origin.url, {
          concurrency: 16,
          requests: UNANSWERED,
        })
        const refilled = 10 * Math.ceil((performance.now() - startedAt) / 10_000)
        expect(failures).toHaveLength(requests)
        expect(origin.seen.requests).toBeGreaterThan(requests * 1.15)
        expect(origin.seen.requests).toBeLessThanOrEqual(requests * 1.2 + 10 + refilled)
      },
    )
  },
)

describe('an origin with two endpoints, of which one closes every connection without an answer', () => {
  const { transportWith, scripted, textOf } = scriptedRun()

  it('is asked at the other one', async () => {
    const dead = await scripted(({ socket }) => socket.destroy())
    const alive = await scripted(({ socket }) => socket.write(ok('alive')))
    const transport = transportWith({ endpoints: [`127.0.0.1:${dead.port}`, `127.0.0.1:${alive.port}`] })
    expect(await textOf(transport, 'http://origin.test/')).toBe('alive')
    expect([dead.requests, alive.requests]).toEqual([['GET /'], ['GET /']])
  })
})

async function startHttp1(drops: Drops): Promise<Fickle> {
  const seen = { requests: 0, dropped: 0 }
  const origin = await startScriptedOrigin(({ socket }) => {
    if (isDropped(seen, drops)) socket.destroy()
    else socket.end(ok('ok', 'connection: close\r\n'))
  })
  return {
    url: origin.url,
    options: {},
    seen,
    [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose](),
  }
}

async function startHttp2(drops: Drops): Promise<Fickle> {
  const seen = { requests: 0, dropped: 0 }
  const origin = await startHttp2PeerOrigin({
    onRequest: (peer, streamId) => {
      if (isDropped(seen, drops)) peer.socket.destroy()
      else peer.answer(streamId)
    },
  })
  return {
    url: origin.url,
    options: { protocols: ['h2'] },
    seen,
    [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose](),
  }
}

async function startHttp3(drops: Drops): Promise<Fickle> {
  const seen = { requests: 0, dropped: 0 }
  const origin = await startHttp3PeerOrigin({
    onRequest: (peer, streamId) => {
      if (isDropped(seen, drops)) peer.close(H3_NO_ERROR)
      else answerOk(peer, streamId)
    },
  })
  return {
    url: origin.url,
    options: { protocols: ['h3'], tls: { ca: origin.ca } },
    seen,
    [Symbol.asyncDispose]: () => origin[Symbol.asyncDispose](),
  }
}

function isDropped(seen: Fickle['seen'], drops: Drops): boolean {
  seen.requests += 1
  if (!drops()) return false
  seen.dropped += 1
  return true
}
