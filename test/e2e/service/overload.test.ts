import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { createTransport } from '../../../src/index.ts'
import { type CertificateAuthority, createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { startConfiguredConnector } from '../../support/connector-process.ts'
import { ok, startScriptedOrigin } from '../../support/scripted-origin.ts'
import { startConnector } from '../../support/start-connector.ts'
import { until } from '../../support/until.ts'

/** What comes together comes within it, on a busy machine too. */
const TARGET_MS = 1_000
const PAUSE_MS = 300
const PAUSES = 20

function closing(origin: TestOrigin): TestOrigin & AsyncDisposable {
  return Object.assign(origin, { [Symbol.asyncDispose]: () => origin.close() })
}

describe('more requests than the origin serves', () => {
  it('the oldest make room with 503 and say when to come back, the newest are served first, and it is reported', async () => {
    const held: (() => void)[] = []
    await using origin = await startScriptedOrigin(({ socket }) => held.push(() => socket.write(ok('done'))))
    await using connector = await startConnector({
      origins: {
        shop: {
          url: origin.url,
          protocols: ['http/1.1'],
          pool: { maxConnections: 1, queueTarget: TARGET_MS, queueInterval: 0 },
        },
      },
    })
    const waiting = async (count: number) => {
      await expect.poll(async () => (await connector.pool('shop')).waiters).toBe(count)
    }
    const get = (path: string) => fetch(`${connector.url}${path}`)
    const busy = get('/busy')
    await until(() => held.length === 1, 'the first request at the origin')
    const old = [get('/first'), get('/second')]
    await waiting(2)
    await sleep(TARGET_MS + 1)
    const third = get('/third')
    for (const refused of await Promise.all(old)) {
      expect(refused.status).toBe(503)
      expect(refused.headers.get('retry-after')).toBe('1')
      expect(refused.headers.get('proxy-status')).toContain('error=connection_limit_reached')
      expect(await refused.json()).toMatchObject({ error: { code: 'MM_QUEUE_OVERLOADED' } })
    }
    await waiting(1)
    const fourth = get('/fourth')
    await waiting(2)
    const explanation = await fetch(`${connector.adminUrl}/origins/shop/explain`)
    expect(await explanation.text()).toContain('more requests come than the origin serves')
    for (const [index, response] of [busy, fourth, third].entries()) {
      await until(() => held.length > index, 'the next request at the origin')
      held[index]?.()
      expect((await response).status).toBe(200)
    }
    expect(origin.requests).toEqual(['GET /busy', 'GET /fourth', 'GET /third'])
    expect(await connector.pool('shop')).toMatchObject({ overloaded: false, shed: 2 })
    const metrics = await (await fetch(`${connector.adminUrl}/metrics`)).text()
    expect(metrics).toContain('middlemile_queue_shed_total{origin="shop"} 2')
  })
})

describe('more requests than the process can work off', () => {
  it('what does not fit into a turn of the loop is refused, on the same connection, and it is counted', async () => {
    await using origin = closing(await startQuickOrigin())
    // A target that every turn exceeds: all but the first request of a turn come too late.
    await using connector = await startConnector({
      ingress: { shedTarget: 0.001, shedInterval: 0 },
      origins: { shop: { url: origin.url } },
    })
    const statuses = new Map<number, number>()
    for (let round = 0; round < 20; round++) {
      const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`${connector.url}/`)))
      for (const answer of answers) {
        statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1)
        if (answer.status === 503) {
          expect(answer.headers.get('proxy-status')).toBe('middlemile; error=http_request_denied')
          expect(await answer.json()).toMatchObject({ error: { code: 'MM_OVERLOADED' } })
        } else await answer.arrayBuffer()
      }
    }
    expect(new Set(statuses.keys())).toEqual(new Set([200, 503]))
    const metrics = await (await fetch(`${connector.adminUrl}/metrics`)).text()
    expect(metrics).toContain(`middlemile_ingress_shed_total ${statuses.get(503)}`)
  })

  it('is not assumed of a process that others keep from its CPU: its turns are long, and it refuses nothing', {
    retry: 0,
  }, async () => {
    await using origin = closing(await startQuickOrigin())
    await using connector = await startConfiguredConnector({
      ingress: { shedTarget: PAUSE_MS / 3, shedInterval: 0 },
      origins: { shop: { url: origin.url } },
    })
    const statuses: number[] = []
    let isPaused = true
    // As a cgroup's quota does it: it may run for a moment, and then for a long time it may not.
    const pausing = (async () => {
      try {
        for (let round = 0; round < PAUSES; round++) {
          process.kill(connector.cli.pid, 'SIGSTOP')
          await sleep(PAUSE_MS)
          process.kill(connector.cli.pid, 'SIGCONT')
          await sleep(PAUSE_MS / 20)
        }
      } finally {
        isPaused = false
      }
    })()
    // More than it works off in a moment: it is put aside in the midst of a turn, time and again.
    const asking = Array.from({ length: 200 }, async () => {
      while (isPaused) {
        const answer = await fetch(`${connector.url}/`)
        statuses.push(answer.status)
        await answer.arrayBuffer()
      }
    })
    await Promise.all([pausing, ...asking])
    expect(statuses.length).toBeGreaterThan(PAUSES)
    expect(new Set(statuses)).toEqual(new Set([200]))
  })
})

describe('many connections to make', () => {
  let authority: CertificateAuthority
  beforeAll(async () => {
    authority = await createCertificateAuthority()
  })

  it('begin in turns: one to another origin does not wait for all of them', async () => {
    const certificate = await authority.issue({ names: ['localhost'] })
    await using many = closing(await startQuickOrigin({ tls: certificate }))
    await using one = closing(await startQuickOrigin({ tls: certificate }))
    const opened: string[] = []
    await using transport = createTransport({
      limits: { dialShare: 0.01 },
      defaults: { protocols: ['http/1.1'], tls: { ca: authority.cert } },
      observer: event => {
        if (event.type === 'connection-opened') opened.push(event.origin.key)
      },
    })
    const get = async (url: string) => {
      const response = await transport.request(url)
      await response.dump()
      return response.status
    }
    const all = [...Array.from({ length: 20 }, () => get(`${many.url}/slow?ms=2000`)), get(one.url)]
    expect(new Set(await Promise.all(all))).toEqual(new Set([200]))
    expect(transport.stats().deferredDials).toBeGreaterThan(0)
    expect(opened.length).toBeGreaterThan(10)
    expect(opened.indexOf(new URL(one.url).origin)).toBeLessThan(opened.length / 2)
  })
})
