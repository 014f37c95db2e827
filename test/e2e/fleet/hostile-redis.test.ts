import { createServer, type Server, type Socket } from 'node:net'
import { describe, expect, it } from 'vitest'
import { onContainedFault, systemClock } from '../../../src/entry/events.ts'
import type { RedisSettings } from '../../../src/service/config/service-settings.ts'
import { FleetShares } from '../../../src/service/fleet/fleet-shares.ts'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { startRedis } from '../../support/redis.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const noRedis = requireBinary('redis-server')
const ORIGIN = 'https://shop.example'
const SECRET = 'open-sesame'

const SETTINGS = {
  prefix: 'test:',
  tls: undefined,
  connectTimeoutMs: 5_000,
  answerTimeoutMs: 300,
  leaseMs: 1_500,
}

/** A host that would have 8 of 10, and has 2 while nobody says how much. */
function host(settings: Partial<RedisSettings> & { readonly url: string }) {
  const log: string[] = []
  const shares: number[] = []
  const faults: unknown[] = []
  const stop = onContainedFault(fault => faults.push(fault))
  const fleet = new FleetShares({
    settings: { ...SETTINGS, ...settings },
    logger: {
      info: (line: unknown) => void log.push(String(line)),
      warn: (line: unknown) => void log.push(String(line)),
    },
    clock: systemClock,
    random: Math.random,
  })
  const holder = { holds: 0, wants: 8, set: (share: number) => void shares.push(share) }
  fleet.start()
  fleet.configure(ORIGIN, 10, 2, holder)
  return {
    fleet,
    log,
    shares,
    faults,
    async [Symbol.asyncDispose]() {
      await fleet.close()
      stop()
    },
  }
}

/** What a server says to whoever connects, by what it reads. */
type Speech = (socket: Socket, read: string) => void

async function serverThat(speech: Speech) {
  const sockets = new Set<Socket>()
  const server: Server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
    socket.on('data', chunk => speech(socket, chunk.toString('latin1')))
  })
  await new Promise<void>(resolve => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  return {
    url: `redis://:${SECRET}@127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise(resolve => {
        server.close(resolve)
      })
    },
  }
}

/** A Redis until it is asked for the script. */
const untilTheScript =
  (speech: Speech): Speech =>
  (socket, read) => {
    if (read.includes('EVAL')) return speech(socket, read)
    for (const word of read.match(/AUTH|PING|INFO/g) ?? [])
      socket.write(word === 'INFO' ? '$13\r\nrun_id:abcd\r\n\r\n' : '+OK\r\n')
  }

const SPEECHES: Readonly<Record<string, readonly [Speech, RegExp]>> = {
  'never says a word': [() => {}, /does not answer in time/],
  'speaks another protocol': [socket => socket.write('HTTP/1.1 400 Bad Request\r\n\r\n'), /another way/],
  'answers what nobody asked': [socket => socket.write('+OK\r\n'.repeat(1_000)), /another way|in time/],
  'nests without an end': [socket => socket.write('*1\r\n'.repeat(100_000)), /another way|in time/],
  'ends in the middle of an answer': [
    untilTheScript(socket => {
      socket.write('*4\r\n$13\r\n1234')
      socket.end()
    }),
    /closed the connection/,
  ],
  'stalls in the middle of an answer': [
    untilTheScript(socket => socket.write('*4\r\n$13\r\n1234')),
    /in time/,
  ],
  'answers without an end': [
    untilTheScript(socket => {
      const piece = Buffer.alloc(65_536, 65)
      const write = (): void => void (socket.destroyed || (socket.write(piece) && setImmediate(write)))
      socket.write('$400000000\r\n')
      socket.on('drain', write)
      write()
    }),
    /in time/,
  ],
  'answers the script with nonsense': [
    untilTheScript(socket => socket.write('*2\r\n+a\r\n+b\r\n')),
    /another way/,
  ],
  'refuses with our password': [
    (socket, read) => {
      if (read.includes('AUTH')) socket.write(`-ERR unknown command 'AUTH', with args: '${SECRET}'\r\n`)
    },
    /it answers ERR/,
  ],
  'loads its data': [socket => socket.write('-LOADING Redis is loading the dataset\r\n'), /LOADING/],
  'is a replica': [untilTheScript(socket => socket.write('-READONLY You can not write\r\n')), /READONLY/],
}

describe.concurrent('a host whose Redis', () => {
  it.for(Object.keys(SPEECHES))('%s has its floor, and reports why', async (name, { expect }) => {
    const [speech, because] = SPEECHES[name]!
    await using server = await serverThat(speech)
    const patienceMs = because.source.includes('in time') ? 300 : 5_000
    await using one = host({ url: server.url, connectTimeoutMs: patienceMs, answerTimeoutMs: patienceMs })
    await expect.poll(() => one.shares.at(-1)).toBe(2)
    await expect.poll(() => one.fleet.status.standing.failed).toBeGreaterThan(1)
    await expect.poll(() => one.fleet.status.standing.because).toMatch(because)
    expect(one.fleet.status.ceilings).toMatchObject([{ share: 2, state: 'cut-off' }])
    const said = one.log.filter(line => line.includes('does not answer'))
    expect(said.length).toBeGreaterThan(0)
    expect(said.length).toBeLessThanOrEqual(5) // a busy machine has reasons of its own
    expect(one.log.join('\n')).not.toContain(SECRET)
    expect(JSON.stringify(one.fleet.status)).not.toContain(SECRET)
    expect(one.faults).toEqual([])
    expect(server.sockets.size).toBeLessThanOrEqual(1)
  })

  it('is not there has its floor at once', async ({ expect }) => {
    await using one = host({ url: 'redis://127.0.0.1:1' })
    await expect.poll(() => one.shares.at(-1)).toBe(2)
    expect(one.log).toHaveLength(1)
    expect(one.log[0]).toContain('Redis at 127.0.0.1:1 does not answer: ECONNREFUSED')
  })
})

describe.skipIf(noRedis)('a host with a password or TLS at its Redis', () => {
  it('reports that its password is wrong, and its share when it is right', async () => {
    await using redis = await startRedis({ password: SECRET })
    await using wrong = host({ url: `redis://:other@127.0.0.1:${redis.port}` })
    await using none = host({ url: `redis://127.0.0.1:${redis.port}` })
    await using right = host({ url: `redis://:${SECRET}@127.0.0.1:${redis.port}` })
    await expect.poll(() => wrong.fleet.status.standing.because).toContain('WRONGPASS')
    await expect.poll(() => none.fleet.status.standing.because).toContain('NOAUTH')
    await expect.poll(() => right.shares.at(-1)).toBe(9) // what it wants, and half of the rest
    expect(wrong.shares.at(-1)).toBe(2)
  })

  it('speaks TLS with it, and only with one that it trusts', async () => {
    const directory = makeTemporaryDirectory('redis-tls')
    const authority = await createCertificateAuthority()
    const { certFile, keyFile, caFile } = await writeCertificateFiles(directory.path, authority)
    await using redis = await startRedis({ tls: { certFile, keyFile, caFile } })
    const url = `rediss://localhost:${redis.port}`
    await using trusting = host({ url, tls: { ca: [authority.cert] } })
    await using strange = host({ url })
    await expect.poll(() => trusting.shares.at(-1)).toBe(9)
    await expect.poll(() => strange.fleet.status.standing.because).toMatch(/CERT|ISSUER|VERIFY/)
    directory.remove()
  })

  it('goes on when Redis stalls for longer than its lease, and takes part again after that', async () => {
    await using redis = await startRedis()
    await using one = host({ url: `redis://127.0.0.1:${redis.port}` })
    await expect.poll(() => one.shares.at(-1)).toBe(9)
    redis.server.signal('SIGSTOP')
    await expect.poll(() => one.shares.at(-1)).toBe(2)
    redis.server.signal('SIGCONT')
    await expect.poll(() => one.shares.at(-1)).toBe(9)
    expect(one.log.map(line => /does not answer: [^.]*|answers/.exec(line)?.[0])).toEqual([
      'answers',
      'does not answer: it does not answer in time',
      'answers',
    ])
    expect(one.faults).toEqual([])
  })
})
