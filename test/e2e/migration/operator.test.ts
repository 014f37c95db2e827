import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { main } from '../../../src/cli/main.ts'
import { createTransport, type MigrationResult } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startCaddy } from '../../support/caddy.ts'
import { parsePrometheusText } from '../../support/prometheus-text.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { startConnector } from '../../support/start-connector.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { startUdpRelay } from '../../support/udp-relay.ts'
import { fakeIo } from '../../unit/cli/fake-io.ts'

const missing = requireQuic()
const why = missing === undefined ? '' : ` (${missing})`

/** An origin of ours that lets its clients move, and what trusts it. */
async function startMovableOrigin() {
  const authority = await createCertificateAuthority()
  const origin = await startHttp3Origin({
    tls: await authority.issue({ names: ['localhost'] }),
    allowsMigration: true,
    address: '127.0.0.1',
  })
  return {
    url: origin.url,
    port: origin.port,
    ca: authority.cert,
    [Symbol.asyncDispose]: () => origin.close(),
  }
}

/** What `/origins/NAME/migrate` answers. */
interface Answer {
  moved: number
  because?: string
  connections: MigrationResult[]
}

describe.skipIf(missing !== undefined)(`POST /origins/NAME/migrate${why}`, () => {
  it('moves a connection while a response is under way, and reports it everywhere', async () => {
    await using origin = await startMovableOrigin()
    await using connector = await startConnector({
      origins: {
        shop: { url: origin.url, hosts: ['*'], protocols: ['h3'], trusted: true, tls: { ca: origin.ca } },
      },
    })
    const migrate = async (query = '', body?: string) => {
      const init: RequestInit = { method: 'POST', ...(body !== undefined && { body }) }
      const response = await fetch(`${connector.adminUrl}/origins/shop/migrate${query}`, init)
      return { status: response.status, answer: (await response.json()) as Answer }
    }
    expect(await migrate()).toMatchObject({
      status: 409,
      answer: { moved: 0, because: 'no connection to the origin is open', connections: [] },
    })

    const dripping = fetch(`${connector.url}/drip?n=40&ms=25`)
    expect((await dripping).status).toBe(200)
    const first = await migrate()
    expect(first).toMatchObject({
      status: 200,
      answer: {
        moved: 1,
        connections: [{ protocol: 'h3', report: { cause: 'forced', outcome: 'moved' } }],
      },
    })
    const second = await migrate('', '{"address":"127.0.0.2"}')
    expect(second).toMatchObject({
      status: 200,
      answer: { connections: [{ report: { to: { host: '127.0.0.2' } } }] },
    })
    expect((await (await dripping).arrayBuffer()).byteLength).toBe(400)
    expect((await migrate('?address=shop')).status).toBe(400)
    expect(await migrate('', `{"address":"${'1'.repeat(5_000)}"}`).catch(() => 'no JSON')).toBe('no JSON')

    const pool = await connector.pool('shop')
    expect(pool).toMatchObject({ opened: { full: 1 }, migrations: { outcomes: { moved: 2, redial: 0 } } })
    // A busy machine may be late with the first packets, which its watch takes for a failing path.
    const forced = pool.migrations.last.filter(({ report }) => report.cause === 'forced')
    expect(forced.map(({ report }) => report.to?.host)).toEqual(['127.0.0.1', '127.0.0.2'])
    const { sum } = parsePrometheusText(await (await fetch(`${connector.adminUrl}/metrics`)).text())
    expect(sum('middlemile_migrations_total', { origin: 'shop', outcome: 'moved' })).toBe(2)
    expect(sum('middlemile_migration_gap_seconds_count', { origin: 'shop' })).toBe(2)
    const moves = connector.log.filter(line => /shop h3#\d+: moved from 127\.0\.0\.1:\d+ to /.test(line))
    expect(moves).toHaveLength(2)
    const explanation = await (await fetch(`${connector.adminUrl}/origins/shop/explain`)).json()
    expect(explanation).toMatchObject({
      known: expect.arrayContaining([
        { fact: 'HTTP/3 connections may move to another path', evidence: 'the origin is trusted' },
        {
          fact: expect.stringMatching(/^h3#\d+ moved from .* \(forced\), gap \d+ ms$/),
          evidence: expect.any(String),
        },
      ]),
    })
  })

  it('migrates nothing of an origin that is not trusted, and says so', async () => {
    await using origin = await startMovableOrigin()
    await using connector = await startConnector({
      origins: { shop: { url: origin.url, hosts: ['*'], protocols: ['h3'], tls: { ca: origin.ca } } },
    })
    expect((await fetch(`${connector.url}/`)).status).toBe(200)
    const response = await fetch(`${connector.adminUrl}/origins/shop/migrate`, { method: 'POST' })
    const answer = (await response.json()) as Answer
    expect([response.status, answer.moved, answer.because]).toEqual([409, 0, 'no connection could be moved'])
    expect(answer.connections[0]?.because).toContain('not marked as trusted')
    expect((await connector.pool('shop')).migrations.outcomes.refused).toBe(0)
  })

  it('moves nothing where the peer forbids it, and goes on', async ctx => {
    const absent = requireBinary('caddy')
    ctx.skip(absent !== undefined, absent)
    await using caddy = await startCaddy({ http3: true })
    await using transport = createTransport({
      defaults: { protocols: ['h3'], trusted: true, tls: { ca: caddy.certificates.ca } },
    })
    await (await transport.request(`${caddy.url}/hello`)).dump()
    const [result] = await transport.migrate(caddy.url)
    expect(result).toMatchObject({ protocol: 'h3', because: expect.stringMatching(/peer|forbid/) })
    expect(result?.report?.outcome).not.toBe('moved')
    const { known } = await transport.explain(caddy.url)
    expect(known.map(({ fact }) => fact)).toContainEqual(expect.stringMatching(/^h3#\d+ cannot move$/))
    expect((await transport.request(`${caddy.url}/hello`)).info.reused).toBe(true)
  })
})

describe.skipIf(missing !== undefined)(`transport.migrate${why}`, () => {
  it('has nothing to move before the first connection, and refuses what is no address', async () => {
    await using transport = createTransport()
    expect(await transport.migrate('https://origin.example')).toEqual([])
    await expect(transport.migrate('https://origin.example', { address: 'localhost' })).rejects.toMatchObject(
      {
        code: 'MM_INVALID_ARGUMENT',
      },
    )
    expect(transport.stats().pools).toEqual([])
  })
})

describe.skipIf(missing !== undefined)(`get --trusted${why}`, () => {
  const get = async (isTrusted: boolean) => {
    const directory = makeTemporaryDirectory('migration-operator')
    try {
      await using origin = await startMovableOrigin()
      await using relay = await startUdpRelay(origin.port, { conditions: { latencyMs: 5 } })
      const caFile = join(directory.path, 'ca.pem')
      writeFileSync(caFile, origin.ca)
      const { io, out } = fakeIo()
      const url = `https://localhost:${relay.port}/drip?n=60&ms=20`
      const args = ['--json', '--protocol', 'h3', '--ca', caFile, '--timeout-ms', '6000']
      if (isTrusted) args.push('--trusted')
      const running = main(['get', ...args, url], { ...io, createTransport })
      await expect.poll(() => relay.counts['to-client'].received).toBeGreaterThan(15)
      relay.silence()
      const exitCode = await running
      const [record, { summary }] = out()
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line))
      return { exitCode, record, summary }
    } finally {
      directory.remove()
    }
  }

  it('survives a path that turns silent in the middle of a response, and prints the move', async () => {
    const { exitCode, record, summary } = await get(true)
    expect([exitCode, record.status, record.bytes]).toEqual([0, 200, 600])
    expect(summary.migrations).toContainEqual(
      expect.objectContaining({
        connectionId: record.connectionId,
        cause: expect.stringMatching(/^(timeouts|silent)$/),
        outcome: 'moved',
        gapMs: expect.any(Number),
      }),
    )
    expect(summary.newConnections).toBe(1)
  })

  it('is what it takes: without it the response breaks off', async () => {
    const { exitCode, summary } = await get(false)
    expect([exitCode, summary.migrations]).toEqual([1, []])
  })
})
