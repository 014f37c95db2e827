import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { loadRedisPackage, openRedis, type RedisClient } from '../../../src/service/fleet/redis-client.ts'
import { parseView, SHARE_SCRIPT, scriptArguments } from '../../../src/service/fleet/share-script.ts'
import type { FleetStep, FleetView } from '../../../src/state/shares/fleet-step.ts'
import { FleetStore } from '../../support/fleet-store.ts'
import { startRedis } from '../../support/redis.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { volume } from '../../support/volume.ts'

const LEASE_MS = 3_600_000
const STEPS = volume(400, 20_000)

async function connected(port: number): Promise<AsyncDisposable & { readonly client: RedisClient }> {
  const settings = {
    url: `redis://127.0.0.1:${port}`,
    prefix: 't:',
    tls: undefined,
    connectTimeoutMs: 5_000,
    answerTimeoutMs: 5_000,
    leaseMs: LEASE_MS,
  }
  const client = openRedis(loadRedisPackage(), settings, () => {})
  await client.opened
  return { client, [Symbol.asyncDispose]: async () => client.end() }
}

async function stepIn(
  client: RedisClient,
  step: FleetStep,
  { leaseMs = LEASE_MS, run = 'r1' } = {},
): Promise<FleetView> {
  const words = scriptArguments(step, { prefix: 't:', leaseMs }, run)
  const view = parseView(await client.send(['EVAL', SHARE_SCRIPT, ...words]))
  if (view === undefined) throw new Error('no view')
  return view
}

const plain = ({ hosts }: FleetView) =>
  [...hosts].map(([name, { number, granted, wants }]) => `${name}: ${number} ${granted} ${wants}`).sort()

const STEP: FleetStep = {
  of: 'o',
  member: 'a',
  number: 1,
  ceiling: 10,
  keeps: 0,
  wants: 5,
  claims: 5,
  leaves: false,
}

describe.skipIf(requireBinary('redis-server'))('the script in Redis', () => {
  it('does with random steps what the model of the tests does', async () => {
    await using redis = await startRedis()
    await using connection = await connected(redis.port)
    const model = new FleetStore(LEASE_MS)
    const random = seededRandom(11)
    const below = (bound: number): number => Math.floor(random() * bound)
    for (let count = 0; count < STEPS; count += 1) {
      const keeps = below(4)
      const step: FleetStep = {
        of: 'https://shop.example:443',
        member: `host ${below(5)}`,
        number: below(2 * count + 2),
        ceiling: 8 + below(5),
        keeps,
        wants: below(20),
        claims: keeps + below(3) * below(6),
        leaves: below(12) === 0,
      }
      const view = await stepIn(connection.client, step)
      expect(plain(view)).toEqual(plain(model.step(step, 0)))
    }
  })

  it('forgets a host by the clock of Redis, and reports since when it counts hosts', async () => {
    await using redis = await startRedis()
    await using connection = await connected(redis.port)
    const { client } = connection
    const first = await stepIn(client, STEP, { leaseMs: 30 })
    expect(first.since).toBe(first.now)
    let view = first
    while (view.now < first.now + 30)
      view = await stepIn(client, { ...STEP, member: 'b', number: view.now, claims: 0 })
    expect([...view.hosts.keys()]).toEqual(['b'])
    expect(view.since).toBe(first.since)
    const unnamed = await stepIn(client, { ...STEP, number: 2 }, { run: '' })
    expect(unnamed.since).toBe(first.since)
    const restored = await stepIn(client, { ...STEP, number: 3 }, { run: 'r2' })
    expect(restored.since).toBe(restored.now)
    expect(Number(await client.send(['PTTL', 't:share:o']))).toBeGreaterThan(600_000_000)
  })

  it('treats what others have written there as nothing', async () => {
    await using redis = await startRedis()
    await using connection = await connected(redis.port)
    const { client } = connection
    await client.send(['HSET', 't:share:o', 'x', '1 99', '#', 'tomorrow', '', '-1 -1 -1 -1'])
    const view = await stepIn(client, STEP)
    expect(plain(view)).toEqual(['a: 1 5 5'])
    expect(view.since).toBe(view.now)
  })
})
