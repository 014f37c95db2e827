import { describe, expect, it } from 'vitest'
import { main } from '../../../../src/cli/main.ts'
import { type MigrationReport, parseOrigin } from '../../../../src/index.ts'
import { migrationReport } from '../../../support/migration-figures.ts'
import { fakeConnection } from '../../service/fake-connection.ts'
import { fakeIo, response } from '../fake-io.ts'

const URL_A = 'https://a.example/x'

const lines = (text: string): unknown[] =>
  text
    .trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))

describe('get over connections that move', () => {
  const run = async (args: readonly string[], reports: readonly MigrationReport[]) => {
    const { io, out, transports } = fakeIo({
      onRequest: async () => {
        for (const report of reports)
          transports[0]?.observer?.({
            type: 'migration',
            origin: parseOrigin(URL_A),
            connection: fakeConnection({}, 'h3'),
            report,
          })
        return response([Buffer.from('hello')])
      },
    })
    expect(await main(['get', ...args, URL_A], io)).toBe(0)
    return out()
  }
  const stuck = migrationReport({
    outcome: 'redial',
    cause: 'timeouts',
    to: undefined,
    gapMs: undefined,
    because: 'the peer forbids it',
  })

  it('reports each move at its end, for one request and for several', async () => {
    for (const args of [[], ['-n', '1']]) {
      expect((await run(args, [migrationReport(), stuck])).split('\n').slice(-3, -1)).toEqual([
        'migration  h3#7 moved from 127.0.0.1:5000 to 127.0.0.1:5001 (forced), gap 12.3 ms — because it was asked for',
        'migration  h3#7 did not move from 127.0.0.1:5000 (timeouts), redial — because the peer forbids it',
      ])
    }
    expect(await run(['-n', '2'], [migrationReport()])).toMatch(
      /total .*\n\nmigration {2}h3#7.*\nmigration {2}h3#7.*\n$/,
    )
    expect(await run([], [])).not.toContain('migration')
  })

  it('lists the last hundred in the summary of --json', async () => {
    const [, summary] = lines(await run(['--json'], [migrationReport(), stuck]))
    expect(summary).toMatchObject({
      summary: {
        migrations: [
          {
            connectionId: 7,
            cause: 'forced',
            outcome: 'moved',
            from: '127.0.0.1:5000',
            to: '127.0.0.1:5001',
            gapMs: 12.346,
            because: 'it was asked for',
          },
          { outcome: 'redial', to: null, gapMs: null },
        ],
      },
    })
    const many = Array.from({ length: 150 }, (_, i) => migrationReport({ because: `${i}` }))
    const [, long] = lines(await run(['--json'], many)) as [
      unknown,
      { summary: { migrations: { because: string }[] } },
    ]
    expect(long.summary.migrations).toHaveLength(100)
    expect(long.summary.migrations[0]?.because).toBe('50')
  })
})
