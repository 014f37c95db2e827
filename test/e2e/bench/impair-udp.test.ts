import type { Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Conditions, PathConditions } from '../../../src/bench/impair/conditions.ts'
import { fateSeed, PacketLossModel } from '../../../src/bench/impair/packet-loss-model.ts'
import { type ImpairedUdp, impairUdp } from '../../../src/bench/impair/udp-relay.ts'
import { openUdpSocket } from '../../support/udp-port.ts'

const PATIENT = { interval: 2, timeout: 10_000 }
const NO_CONDITIONS: PathConditions = { toServer: {}, toClient: {} }

/** A server that notes what came and from where, and the relay before it. */
class World implements AsyncDisposable {
  readonly seen: { text: string; host: string; port: number }[] = []
  readonly server: Socket
  readonly relay: ImpairedUdp

  constructor(server: Socket, relay: ImpairedUdp) {
    this.server = server
    this.relay = relay
    server.on('message', (bytes, { address, port }) =>
      this.seen.push({ text: bytes.toString(), host: address, port }),
    )
  }

  static async open(conditions: PathConditions = NO_CONDITIONS, seed = 1): Promise<World> {
    const server = await openUdpSocket()
    const target = { host: '127.0.0.1', port: server.address().port }
    return new World(server, await impairUdp({ target, seed, ...conditions }))
  }

  /** Sends, and waits until the relay has it. */
  async send(from: Socket, text: string): Promise<void> {
    const before = this.relay.counts().toServer.packets
    from.send(text, this.relay.port, '127.0.0.1')
    await expect.poll(() => this.relay.counts().toServer.packets, PATIENT).toBe(before + 1)
  }

  /** The nth datagram at the server. */
  async arrival(nth: number): Promise<{ text: string; host: string; port: number }> {
    await expect.poll(() => this.seen.length, PATIENT).toBeGreaterThan(nth)
    return this.seen[nth]!
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.relay[Symbol.asyncDispose]()
    this.server.close()
  }
}

async function withClient(use: (client: Socket) => Promise<void>): Promise<void> {
  const client = await openUdpSocket()
  try {
    await use(client)
  } finally {
    client.close()
  }
}

const textOf = async (socket: Socket): Promise<string> => String((await once(socket, 'message'))[0])

describe('an impaired UDP path', () => {
  it('loses of 10,000 datagrams at 5 % exactly those that the seed tells', async () => {
    const conditions: Conditions = { lossRate: 0.05 }
    const fates = new PacketLossModel(fateSeed(11, 'toServer'))
    const expected = Array.from({ length: 10_000 }, (_, i) => String(i)).filter(
      () => fates.next(conditions).kind === 'passes',
    )
    await using world = await World.open({ toServer: conditions, toClient: {} }, 11)
    await withClient(async client => {
      for (let sent = 0; sent < 10_000; ) {
        for (let i = 0; i < 50; i++) client.send(String(sent++), world.relay.port, '127.0.0.1')
        // So that no kernel has to throw any away.
        for (;;) {
          const { packets, lost } = world.relay.counts().toServer
          if (packets === sent && world.seen.length === packets - lost) break
          await turn()
        }
      }
    })
    expect(world.seen.map(({ text }) => text)).toEqual(expected)
    const { toServer, unseen } = world.relay.counts()
    expect(toServer).toMatchObject({ packets: 10_000, lost: 10_000 - expected.length, overflowed: 0 })
    if (process.platform === 'linux') expect(unseen).toBe(0)
  })

  it('delays each direction by its own time, reorders and duplicates', async () => {
    await using world = await World.open({
      toServer: { delayMs: 20, reorderRate: 0.3, reorderDelayMs: 30, duplicateRate: 0.2 },
      toClient: { delayMs: 10 },
    })
    await withClient(async client => {
      for (let i = 0; i < 60; i++) {
        await world.send(client, String(i))
        await sleep(1)
      }
      const { late, doubled } = world.relay.counts().toServer
      expect(Math.min(late, doubled)).toBeGreaterThan(3)
      await expect.poll(() => world.seen.length, PATIENT).toBe(60 + doubled)
      const numbers = world.seen.map(({ text }) => Number(text))
      expect(new Set(numbers).size).toBe(60)
      expect(numbers).not.toEqual(numbers.toSorted((a, b) => a - b))
      const since = performance.now()
      world.server.send('back', world.seen[0]!.port, '127.0.0.1')
      expect(await textOf(client)).toBe('back')
      expect(performance.now() - since).toBeGreaterThanOrEqual(10)
    })
  })

  it('gives each client a port of its own at the server, and each its own answers', async () => {
    await using world = await World.open()
    await withClient(one =>
      withClient(async other => {
        await world.send(one, 'one')
        await world.send(other, 'other')
        const ports = [(await world.arrival(0)).port, (await world.arrival(1)).port]
        expect(new Set(ports).size).toBe(2)
        expect(world.relay.clients.map(({ port }) => port)).toEqual([
          one.address().port,
          other.address().port,
        ])
        const answers = [textOf(one), textOf(other)]
        world.server.send('to one', ports[0], '127.0.0.1')
        world.server.send('to other', ports[1], '127.0.0.1')
        expect(await Promise.all(answers)).toEqual(['to one', 'to other'])
        // Nobody but the server gets in from behind.
        const stranger = await openUdpSocket()
        stranger.send('stranger', ports[0], '127.0.0.1')
        await sleep(30)
        stranger.close()
        expect(world.relay.counts().toClient.packets).toBe(2)
      }),
    )
  })

  it('rebinds a client: another port, another address, and the old one for a time', async () => {
    await using world = await World.open()
    await withClient(async client => {
      await world.send(client, 'a')
      const first = await world.arrival(0)
      await world.relay.rebind()
      await world.send(client, 'b')
      const second = await world.arrival(1)
      expect([second.host, second.port === first.port]).toEqual(['127.0.0.1', false])
      world.server.send('to the old one', first.port, first.host)
      await sleep(30)
      expect(world.relay.counts().toClient.packets).toBe(0)
      await world.relay.rebind('127.0.0.2', 5_000)
      await world.send(client, 'c')
      expect((await world.arrival(2)).host).toBe('127.0.0.2')
      world.server.send('to the one before', second.port, second.host)
      expect(await textOf(client)).toBe('to the one before')
    })
    await expect(world.relay.rebind('203.0.113.1')).rejects.toThrow('EADDRNOTAVAIL')
  })

  it('falls silent for present clients, in one direction or both, until set otherwise', async () => {
    await using world = await World.open()
    await withClient(one =>
      withClient(async other => {
        await world.send(one, '0')
        const { port } = await world.arrival(0)
        world.relay.silence(undefined, 'toServer')
        await world.send(one, 'swallowed')
        await world.send(other, '1')
        expect((await world.arrival(1)).text).toBe('1')
        const answer = textOf(one)
        world.server.send('still passes', port, '127.0.0.1')
        expect(await answer).toBe('still passes')
        world.relay.unsilence({ host: '127.0.0.1', port: one.address().port })
        await world.send(one, '2')
        expect((await world.arrival(2)).text).toBe('2')
        expect(world.relay.counts().toServer).toMatchObject({ packets: 4, swallowed: 1, delivered: 3 })
        expect(() => world.relay.silence({ host: '127.0.0.1', port: 1 })).toThrow('no client has come')
      }),
    )
  })

  it('is a black hole while its conditions say so', async () => {
    await using world = await World.open()
    await withClient(async client => {
      world.relay.setConditions('toServer', { isBlackHole: true })
      await world.send(client, 'swallowed')
      world.relay.setConditions('toServer', {})
      await world.send(client, 'passes')
      expect((await world.arrival(0)).text).toBe('passes')
      expect(world.relay.counts().toServer.swallowed).toBe(1)
      expect(() => world.relay.setConditions('toServer', { lossRate: 2 })).toThrow('lossRate')
    })
  })

  it('uses a filter, which may drop or change datagrams, and sends those that it is given', async () => {
    await using world = await World.open()
    await withClient(async client => {
      world.relay.filter = (datagram, direction, index) =>
        direction === 'toServer' && index === 1 ? false : Buffer.from(`${datagram.toString()}${index}`)
      for (const text of ['a', 'b', 'c']) await world.send(client, text)
      expect([(await world.arrival(0)).text, (await world.arrival(1)).text]).toEqual(['a0', 'c2'])
      const [end] = world.relay.clients
      world.relay.inject('toServer', Buffer.from('made up'), end!)
      expect((await world.arrival(2)).text).toBe('made up')
      const answer = textOf(client)
      world.relay.inject('toClient', Buffer.from('made up too'), end!)
      expect(await answer).toBe('made up too')
    })
  })

  it('lets no more through than the rate, and loses at the tail', async () => {
    const conditions: Conditions = { bytesPerSecond: 100_000, queueBytes: 10_000 }
    await using world = await World.open({ toServer: conditions, toClient: {} })
    await withClient(async client => {
      const since = performance.now()
      for (let i = 0; i < 40; i++) client.send('x'.repeat(1_000), world.relay.port, '127.0.0.1')
      await expect.poll(() => world.relay.counts().toServer.packets, PATIENT).toBe(40)
      const { overflowed } = world.relay.counts().toServer
      await expect.poll(() => world.seen.length, PATIENT).toBe(40 - overflowed)
      expect(overflowed).toBeGreaterThan(0)
      expect(performance.now() - since).toBeGreaterThanOrEqual((40 - overflowed) * 10)
    })
  })
})
