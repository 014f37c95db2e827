import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { afterEach, describe, expect, it } from 'vitest'
import type { UdpAddress } from '../../../src/quic/engine.ts'
import type { EcnMark } from '../../../src/quic/udp/control-messages.ts'
import { DgramSocket } from '../../../src/quic/udp/dgram-socket.ts'
import { SegmentedSocket } from '../../../src/quic/udp/segmented-socket.ts'
import { type UdpCalls, udpCalls } from '../../../src/quic/udp/udp-calls.ts'
import type { UdpSocket, UdpSocketListener } from '../../../src/quic/udp/udp-port.ts'
import {
  enterNamespace,
  enterNewNamespace,
  requireNamespaces,
  type Stay,
} from '../../support/network-namespace.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { until } from '../../support/until.ts'

const loaded = udpCalls()
const missing = 'unavailable' in loaded ? `skipped: ${loaded.unavailable}` : undefined

function calls(): UdpCalls {
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  return loaded.calls
}

interface Opener {
  bind(local: UdpAddress, listener: UdpSocketListener): Promise<UdpSocket>
  connect(remote: UdpAddress, listener: UdpSocketListener): Promise<UdpSocket>
}

const DGRAM: Opener = {
  bind: (local, listener) => DgramSocket.bind(local, listener),
  connect: (remote, listener) => DgramSocket.connect(remote, listener, {}),
}
const SEGMENTED: Opener = {
  bind: async (local, listener) => SegmentedSocket.bind(calls(), local, listener),
  connect: async (remote, listener) => SegmentedSocket.connect(calls(), remote, listener, {}),
}

const cleanups: (() => void)[] = []
afterEach(() => {
  for (const cleanup of cleanups.splice(0).reverse()) cleanup()
})

/** What came to a socket. */
class Inbox implements UdpSocketListener {
  readonly texts: string[] = []
  readonly from: UdpAddress[] = []
  readonly to: UdpAddress[] = []
  readonly marks: EcnMark[] = []
  readonly errors: Error[] = []
  batches = 0
  /** Called for each. */
  act: () => void = () => {}

  onDatagram(datagram: Buffer, from: UdpAddress, to: UdpAddress, ecn: EcnMark): void {
    this.texts.push(datagram.toString('latin1'))
    this.from.push(from)
    this.to.push(to)
    this.marks.push(ecn)
    this.act()
  }

  onBatchEnd(): void {
    this.batches += 1
  }

  onError(error: Error): void {
    this.errors.push(error)
  }
}

interface Pair {
  readonly server: UdpSocket
  readonly client: UdpSocket
  readonly atServer: Inbox
  readonly atClient: Inbox
}

async function pair(opener: Opener, host = '127.0.0.1', serverHost = host): Promise<Pair> {
  const [atServer, atClient] = [new Inbox(), new Inbox()]
  const server = await opener.bind({ host: serverHost, port: 0 }, atServer)
  cleanups.push(() => server.close())
  const client = await opener.connect({ host, port: server.local.port }, atClient)
  cleanups.push(() => client.close())
  return { server, client, atServer, atClient }
}

function put(socket: UdpSocket, text: string, to?: UdpAddress): void {
  const room = socket.room(1452)
  socket.send(room.subarray(0, room.write(text, 'latin1')), to)
}

/** Numbered, of one size. */
function run(socket: UdpSocket, count: number, bytes: number): string[] {
  const texts = Array.from({ length: count }, (_, index) => String(index).padEnd(bytes, '.'))
  for (const text of texts) put(socket, text)
  socket.flush()
  return texts
}

describe.each([
  ['dgram', DGRAM],
  ['segmented', SEGMENTED],
] as const)('a %s socket', (name, opener) => {
  describe.skipIf(name === 'segmented' && missing !== undefined)('of this machine', () => {
    it.each(['127.0.0.1', '::1'])(
      'carries datagrams in both directions over %s, and names their senders',
      async host => {
        const { server, client, atServer, atClient } = await pair(opener, host)
        const sent = [...run(client, 40, 1350), ...run(client, 3, 70)]
        await until(() => atServer.texts.length === 43, 'all have come')
        expect(atServer.texts).toEqual(sent)
        expect(atServer.from.every(from => from.host === host && from.port === client.local.port)).toBe(true)
        for (const from of atServer.from) put(server, 'answer', from)
        server.flush()
        await until(() => atClient.texts.length === 43, 'all answers have come')
      },
    )

    it('learns by ICMP that nobody listens, and goes on', async () => {
      const { server, client, atServer, atClient } = await pair(opener)
      const { local } = server
      server.close()
      put(client, 'to nobody')
      client.flush()
      await until(() => atClient.errors.length > 0, 'the error has come')
      expect(atClient.errors[0]).toMatchObject({ code: 'ECONNREFUSED' })
      const again = await opener.bind(local, atServer)
      cleanups.push(() => again.close())
      put(client, 'to somebody')
      client.flush()
      await until(() => atServer.texts.length === 1, 'it has come')
      put(again, 'back', client.local)
      again.flush()
      await until(() => atClient.texts.length === 1, 'the answer has come')
    })

    it('that is closed by a datagram gets no further one', async () => {
      const { server, client, atServer } = await pair(opener)
      atServer.act = () => server.close()
      run(client, 40, 1200)
      await until(() => atServer.texts.length === 1, 'the first has come')
      await new Promise(resolve => setTimeout(resolve, 50))
      expect(atServer.texts).toHaveLength(1)
      run(server, 1, 10)
      server.ref()
      expect(server.isFull()).toBe(false)
    })

    it('is refused where there is no such address, and where a port is taken', async () => {
      await expect(opener.bind({ host: '192.0.2.1', port: 0 }, new Inbox())).rejects.toMatchObject({
        code: 'EADDRNOTAVAIL',
      })
      const { server } = await pair(opener)
      await expect(opener.bind(server.local, new Inbox())).rejects.toMatchObject({ code: 'EADDRINUSE' })
    })

    it('leaves nothing behind: 1,000 were opened and closed', async () => {
      const descriptors = (): number => readdirSync('/proc/self/fd').length
      const before = descriptors()
      for (let round = 0; round < 20; round += 1) {
        const sockets = await Promise.all(
          Array.from({ length: 50 }, () => opener.connect({ host: '127.0.0.1', port: 9 }, new Inbox())),
        )
        for (const socket of sockets) socket.close()
      }
      await until(() => descriptors() <= before, 'all descriptors are closed')
    }, 30_000)
  })
})

describe.skipIf(missing !== undefined)('a segmented socket', () => {
  it('takes what came together as one batch', async () => {
    const { client, atServer } = await pair(SEGMENTED)
    run(client, 90, 1350)
    await until(() => atServer.texts.length === 90, 'all have come')
    expect(atServer.batches).toBeLessThan(10)
  })

  it.each(['127.0.0.1', '::1'])('reads the mark that was set (ECN) over %s', async host => {
    const { client, atServer } = await pair(SEGMENTED, host)
    for (const ecn of [0, 1, 2, 3] as const) client.send(Buffer.from('x'), undefined, { ecn })
    client.flush()
    await until(() => atServer.marks.length === 4, 'all have come')
    expect(atServer.marks).toEqual([0, 1, 2, 3])
  })

  it('that is bound to all addresses says which one was meant, and answers from there', async () => {
    for (const [wildcard, text] of [
      ['0.0.0.0', '127.0.0.7'],
      ['::', '::ffff:127.0.0.7'],
    ] as const) {
      const { server, client, atServer, atClient } = await pair(SEGMENTED, '127.0.0.7', wildcard)
      put(client, 'x')
      client.flush()
      await until(() => atServer.texts.length === 1, 'it has come')
      const [to] = atServer.to
      expect(to).toEqual({ host: text, port: server.local.port })
      // The client is connected: from another address it would hear nothing.
      server.send(Buffer.from('y'), atServer.from[0], { from: to })
      server.flush()
      await until(() => atClient.texts.length === 1, 'the answer has come')
    }
  })
})

const noNamespaces = missing ?? requireNamespaces() ?? requireBinary('ethtool') ?? requireBinary('tc')

/** Two namespaces with a wire between them; the process is in the first one, `there` is the other. */
function wired(): { there: Stay; inHere(...command: string[]): void } {
  const there = enterNewNamespace()
  cleanups.push(() => there[Symbol.dispose]())
  const here = enterNewNamespace()
  cleanups.push(() => here[Symbol.dispose]())
  const run = (command: readonly string[], where?: Stay): void => {
    const line = where === undefined ? command : ['nsenter', `--net=${where.path}`, ...command]
    const { status, stderr } = spawnSync(line[0] ?? '', line.slice(1), { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${line.join(' ')}: ${stderr}`)
  }
  run(['ip', 'link', 'add', 'here', 'type', 'veth', 'peer', 'name', 'there'])
  run(['ip', 'link', 'set', 'there', 'netns', there.path])
  run(['ip', 'addr', 'add', '10.9.0.1/24', 'dev', 'here'])
  run(['ip', 'link', 'set', 'here', 'up'])
  run(['ip', 'addr', 'add', '10.9.0.2/24', 'dev', 'there'], there)
  run(['ip', 'link', 'set', 'there', 'up'], there)
  return { there, inHere: (...command) => run(command) }
}

/** A client here, and a server there. */
async function wiredPair(opener: Opener, { there }: ReturnType<typeof wired>): Promise<Pair> {
  const [atServer, atClient] = [new Inbox(), new Inbox()]
  const visit = enterNamespace(there.path)
  const server = await opener.bind({ host: '10.9.0.2', port: 0 }, atServer).finally(() => {
    visit[Symbol.dispose]()
  })
  cleanups.push(() => server.close())
  const client = await opener.connect({ host: '10.9.0.2', port: server.local.port }, atClient)
  cleanups.push(() => client.close())
  return { server, client, atServer, atClient }
}

describe.skipIf(noNamespaces !== undefined).each([
  ['dgram', DGRAM],
  ['segmented', SEGMENTED],
] as const)('a %s socket on a device', (name, opener) => {
  it.each(['tx-udp-segmentation', 'tx', 'gso', 'gro', 'sg'])(
    'whose offload "%s" is off loses nothing',
    async feature => {
      const wire = wired()
      wire.inHere('ethtool', '-K', 'here', feature, 'off')
      const { client, atServer } = await wiredPair(opener, wire)
      // Turn by turn: a receive buffer holds some ninety of them, and a busy machine reads late.
      const sent: string[] = []
      for (const bytes of [1350, 1350, 1200, 1200]) {
        sent.push(...run(client, 50, bytes))
        await until(() => atServer.texts.length >= sent.length, 'all have come')
      }
      expect(atServer.texts).toEqual(sent)
    },
  )

  it('with an MTU of 1,280 bytes loses nothing, and does without segments that are longer', async () => {
    const wire = wired()
    wire.inHere('ip', 'link', 'set', 'here', 'mtu', '1280')
    const { client, atServer } = await wiredPair(opener, wire)
    const sent = [...run(client, 40, 1200), ...run(client, 40, 1350), ...run(client, 40, 1200)]
    await until(() => atServer.texts.length >= 120, 'all have come')
    expect(atServer.texts).toEqual(sent)
    if (name === 'segmented') expect(client.description).toBe('GRO, sendmmsg and recvmmsg')
  })

  it('that is slow is full, keeps what it was given, and says when there is room', async () => {
    const wire = wired()
    wire.inHere(
      'tc',
      'qdisc',
      'add',
      'dev',
      'here',
      'root',
      'tbf',
      'rate',
      '40mbit',
      'burst',
      '10kb',
      'limit',
      '100mb',
    )
    const { client, atServer } = await wiredPair(opener, wire)
    const sent: string[] = []
    let full = 0
    while (sent.length < 4000) {
      if (client.isFull()) {
        full += 1
        await new Promise(resolve => setTimeout(resolve, 2))
        continue
      }
      sent.push(String(sent.length).padEnd(1350, '.'))
      put(client, sent.at(-1) ?? '')
      if (sent.length % 20 === 0) client.flush()
    }
    client.flush()
    await until(() => atServer.texts.length >= 4000, 'all have come')
    expect(atServer.texts).toEqual(sent)
    expect(full).toBeGreaterThan(0)
  })

  it('learns of a peer that is not to be reached, and outlives it', async () => {
    const wire = wired()
    const { client, atClient, atServer } = await wiredPair(opener, wire)
    wire.inHere('ip', 'link', 'set', 'here', 'down')
    put(client, 'lost')
    client.flush()
    if (name === 'segmented') {
      await until(() => atClient.errors.length > 0, 'the error has come')
      expect(atClient.errors[0]).toMatchObject({
        code: expect.stringMatching(/^E(NETUNREACH|NETDOWN|INVAL)$/),
      })
    }
    wire.inHere('ip', 'link', 'set', 'here', 'up')
    await until(() => {
      put(client, 'again')
      client.flush()
      return atServer.texts.length > 0
    }, 'it reaches its peer again')
    expect(atServer.texts[0]).toBe('again')
  })
})
