import { readdirSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, vi } from 'vitest'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { asTransportError, type TransportError } from '../../../src/index.ts'
import { bodyOf } from '../../support/body-files.ts'
import { type MovingClient, sha256, startMovingClient } from '../../support/moving-client.ts'
import { type Ngtcp2Server, startNgtcp2Server } from '../../support/ngtcp2-server.ts'
import { readProcessMemory } from '../../support/process-memory.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'

/** The default takes a few seconds beside other tests; 200 and more are for a machine of one's own. */
const CONNECTIONS = Number(process.env['MM_SOAK_CONNECTIONS'] ?? 12)
const AT_ONCE = Math.min(20, Math.ceil(CONNECTIONS / 2))
/** Of one connection. */
const LIFE_MS = 1_500
/**
 * What a life may take beside the others on a machine that is busy: servers are started, paths are found
 * dead, handshakes repeated.
 */
const SLOW_LIFE_MS = 10_000
/**
 * The idle timeout, after which nothing is left of a connection whatever became of its peer, and as much
 * again for a busy machine.
 */
const DRAINED_MS = 60_000
/** Above what the first wave has left, with its compiled code. */
const MAX_GROWTH_MIB = 200

/**
 * Whoever stands still for so long has been forgotten: the worst seen on an idle machine was 6 s. A handshake
 * that meets a dead path begins anew after 5 s.
 */
const PATIENCE_MS = 30_000
const PATIENCE = { timeouts: { headersMs: PATIENCE_MS, bodyMs: PATIENCE_MS } }
/**
 * Of one life, to the server: some 15 a request. Without the bound on what follows a close it was thousands.
 */
const datagramsFor = (requests: number): number => 1000 + 50 * requests

const BODY_BYTES = 20_000
const BODY_SHA256 = sha256(bodyOf(BODY_BYTES))

type Dice = () => number

/** What befalls a path. Each leaves a way: the rules can save every request that may be sent again. */
const FAULTS: readonly (readonly [name: string, act: (client: MovingClient, dice: Dice) => unknown])[] = [
  ['silence', ({ relay }) => relay.silence()],
  ['silence to the server', ({ relay }) => relay.silence(undefined, 'to-server')],
  ['silence to the client', ({ relay }) => relay.silence(undefined, 'to-client')],
  [
    'a black hole that passes',
    async ({ relay }, dice) => {
      relay.isBlackHole = true
      await sleep(50 + 250 * dice())
      relay.isBlackHole = false
    },
  ],
  ['a rebinding', ({ relay }) => relay.rebind('127.0.0.1', 300)],
  ['a rebinding to another address', ({ relay }) => relay.rebind('127.0.0.3', 300)],
  ['a move', ({ transport, url }) => transport.migrate(url)],
  ['a move to another address', ({ transport, url }) => transport.migrate(url, { address: '127.0.0.2' })],
  [
    'loss',
    async ({ relay }, dice) => {
      for (const conditions of Object.values(relay.conditions)) conditions.lossRate = 0.02 + 0.08 * dice()
      await sleep(300)
      for (const conditions of Object.values(relay.conditions)) conditions.lossRate = 0
    },
  ],
]

interface Life {
  readonly requests: number
  /** Those that broke off behind the head of their response: nobody may send them again but the caller. */
  readonly broken: number
  readonly failures: readonly { readonly error: TransportError; readonly faults: readonly string[] }[]
  /** That went to the server. */
  readonly datagrams: number
  /**
   * Its server has ended by itself, which says nothing of us: ngtcp2 0.12 aborts
   * (`ngtcp2_conn_track_retired_dcid_seq: Unreachable`) after some rebindings that are followed by moves.
   * What failed then is not counted.
   */
  readonly isServerGone: boolean
}

describe('connections whose paths have faults at random', () => {
  const missing = requireBinary('gtlsserver') ?? requireQuic()
  it(`${CONNECTIONS} of them lose no request that may be sent again, and leave nothing behind`, {
    timeout: 180_000 + Math.ceil(CONNECTIONS / AT_ONCE) * (PATIENCE_MS + SLOW_LIFE_MS),
  }, async ctx => {
    ctx.skip(missing !== undefined, missing)
    // One for each life of a wave, so that one that ends by itself takes no other life with it. One after the
    // other: a busy machine starts no twenty at once.
    await using servers = new Servers()
    while (servers.all.length < AT_ONCE) await servers.start()
    const wave = (from: number, count: number): Promise<Life[]> =>
      Promise.all(servers.all.slice(0, count).map((server, i) => liveWith(server, from + i)))
    const lives = await wave(0, Math.min(AT_ONCE, CONNECTIONS))
    const before = await leftovers()
    while (lives.length < CONNECTIONS) {
      lives.push(...(await wave(lives.length, Math.min(AT_ONCE, CONNECTIONS - lives.length))))
    }
    const after = await leftovers(before.sockets)
    const failures = lives.flatMap((life, seed) =>
      life.isServerGone || hasStoodStill(life)
        ? []
        : life.failures.map(
            ({ error, faults }) => `seed ${seed}: ${error.code} ${error.message} after ${faults.join(', ')}`,
          ),
    )
    expect(failures).toEqual([])
    expect(lives.filter(hasStoodStill).length).toBeLessThanOrEqual(Math.max(1, CONNECTIONS / 50))
    const sum = (of: (life: Life) => number): number => lives.reduce((total, life) => total + of(life), 0)
    expect(sum(({ broken }) => broken)).toBeLessThan(Math.max(4, CONNECTIONS / 10))
    // A machine that is busy serves fewer. Each life begins with three.
    expect(sum(({ requests }) => requests)).toBeGreaterThan(5 * CONNECTIONS)
    expect(sum(({ isServerGone }) => (isServerGone ? 1 : 0))).toBeLessThan(Math.max(2, CONNECTIONS / 4))
    expect(lives.filter(({ datagrams, requests }) => datagrams > datagramsFor(requests))).toEqual([])
    expect(after.sockets).toBeLessThanOrEqual(before.sockets)
    expect(after.timers).toBeLessThanOrEqual(before.timers + 2)
    expect(after.memoryMib - before.memoryMib).toBeLessThan(MAX_GROWTH_MIB)
  })
})

/**
 * All of its requests waited until their timeouts, and nothing else befell them. Seen in 4 of 600 lives: the
 * server acknowledges our pings, has bytes in flight and sends none of them again (its qlog, three times),
 * which looks the same from here as an origin that thinks. native-notes/migration.md, what is known.
 */
function hasStoodStill({ failures }: Life): boolean {
  const isTimeout = (code: string): boolean => code === 'MM_HEADERS_TIMEOUT' || code === 'MM_BODY_TIMEOUT'
  return failures.length > 0 && failures.every(({ error }) => isTimeout(error.code))
}

class Servers implements AsyncDisposable {
  readonly all: Ngtcp2Server[] = []

  async start(): Promise<void> {
    this.all.push(await startNgtcp2Server({ bodies: { body: BODY_BYTES } }))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map(server => server.stop()))
  }
}

async function liveWith(server: Ngtcp2Server, seed: number): Promise<Life> {
  const life = await live({ port: server.port, ca: server.certificates.ca }, seed)
  const isServerGone = server.server.hasExited()
  if (isServerGone) await server.restart()
  return { ...life, isServerGone }
}

/** One client with one connection, or those that take its place. */
async function live(
  server: { readonly port: number; readonly ca: string },
  seed: number,
): Promise<Omit<Life, 'isServerGone'>> {
  const dice = seededRandom(seed + 1)
  const options = { latencyMs: 2 + Math.round(10 * dice()), seed: seed + 1, origin: PATIENCE }
  await using client = await startMovingClient(server, options)
  const faults: string[] = []
  const failures: Life['failures'][number][] = []
  let requests = 0
  let broken = 0
  let isOver = false
  const lane = async (index: number): Promise<void> => {
    while (!isOver) {
      requests += 1
      try {
        if (!(await exchange(client, index))) broken += 1
      } catch (error) {
        failures.push({ error: asTransportError(error), faults: [...faults] })
      }
      await sleep(5)
    }
  }
  const lanes = Promise.all([lane(0), lane(1), lane(2)])
  const endsAt = performance.now() + LIFE_MS
  for (;;) {
    const pauseMs = 100 + 500 * dice()
    if (performance.now() + pauseMs > endsAt) break
    await sleep(pauseMs)
    const [name, act] = FAULTS[Math.floor(dice() * FAULTS.length)]!
    // What befalls a handshake is another matter: only connections that stand can move.
    await vi.waitFor(() => expect(standing(client)).toBe(true), { timeout: PATIENCE_MS, interval: 5 })
    faults.push(name)
    await act(client, dice)
  }
  isOver = true
  await lanes
  return { requests, broken, failures, datagrams: client.relay.counts['to-server'].received }
}

function standing({ transport }: MovingClient): boolean {
  const connections = transport.stats().pools[0]?.connections
  return (
    connections !== undefined && connections.connecting === 0 && connections.leased + connections.idle > 0
  )
}

/**
 * One that may be sent again. False: it broke off behind the head of its response because its path was dead.
 */
async function exchange({ transport, url }: MovingClient, index: number): Promise<boolean> {
  const upload = { method: 'PUT', body: bodyOf(BODY_BYTES) }
  const response = await transport.request(
    `${url}/${index === 0 ? 'hello' : 'body'}`,
    index === 0 ? upload : {},
  )
  const body = await response.bytes().catch((error: unknown) => asTransportError(error))
  if (body instanceof Error) {
    if (body.message.includes('path-failed')) return false
    throw body
  }
  if (response.status !== 200) throw new Error(`status ${response.status}`)
  if (index > 0 && sha256(body) !== BODY_SHA256) throw new Error('other bytes')
  return true
}

/**
 * What is there when nothing is under way: once the closed connections have drained, or have given up
 * (`atMost`: how many there were before).
 */
async function leftovers(atMost = 0): Promise<{ sockets: number; timers: number; memoryMib: number }> {
  const count = (): number => readdirSync('/proc/self/fd').length
  const endsAt = performance.now() + (atMost === 0 ? 0 : DRAINED_MS)
  for (
    let last = -1;
    last !== count() || (count() > atMost && performance.now() < endsAt);
    await sleep(500)
  ) {
    last = count()
  }
  return {
    sockets: count(),
    timers: process.getActiveResourcesInfo().filter(name => name === 'Timeout').length,
    memoryMib: readProcessMemory(process.pid).now,
  }
}
