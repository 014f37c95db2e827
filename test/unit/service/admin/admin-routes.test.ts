import { describe, expect, it } from 'vitest'
import type { Explanation, MigrationResult } from '../../../../src/index.ts'
import { checkMigrationTarget } from '../../../../src/origin/paths/connection-moves.ts'
import { type AdminActions, answerAdmin } from '../../../../src/service/admin/admin-routes.ts'
import { migrationReport } from '../../../support/migration-figures.ts'

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
  savings: [],
  pool: undefined,
}

function setUp(changes: Partial<AdminActions> = {}) {
  const calls: string[] = []
  const actions: AdminActions = {
    notReadyBecause: () => undefined,
    metrics: async () => ({ contentType: 'text/plain; version=0.0.4', text: '# metrics\n' }),
    pools: () => ({ pools: [] }),
    explain: async name => (name === 'my shop' ? EXPLANATION : undefined),
    migrate: async () => undefined,
    startDrain: () => calls.push('drain') > 0,
    reload: async () => ({ ok: true, warnings: ['w'], changes: ['origin shop: added'] }),
    ...changes,
  }
  return {
    calls,
    answer: (method: string, path: string, query = '', body = '') =>
      answerAdmin(actions, method, path, { query: new URLSearchParams(query), body }),
  }
}

describe('the admin routes', () => {
  it('report that the process works', async () => {
    expect(await setUp().answer('GET', '/healthz')).toMatchObject({ status: 200, text: 'ok\n' })
  })

  it('report whether requests are accepted, and why not', async () => {
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

  it('start no drain of a service that has not started', async () => {
    const { answer } = setUp({ startDrain: () => false, notReadyBecause: () => 'starting' })
    expect(await answer('POST', '/drain')).toMatchObject({ status: 503, text: 'not ready: starting\n' })
  })

  it('upgrade, and report why not', async () => {
    const good = await setUp({ upgrade: async () => ({ ok: true, pid: 77 }) }).answer('POST', '/upgrade')
    expect([good.status, JSON.parse(good.text)]).toEqual([200, { upgraded: true, pid: 77 }])
    const failing = setUp({ upgrade: async () => ({ ok: false, because: 'it ended by code 2' }) })
    const bad = await failing.answer('POST', '/upgrade')
    expect([bad.status, JSON.parse(bad.text)]).toEqual([
      409,
      { error: { code: 'MM_INTERNAL', message: 'the old program goes on: it ended by code 2' } },
    ])
    const alone = await setUp().answer('POST', '/upgrade')
    expect(alone.status).toBe(409)
    expect(alone.text).toContain('an upgrade needs workers')
  })

  it('reload, and report the faults of a configuration that was refused', async () => {
    const good = await setUp().answer('POST', '/reload')
    expect(good.status).toBe(200)
    expect(JSON.parse(good.text)).toEqual({
      reloaded: true,
      changes: ['origin shop: added'],
      warnings: ['w'],
    })
    const faults = [{ path: 'listen', message: 'bad', line: 1, column: 2 }]
    const bad = await setUp({ reload: async () => ({ ok: false, faults }) }).answer('POST', '/reload')
    expect(bad.status).toBe(422)
    expect(JSON.parse(bad.text)).toMatchObject({
      reloaded: false,
      error: { code: 'MM_CONFIG_INVALID' },
      faults,
    })
  })

  describe('that migrate connections', () => {
    const result = (changes: Partial<MigrationResult> = {}): MigrationResult => ({
      connectionId: 7,
      protocol: 'h3',
      report: migrationReport(),
      because: 'it was asked for',
      ...changes,
    })
    const asked: unknown[] = []
    const migrating = (results: readonly MigrationResult[]) => {
      asked.length = 0
      const { answer } = setUp({
        migrate: async (name, to) => {
          asked.push([name, to])
          checkMigrationTarget(to)
          return name === 'my shop' ? results : undefined
        },
      })
      return (query = '', body = '', path = '/origins/my%20shop/migrate') => answer('POST', path, query, body)
    }

    it('answer with the outcome of each, where one has migrated', async () => {
      const stuck = result({ connectionId: 8, report: undefined, because: 'the peer forbids it' })
      const { status, text } = await migrating([result(), stuck])()
      expect([status, asked]).toEqual([200, [['my shop', { address: undefined }]]])
      expect(JSON.parse(text)).toEqual({
        moved: 1,
        connections: [
          {
            connectionId: 7,
            protocol: 'h3',
            report: JSON.parse(JSON.stringify(migrationReport())),
            because: 'it was asked for',
          },
          { connectionId: 8, protocol: 'h3', because: 'the peer forbids it' },
        ],
      })
    })

    it.each([
      ['no connection to the origin is open', []],
      ['no connection could be moved', [result({ report: undefined, because: 'the peer forbids it' })]],
      [
        'no connection could be moved',
        [result({ report: migrationReport({ outcome: 'validation-failed' }) })],
      ],
    ] as const)('answer 409, with the reasons, where none has: %s', async (because, results) => {
      const { status, text } = await migrating(results)()
      expect(status).toBe(409)
      expect(JSON.parse(text)).toMatchObject({
        moved: 0,
        because,
        connections: results.map(({ because }) => ({ because })),
      })
    })

    it('read address and port from the query and from a body', async () => {
      const ask = migrating([result()])
      await ask('address=127.0.0.2&port=6000')
      await ask('', '{"address":"::1","port":7000}')
      await ask('', ' ')
      await ask('port=6000', '{"port":7000}')
      expect(asked).toEqual([
        ['my shop', { address: '127.0.0.2', port: 6_000 }],
        ['my shop', { address: '::1', port: 7_000 }],
        ['my shop', { address: undefined }],
        ['my shop', { address: undefined, port: 7_000 }],
      ])
    })

    it.each([
      ['address=shop', '', 'not a local IP address'],
      ['port=x', '', 'port must be a number'],
      ['port=70000', '', 'not a port'],
      ['adress=127.0.0.1', '', '"adress" is neither address nor port'],
      ['', '{', 'the body is no JSON'],
      ['', '[]', 'must be a JSON object'],
      ['', 'null', 'must be a JSON object'],
      ['', '{"address":1}', 'address must be a string'],
      ['', '{"port":true}', 'port must be a number'],
    ])('refuse ?%s and body %j', async (query, body, message) => {
      const { status, text } = await migrating([result()])(query, body)
      expect(status).toBe(400)
      expect(JSON.parse(text)).toEqual({
        error: { code: 'MM_INVALID_ARGUMENT', message: expect.stringContaining(message) },
      })
    })

    it('know only the origins of the configuration', async () => {
      const { status, text } = await migrating([result()])('', '', '/origins/other/migrate')
      expect([status, JSON.parse(text)]).toMatchObject([404, { error: { code: 'MM_NO_ROUTE' } }])
    })

    it('pass on an error that is no fault of the request', async () => {
      const { answer } = setUp({ migrate: () => Promise.reject(new Error('broken')) })
      await expect(answer('POST', '/origins/a/migrate')).rejects.toThrow('broken')
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
      '/origins/NAME/migrate',
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
