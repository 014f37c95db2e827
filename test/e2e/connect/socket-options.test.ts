import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { release } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { beforeEach, describe, expect, it } from 'vitest'
import { type SocketCalls, socketCalls } from '../../../src/connect/native/socket-calls.ts'
import type { PathSampled, SocketOptionRefused } from '../../../src/entry/events.ts'
import type { SocketOptions } from '../../../src/entry/options.ts'
import { createTransport, type OriginOptions, type Transport } from '../../../src/index.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startHttp2Origin } from '../../../src/testing/http2-origin.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { descriptorsTo } from '../../support/descriptors-to.ts'
import { requireNative } from '../../support/require-native.ts'

const ALL: SocketOptions = {
  keepAliveDelayMs: 40_000,
  keepAliveIntervalMs: 7_000,
  keepAliveProbes: 4,
  userTimeoutMs: 25_000,
  retransmitMaxMs: 3_000,
  notSentLowWaterBytes: 65_536,
  dscp: 10,
  congestionControl: 'reno', // every kernel has it, and permits it to everybody
}

interface World extends AsyncDisposable {
  readonly transport: Transport
  readonly url: string
  readonly port: number
  readonly refused: SocketOptionRefused[]
  readonly sampled: PathSampled[]
}

const ORIGINS = ['cleartext', 'TLS', 'HTTP/2'] as const

/** A transport to an origin of that kind, with these options of its sockets. */
async function start(kind: (typeof ORIGINS)[number], socket: Partial<SocketOptions>): Promise<World> {
  const authority = await createCertificateAuthority()
  const tls = await authority.issue({ names: ['localhost'] })
  const origin =
    kind === 'HTTP/2'
      ? await startHttp2Origin({ tls })
      : await startQuickOrigin(kind === 'TLS' ? { tls } : {})
  const refused: SocketOptionRefused[] = []
  const sampled: PathSampled[] = []
  const options: OriginOptions = { socket, tls: { ca: authority.cert }, endpoints: ['127.0.0.1'] }
  const transport = createTransport({
    origins: { [origin.url]: options },
    observer: event => {
      if (event.type === 'socket-option-refused') refused.push(event)
      if (event.type === 'path-sampled') sampled.push(event)
    },
  })
  return {
    transport,
    url: origin.url,
    port: origin.port,
    refused,
    sampled,
    async [Symbol.asyncDispose]() {
      await transport.close()
      await origin.close()
    },
  }
}

/** What the kernel has for the only connection to a port. */
function readBack(port: number) {
  const [fd, ...others] = descriptorsTo(port)
  expect([typeof fd, others]).toEqual(['number', []])
  const read = (name: Parameters<SocketCalls['get']>[1]) => calls().get(fd!, name)
  return {
    idleSeconds: read('keepAliveIdleSeconds'),
    intervalSeconds: read('keepAliveIntervalSeconds'),
    probes: read('keepAliveProbes'),
    userTimeoutMs: read('userTimeoutMs'),
    retransmitMaxMs: read('retransmitMaxMs'),
    notSentLowWaterBytes: read('notSentLowWaterBytes'),
    trafficClass: read('trafficClass4'),
    congestionControl: calls().congestionControl(fd!),
  }
}

function calls(): SocketCalls {
  const loaded = socketCalls()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable) // the tests are skipped then
  return loaded.calls
}

/** Linux knows TCP_RTO_MAX_MS since 6.15. */
const [major = 0, minor = 0] = release().split('.').map(Number)
const hasRetransmitMax = major > 6 || (major === 6 && minor >= 15)
const retransmitMax = (ms: number): number | undefined => (hasRetransmitMax ? ms : undefined)
const tooOld = (option: string): unknown[] =>
  hasRetransmitMax ? [] : [{ feature: `socket.${option}`, because: 'it takes Linux 6.15 (ENOPROTOOPT)' }]

describe('socket options towards an origin', () => {
  const missing = requireNative()

  it.each(ORIGINS)('are in the kernel: %s', async kind => {
    await using world = await start(kind, ALL)
    await (await world.transport.request(`${world.url}/bytes/10`)).dump()
    expect(readBack(world.port)).toEqual({
      idleSeconds: 40,
      intervalSeconds: 7,
      probes: 4,
      userTimeoutMs: 25_000,
      retransmitMaxMs: retransmitMax(3_000),
      notSentLowWaterBytes: 65_536,
      trafficClass: 10 << 2,
      congestionControl: 'reno',
    })
    expect([await unavailable(world), world.refused]).toEqual([tooOld('retransmitMaxMs'), []])
  })

  it('are two probes within the bound of liveness by default, and a cap on the pauses, but no user timeout', async () => {
    await using world = await start('TLS', {})
    await (await world.transport.request(`${world.url}/bytes/10`)).dump()
    expect(readBack(world.port)).toMatchObject({
      idleSeconds: 10,
      intervalSeconds: 5,
      probes: 2,
      userTimeoutMs: 0,
      retransmitMaxMs: retransmitMax(5_000),
    })
    expect([await unavailable(world), world.refused]).toEqual([tooOld('retransmitMaxMs'), []])
  })

  it('end a connection whose peer takes nothing for userTimeoutMs, though its kernel answers', async () => {
    const stalled = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(stalled, 'listening')
    const { port } = stalled.address() as AddressInfo // a server on a port has an AddressInfo
    await using transport = createTransport({ defaults: { socket: { userTimeoutMs: 1_000 } } })
    const startedAt = performance.now()
    const body = Buffer.alloc(16_000_000)
    await expect(transport.request(`http://127.0.0.1:${port}/`, { method: 'POST', body })).rejects.toThrow(
      /ETIMEDOUT/,
    )
    expect(performance.now() - startedAt).toBeLessThan(6_000)
    stalled.close()
  })

  it('may be the classic ones, which nothing cuts short', async () => {
    const classic = { keepAliveDelayMs: 300_000, keepAliveIntervalMs: 75_000, keepAliveProbes: 9 }
    await using world = await start('cleartext', classic)
    await (await world.transport.request(`${world.url}/bytes/10`)).dump()
    expect(readBack(world.port)).toMatchObject({
      idleSeconds: 300,
      intervalSeconds: 75,
      probes: 9,
      userTimeoutMs: 0,
      retransmitMaxMs: retransmitMax(120_000),
    })
  })

  it('are left as Node and the system have them where 0 says so', async () => {
    await using world = await start('TLS', {
      keepAliveIntervalMs: 0,
      keepAliveProbes: 0,
      retransmitMaxMs: 0,
    })
    await (await world.transport.request(`${world.url}/bytes/10`)).dump()
    expect(readBack(world.port)).toEqual({
      idleSeconds: 10,
      intervalSeconds: 1,
      probes: 10,
      userTimeoutMs: 0,
      retransmitMaxMs: retransmitMax(120_000),
      notSentLowWaterBytes: 0,
      trafficClass: 0,
      congestionControl: readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'latin1').trim(),
    })
    expect([await unavailable(world), world.refused]).toEqual([[], []])
  })

  it.each(ORIGINS)(
    'that the kernel does not know are reported once, and the connection works: %s',
    async kind => {
      await using world = await start(kind, { congestionControl: 'nosuchthing', keepAliveProbes: 5 })
      const because = 'this kernel has none of that name (ENOENT)'
      expect(await unavailable(world), 'nobody has asked the kernel yet').toEqual([])
      for (let connection = 0; connection < 3; connection += 1) {
        await world.transport.preconnect(world.url, { connections: connection + 1 })
        const response = await world.transport.request(`${world.url}/bytes/10`)
        expect((await response.bytes()).length).toBe(10)
      }
      expect(new Set(descriptorsTo(world.port).map(fd => calls().get(fd, 'keepAliveProbes')))).toEqual(
        new Set([5]),
      )
      expect(world.refused).toMatchObject([{ option: 'congestionControl', because }])
      expect(await unavailable(world)).toEqual([
        ...tooOld('retransmitMaxMs'),
        { feature: 'socket.congestionControl', because },
      ])
    },
  )

  it.each(ORIGINS)('come with the figures of the path: %s', async kind => {
    await using world = await start(kind, {})
    for (let request = 1; request <= 40; request += 1) {
      await (await world.transport.request(`${world.url}/bytes/100000`)).dump()
      // The way is read after 16 exchanges, and no more often than every 50 ms.
      if (request % 16 === 0) await setTimeout(60)
    }
    const protocol = kind === 'HTTP/2' ? 'h2' : 'http/1.1'
    const { path, pathByProtocol } = world.transport.stats().pools[0]!
    expect(Object.keys(pathByProtocol)).toEqual([protocol])
    expect(pathByProtocol[protocol]).toEqual(path)
    expect(path).toMatchObject({ connections: 1, lossRatio: 0 })
    expect(path!.rttMs).toBeGreaterThan(0)
    expect(path!.rttMs).toBeLessThan(100)
    // One reading of 16 exchanges, and another.
    const [first, second, ...others] = world.sampled
    expect(others).toEqual([])
    expect([first?.connection.protocol, second?.connection]).toEqual([protocol, first?.connection])
    expect(first).toMatchObject({ lane: 'tcp', lossRatio: 0 })
    const carried = second!.stats.receivedBytes - first!.stats.receivedBytes
    expect(carried).toBeGreaterThan(16 * 100_000)
    expect(carried).toBeLessThan(17 * 102_000)
    expect(second!.stats.sentPackets).toBeGreaterThanOrEqual(first!.stats.sentPackets + 16)
    expect(second!.stats.congestionWindowBytes).toBeGreaterThan(1_000)
    const { known } = await world.transport.explain(world.url)
    expect(known.map(({ fact }) => fact).join('; ')).toMatch(
      /TCP round trip takes \d+\.\d ms; 0\.0 % of the packets over TCP are lost/,
    )
  })

  it('have no figures of a connection that is gone', async () => {
    await using world = await start('cleartext', {})
    await (await world.transport.request(`${world.url}/bytes/10`)).dump()
    expect(world.transport.stats().pools[0]?.path?.connections).toBe(1)
    await world.transport.drain()
    expect(world.transport.stats().pools[0]?.path).toBeUndefined()
  })

  beforeEach(ctx => ctx.skip(missing !== undefined, missing))
})

const unavailable = async ({ transport, url }: World) =>
  (await transport.explain(url)).unavailable.filter(({ feature }) => feature.startsWith('socket.'))
