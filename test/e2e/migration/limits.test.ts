import { describe, expect, it, vi } from 'vitest'
import { startCaddy } from '../../support/caddy.ts'
import { NGTCP2, OWN_SERVER, startOwnMovable } from '../../support/movable-servers.ts'
import { type MovingClient, startMovingClient } from '../../support/moving-client.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

const WAITING = { timeout: 10_000, interval: 5 }

const poolOf = ({ transport }: MovingClient) => transport.stats().pools[0]!

/** Waits until that many requests more have begun. */
const more = async (client: MovingClient, requests: number): Promise<void> => {
  const before = poolOf(client)?.requests ?? 0
  await vi.waitFor(() => expect(poolOf(client)?.requests).toBeGreaterThanOrEqual(before + requests), WAITING)
}

describe.each([NGTCP2, OWN_SERVER])('ten migrations in a row to $name', ({ missing, start }) => {
  it('are seven, a new connection that resumes, and two of that one; no request fails', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using server = await start()
    await using client = await startMovingClient(server)
    const outcomes: string[] = []
    const { failures, perConnection } = await client.loadDuring(server.smallPath, 4, async () => {
      // The peer's connection ids come behind the handshake.
      await more(client, 20)
      for (let i = 0; i < 10; i++) {
        // After a re-dial there is none for a moment that could be moved.
        const one = { leased: 1, draining: 0 }
        await vi.waitFor(() => expect(poolOf(client)?.connections).toMatchObject(one), WAITING)
        outcomes.push((await client.move()).outcome)
        if (outcomes.at(-1) === 'redial') await more(client, 20)
      }
    })
    expect(failures).toEqual([])
    expect(outcomes).toEqual([...Array<string>(7).fill('moved'), 'redial', 'moved', 'moved'])
    expect(perConnection.size).toBe(2)
    expect(poolOf(client).opened).toMatchObject({ full: 1, resumed: 1 })
  })
})

describe('caddy, which forbids migration,', () => {
  const missing = requireBinary('caddy') ?? requireQuic()

  it('has what is under way on a dead path sent again over a new connection: no request fails', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http3: true })
    await using client = await startMovingClient({ port: caddy.tlsPort, ca: caddy.certificates.ca })
    const { transport, url, relay } = client
    const { failures, perConnection } = await client.loadDuring('/1k', 8, async () => {
      await more(client, 50)
      const [asked] = await transport.migrate(url)
      expect(asked?.because).toContain('the peer forbids migration')
      expect(poolOf(client).opened).toMatchObject({ full: 1, resumed: 0 })
      relay.silence()
      await more(client, 50)
    })
    expect(failures).toEqual([])
    expect(perConnection.size).toBe(2)
    expect(poolOf(client)).toMatchObject({ opened: { full: 1, resumed: 1 }, closed: { 'path-failed': 1 } })
    expect(client.reports.at(-1)).toMatchObject({
      outcome: 'redial',
      because: expect.stringContaining('the peer forbids migration'),
    })
  })

  it('is dialed anew when its clients are rebound by a NAT: no request fails', async ctx => {
    ctx.skip(missing !== undefined, missing)
    await using caddy = await startCaddy({ http3: true })
    await using client = await startMovingClient({ port: caddy.tlsPort, ca: caddy.certificates.ca })
    const { failures } = await client.loadDuring('/1k', 8, async () => {
      for (let i = 0; i < 2; i++) {
        await more(client, 50)
        await client.relay.rebind()
      }
      await more(client, 50)
    })
    expect(failures).toEqual([])
  })
})

describe('an origin that is not trusted', () => {
  it('is never migrated, and the report says so', async ctx => {
    const missing = requireQuic()
    ctx.skip(missing !== undefined, missing)
    await using server = await startOwnMovable()
    await using client = await startMovingClient(server, {
      origin: { trusted: false, liveness: { intervalMs: 200, timeoutMs: 600 } },
    })
    const { transport, url, relay } = client
    await (await transport.request(`${url}/`)).dump()
    const [result] = await transport.migrate(url)
    expect(result).toMatchObject({
      report: undefined,
      because: expect.stringContaining('not marked as trusted'),
    })
    const downloading = client.download(server.downloadPath, [1_000_000, () => relay.silence()])
    await expect(downloading).rejects.toMatchObject({ code: 'MM_CONNECTION_RESET' })
    // No report, and no datagram from another socket, but for those of a new connection.
    expect(client.reports).toEqual([])
    expect(relay.clients).toHaveLength(1)
    expect((await transport.explain(url)).known).toContainEqual({
      fact: 'HTTP/3 connections stay on their first path',
      evidence: expect.stringContaining('not marked as trusted'),
    })
  })
})
