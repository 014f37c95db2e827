import { type ChildProcess, spawn } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import type { ClientSetting } from '../../../src/bench/load/bench-client.ts'
import type { LoadJob } from '../../../src/bench/load/load-job.ts'
import type { LoadReport } from '../../../src/bench/load/load-tally.ts'
import { builtBench, startBuiltClient } from '../../support/built-bench.ts'
import { compileSources } from '../../support/compiled-sources.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { isRunning, readProcessStat } from '../../support/process-tree.ts'
import { findBinary, requireBinary } from '../../support/require-binary.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'
import { until } from '../../support/until.ts'

type ClientCase = readonly [name: string, file: string, make: string, protocol: 'http/1.1' | 'h2']

const UNDICI_H2: ClientCase = ['undici h2', 'undici', 'undici', 'h2']
const CLIENTS: readonly [ClientCase, ...ClientCase[]] = [
  ['middlemile http/1.1', 'middlemile', 'middlemile', 'http/1.1'],
  ['middlemile h2', 'middlemile', 'middlemile', 'h2'],
  ['undici http/1.1', 'undici', 'undici', 'http/1.1'],
  UNDICI_H2,
  ['node:http2', 'node-http2', 'nodeHttp2', 'h2'],
]

const JOB: LoadJob = {
  requests: [{ label: '1k', method: 'GET', path: '/1k', expectedBytes: 1024 }],
  arrival: { kind: 'closed', concurrency: 4 },
  warmUp: { requests: 0, seconds: 0 },
  measure: { requests: 20, seconds: 20 },
  client: 'kept',
  deadlineSeconds: 20,
  seed: 1,
}

describe.skipIf(requireBinary('nginx'))('clients in processes of their own', () => {
  let nginx: Nginx
  beforeAll(async () => {
    nginx = await startNginx({ http2: true })
  })
  afterAll(() => nginx[Symbol.asyncDispose]())

  const settingOf = (changes: Partial<ClientSetting>): ClientSetting => ({
    origins: [nginx.url],
    ca: nginx.certificates.ca,
    connections: 2,
    ...changes,
  })

  async function run(
    [, file, make, protocol]: ClientCase,
    job: Partial<LoadJob>,
    changes: Partial<ClientSetting> = {},
  ): Promise<LoadReport> {
    const setting = settingOf({ protocols: [protocol], ...changes })
    await using client = await startBuiltClient({ module: builtBench(`clients/${file}`), make, setting })
    return await client.run({ ...JOB, ...job })
  }

  describe.each(CLIENTS)('%s', (...client) => {
    it('gets what it asks for over as many connections as it was given', async () => {
      const before = await nginx.counters()
      const report = await run(client, {})
      const { connections } = await nginx.counters()
      expect(report).toMatchObject({ requests: 20, failures: 0, receivedBytes: 20 * 1024 })
      expect(report.byProtocol).toEqual({ [client[3]]: 20 })
      expect(report.opened).toEqual({ full: 2, resumed: 0, earlyData: 0, cleartext: 0 })
      expect(connections - before.connections).toBe(2)
      expect(report.connections.at(-1)?.open).toBe(2)
      expect(report.latency.count).toBe(20)
      expect(report.firstByte.count).toBe(20)
      expect(report.cpuMs).toBeGreaterThan(0)
    })

    it('sends what is configured', async () => {
      const requests = [
        { label: 'up', method: 'PUT', path: '/upload/made', uploadBytes: 200_000, expectedStatus: 201 },
      ]
      const report = await run(client, { requests, measure: { requests: 1, seconds: 20 } })
      // The second PUT of a file is answered with 204.
      expect(report.failuresByCode).toEqual(report.failures === 0 ? {} : { 'status-204': 1 })
      const [read] = [{ label: 'down', method: 'GET', path: '/upload/made', expectedBytes: 200_000 }]
      expect(await run(client, { requests: [read], measure: { requests: 1, seconds: 20 } })).toMatchObject({
        failures: 0,
        receivedBytes: 200_000,
      })
    })

    it('reads no faster than its pace', async () => {
      const requests = [
        { label: 'slow', method: 'GET', path: '/100k', expectedBytes: 102_400, readBytesPerSecond: 204_800 },
      ]
      const report = await run(client, { requests, measure: { requests: 1, seconds: 20 } })
      expect(report.failures).toBe(0)
      expect(report.latency.minUs).toBeGreaterThan(300_000) // half a second, less what comes in one piece
    })

    it('connects to the configured endpoint, with the name of the URL', async () => {
      const endpoint = `127.0.0.1:${nginx.tlsPort}`
      const report = await run(client, {}, { origins: ['https://origin.test:1'], endpoint })
      expect(report).toMatchObject({ requests: 20, failures: 0 })
    })

    it('reports what fails', async () => {
      const requests = [{ label: '503', method: 'GET', path: '/503' }]
      expect(await run(client, { requests })).toMatchObject({
        requests: 20,
        failures: 20,
        failuresByCode: { 'status-503': 20 },
        firstFailure: 'status 503',
      })
    })
  })

  it('have a new connection for each request when each has a client of its own', async () => {
    for (const client of CLIENTS) {
      const report = await run(client, { client: 'each', measure: { requests: 6, seconds: 20 } })
      expect(report, client[0]).toMatchObject({ requests: 6, failures: 0, opened: { full: 6, resumed: 0 } })
    }
  })

  it.each(['kept', 'fresh'] as const)(
    'report when they are warm, and measure through the same connections (%s)',
    async client => {
      const setting = settingOf({ protocols: ['h2'] })
      await using started = await startBuiltClient({
        module: builtBench('clients/middlemile'),
        make: 'middlemile',
        setting,
      })
      const job: LoadJob = { ...JOB, client, warmUp: { requests: 7, seconds: 20 } }
      const before = await nginx.counters()
      let warm = before
      const report = await started.run(job, async () => {
        warm = await nginx.counters()
      })
      const after = await nginx.counters()
      expect(report).toMatchObject({ requests: 20, failures: 0 })
      expect([warm.requests - before.requests, after.requests - warm.requests]).toEqual([7, 20])
      expect(after.connections).toBe(warm.connections)
    },
  )

  it('resume where tickets outlive a client', async () => {
    const state = makeTemporaryDirectory('bench-state')
    try {
      const job: Partial<LoadJob> = {
        client: 'each',
        arrival: { kind: 'closed', concurrency: 1 },
        measure: { requests: 4, seconds: 20 },
      }
      const { opened } = await run(CLIENTS[0], job, { stateDirectory: state.path })
      expect(opened).toEqual({ full: 1, resumed: 3, earlyData: 0, cleartext: 0 })
      const wide = {
        arrival: { kind: 'closed', concurrency: 4 },
        measure: { requests: 12, seconds: 20 },
      } as const
      const several = await run(CLIENTS[0], { ...job, ...wide }, { stateDirectory: state.path })
      // The first shelf has a ticket already.
      expect(several.opened).toEqual({ full: 3, resumed: 9, earlyData: 0, cleartext: 0 })
    } finally {
      state.remove()
    }
  })

  it.skipIf(requireBinary('curl'))('curl is a process for each request, whose CPU counts', async () => {
    const setting = settingOf({ protocols: ['http/1.1'] })
    await using client = await startBuiltClient({ module: builtBench('clients/curl'), make: 'curl', setting })
    const report = await client.run({ ...JOB, client: 'each', measure: { requests: 5, seconds: 20 } })
    expect(report).toMatchObject({ requests: 5, failures: 0, receivedBytes: 5 * 1024, opened: { full: 5 } })
    expect(report.phases.map(({ name }) => name)).toContain('tls')
    expect(report.firstByte.count).toBe(0)
  })

  it.skipIf(requireBinary('curl'))(
    'curl is asked once for its features, and uses no proxy of its environment',
    async () => {
      const bin = makeTemporaryDirectory('bench-curl')
      const calls = join(bin.path, 'calls')
      const script = `#!/bin/sh\necho "$1" >> ${calls}\nexec ${findBinary('curl')} "$@"\n`
      writeFileSync(join(bin.path, 'curl'), script, { mode: 0o755 })
      vi.stubEnv('PATH', `${bin.path}:${process.env['PATH']}`)
      vi.stubEnv('https_proxy', 'http://127.0.0.1:1')
      vi.stubEnv('no_proxy', '')
      vi.stubEnv('NO_PROXY', '')
      try {
        const setting = settingOf({ protocols: ['http/1.1'] })
        const curl = { module: builtBench('clients/curl'), make: 'curl', setting }
        await using client = await startBuiltClient(curl)
        const report = await client.run({ ...JOB, client: 'each', measure: { requests: 3, seconds: 20 } })
        expect(report).toMatchObject({ requests: 3, failures: 0 })
        const firsts = readFileSync(calls, 'utf8').trim().split('\n')
        expect(firsts.filter(first => first === '--version')).toHaveLength(1)
        expect(firsts).toHaveLength(4)
      } finally {
        vi.unstubAllEnvs()
        bin.remove()
      }
    },
  )

  it('undici reports what the origin made of its offer', async () => {
    expect((await run(UNDICI_H2, {}, { origins: [nginx.plainUrl] })).byProtocol).toEqual({ 'http/1.1': 20 })
  })

  it('fail to start with a reason', async () => {
    const setting = settingOf({ protocols: ['h3'] })
    const undici = { module: builtBench('clients/undici'), make: 'undici', setting }
    await using client = await startBuiltClient(undici)
    await expect(client.run(JOB)).rejects.toThrow('undici does not speak h3')
    await expect(startBuiltClient({ ...undici, make: 'nobody' })).rejects.toThrow('no client called nobody')
  })

  it('end with the process that started them', async () => {
    const { start, ended } = await parentOf(settingOf({}))
    const pid = await start
    const client = readProcessStat(pid)
    expect(client).toBeDefined()
    ended()
    await until(() => client === undefined || !isRunning(client), 'the end of the client')
  })

  it('reject when they are killed', async () => {
    const module = builtBench('clients/middlemile')
    await using client = await startBuiltClient({ module, make: 'middlemile', setting: settingOf({}) })
    const running = client.run({ ...JOB, measure: { requests: Number.POSITIVE_INFINITY, seconds: 10 } })
    process.kill(client.pid, 'SIGKILL')
    await expect(running).rejects.toThrow('SIGKILL')
  })
})

describe.skipIf(requireBinary('curl'))('a client that is ended while curl hangs', () => {
  it('leaves neither processes nor directories behind', async () => {
    const directory = makeTemporaryDirectory('bench-tmp')
    vi.stubEnv('TMPDIR', directory.path)
    const sockets = new Set<Socket>()
    const origin = createServer(socket => {
      sockets.add(
        socket
          .on('error', () => {})
          .on('close', () => sockets.delete(socket))
          .resume(),
      )
    })
    try {
      await new Promise<void>(resolve => origin.listen(0, '127.0.0.1', resolve))
      const { port } = origin.address() as AddressInfo // it listens on TCP
      const setting = { origins: [`http://127.0.0.1:${port}`], connections: 0 }
      const client = await startBuiltClient({ module: builtBench('clients/curl'), make: 'curl', setting })
      const running = client.run({ ...JOB, client: 'each', arrival: { kind: 'closed', concurrency: 3 } })
      const refused = expect(running).rejects.toThrow('ended')
      await until(() => sockets.size === 3, 'three that hang')
      expect(readdirSync(directory.path)).toHaveLength(3)
      await client[Symbol.asyncDispose]()
      await refused
      expect(readdirSync(directory.path)).toEqual([])
      await until(() => sockets.size === 0, 'the end of curl')
    } finally {
      vi.unstubAllEnvs()
      origin.close()
      for (const socket of sockets) socket.destroy()
      directory.remove()
    }
  })
})

/** A process that starts a client, tells its pid, and is killed without a chance to clean up. */
async function parentOf(setting: ClientSetting): Promise<{ start: Promise<number>; ended: () => void }> {
  const compiled = await compileSources({
    'start-client': 'bench/load/start-client.ts',
    'client-process': 'bench/load/client-process.ts',
  })
  const script = `
    import { startClient } from '${compiled['start-client']}'
    const setting = ${JSON.stringify(setting)}
    const client = await startClient({ module: ${JSON.stringify(builtBench('clients/middlemile'))}, make: 'middlemile', setting })
    process.send(client.pid)`
  const parent: ChildProcess = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  return {
    start: new Promise((resolve, reject) => {
      parent.once('message', message => resolve(Number(message)))
      parent.once('exit', () => reject(new Error('the parent ended')))
    }),
    ended: () => parent.kill('SIGKILL'),
  }
}
