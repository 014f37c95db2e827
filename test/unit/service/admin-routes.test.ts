import { describe, expect, it } from 'vitest'
import type { Explanation } from '../../../src/index.ts'
import { type AdminActions, answerAdmin } from '../../../src/service/admin/admin-routes.ts'

const EXPLANATION: Explanation = {
  origin: 'https://a',
  decision: {
    at: 1,
    lane: 'h3',
    rule: 'faster',
    because: 'faster by 20 %',
    candidates: [
      {
        lane: 'h3',
        protocol: 'h3',
        isEligible: true,
        because: 'confirmed',
        evidence: ['18 samples'],
        predictedMs: 42,
        cpuMs: 0.05,
      },
    ],
    wouldChange: ['tcp below 38 ms'],
  },
  protocols: [],
  plan: [],
  known: [],
  unavailable: [],
  pool: undefined,
}

function setUp(changes: Partial<AdminActions> = {}) {
  const calls: string[] = []
  const actions: AdminActions = {
    notReadyBecause: () => undefined,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: '# metrics\n' }),
    pools: () => ({ pools: [] }),
    explain: async name => (name === 'my shop' ? EXPLANATION : undefined),
    startDrain: () => calls.push('drain'),
    reload: async () => ({ ok: true, warnings: ['w'] }),
    ...changes,
  }
  return { calls, answer: (method: string, path: string) => answerAdmin(actions, method, path) }
}

describe('the admin routes', () => {
  it('say that the process works', async () => {
    expect(await setUp().answer('GET', '/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
  })

  it('say whether requests are taken, and else why not', async () => {
    expect(await setUp().answer('GET', '/readyz')).toMatchObject({ status: 200 })
    const draining = setUp({ notReadyBecause: () => 'draining' })
    expect(await draining.answer('GET', '/readyz')).toMatchObject({
      status: 503,
      text: 'not ready: draining\n',
    })
  })

  it('show metrics in the content type of the registry', async () => {
    expect(await setUp().answer('GET', '/metrics')).toEqual({
      status: 200,
      contentType: 'text/plain; version=0.0.4',
      text: '# metrics\n',
    })
  })

  it('show the pools and explain an origin as JSON', async () => {
    const { answer } = setUp()
    const pools = await answer('GET', '/pools')
    expect(pools).toMatchObject({ status: 200, contentType: 'application/json' })
    expect(JSON.parse(pools.text)).toEqual({ pools: [] })
    const explained = await answer('GET', '/origins/my%20shop/explain')
    expect(JSON.parse(explained.text)).toMatchObject({ origin: 'https://a' })
    expect(await answer('GET', '/origins/other/explain')).toMatchObject({ status: 404 })
    expect(await answer('GET', '/origins/%/explain')).toMatchObject({ status: 404 })
  })

  it('show the decision of an origin, its candidates, and the lanes of its plan', async () => {
    const step = {
      lane: 'h3',
      protocol: 'h3',
      endpoint: '192.0.2.1:443',
      startAfterMs: 0,
      because: 'first',
    } as const
    const { answer } = setUp({
      explain: async () => ({ ...EXPLANATION, plan: [step] }),
    })
    const { text } = await answer('GET', '/origins/a/explain')
    expect(JSON.parse(text)).toMatchObject({ decision: EXPLANATION.decision, plan: [step] })
  })

  it('start a drain', async () => {
    const { answer, calls } = setUp()
    expect(await answer('POST', '/drain')).toMatchObject({ status: 202 })
    expect(calls).toEqual(['drain'])
  })

  it('reload, and give the faults of a configuration that was refused', async () => {
    const good = await setUp().answer('POST', '/reload')
    expect(good.status).toBe(200)
    expect(JSON.parse(good.text)).toEqual({ reloaded: true, warnings: ['w'] })
    const faults = [{ path: 'listen', message: 'bad', line: 1, column: 2 }]
    const bad = await setUp({ reload: async () => ({ ok: false, faults }) }).answer('POST', '/reload')
    expect(bad.status).toBe(422)
    expect(JSON.parse(bad.text)).toMatchObject({
      reloaded: false,
      error: { code: 'MM_CONFIG_INVALID' },
      faults,
    })
  })

  it('list themselves', async () => {
    const { text } = await setUp().answer('GET', '/')
    for (const route of [
      '/healthz',
      '/readyz',
      '/metrics',
      '/pools',
      '/origins/NAME/explain',
      '/drain',
      '/reload',
    ]) {
      expect(text).toContain(route)
    }
  })

  it('answer 404 and 405 where they should', async () => {
    const { answer, calls } = setUp()
    expect(await answer('GET', '/nothing')).toMatchObject({ status: 404 })
    expect(await answer('GET', '/drain')).toMatchObject({ status: 405, allow: 'POST' })
    expect(await answer('POST', '/metrics')).toMatchObject({ status: 405, allow: 'GET, HEAD' })
    expect(await answer('HEAD', '/healthz')).toMatchObject({ status: 200 })
    expect(calls).toEqual([])
  })
})
