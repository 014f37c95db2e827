import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { parseResultFile } from '../../../src/bench/results/result-file.ts'
import type { SubjectResult } from '../../../src/bench/results/scenario-result.ts'
import { type Caddy, startCaddy } from '../../support/caddy.ts'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { isRunning, processTree } from '../../support/process-tree.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { requireQuic } from '../../support/require-quic.ts'
import { type CliResult, runCli, spawnCli } from '../../support/spawn-cli.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'
import { until } from '../../support/until.ts'

let directory: TemporaryDirectory
beforeAll(() => {
  directory = makeTemporaryDirectory('cli-bench')
})
afterAll(() => directory.remove())

const QUICK = ['--quick', '--warm-up', '0', '--seconds', '0.3']

/** `--json -`, read as whoever gets the file would. */
function resultOf({ stdout }: CliResult) {
  const file = parseResultFile(stdout, 'stdout')
  const [result] = file.results
  const [table] = result?.cases ?? []
  if (result === undefined || table === undefined) throw new Error(`no table in ${stdout}`)
  const find = (name: string): SubjectResult | undefined =>
    table.subjects.find(({ subject }) => subject === name)
  return { file, result, table, find }
}

describe.skipIf(requireBinary('nginx'))('middlemile bench at nginx', () => {
  let nginx: Nginx
  let caFile: string
  beforeAll(async () => {
    nginx = await startNginx({ keepaliveRequests: 1_000_000, http2: true })
    caFile = join(directory.path, 'nginx.pem')
    writeFileSync(caFile, nginx.certificates.ca)
  })
  afterAll(() => nginx[Symbol.asyncDispose]())

  const bench = (...args: string[]): Promise<CliResult> =>
    runCli(['bench', ...QUICK, '--ca', caFile, ...args])

  // 200 requests: nginx ends a connection after a thousand.
  it('measures the protocols of the origin, and says why it does not measure the rest', async () => {
    const run = await bench(
      '--protocols',
      'http/1.1x4,h2,h3',
      '--requests',
      '200',
      '--json',
      '-',
      `${nginx.url}/1k`,
    )
    expect(run.exitCode, run.stderr).toBe(0)
    const { file, result, table, find } = resultOf(run)
    expect(find('http/1.1x4')?.median).toMatchObject({ failures: 0, connections: 4 })
    expect(find('h2')?.median).toMatchObject({ failures: 0, connections: 1 })
    expect(find('h2')?.median['requests']).toBeGreaterThan(0)
    expect(find('h2')?.median['originCpuSeconds']).toBeGreaterThanOrEqual(0)
    expect(find('h2')?.detail?.latency?.count).toBe(find('h2')?.median['requests'])
    expect(result.unavailable).toEqual([{ subject: 'h3', because: expect.stringMatching(/^MM_CONNECT_/) }])
    expect(run.stderr).toContain('h3: not measured: MM_CONNECT_')
    expect(table.ratios.map(({ subject, to, metric }) => [subject, to, metric])).toEqual([
      ['h2', 'http/1.1x4', 'p50Ms'],
      ['h2', 'http/1.1x4', 'requestsPerSecond'],
      ['h2', 'http/1.1x4', 'cpuMsPerRequest'],
    ])
    expect(file.machine.versions['node']).toBe(process.versions.node)
    expect(file.settings).toMatchObject({ method: 'GET', subjects: ['http/1.1x4', 'h2', 'h3'] })
  })

  it('prints a table, and writes a page and a file that can be compared', async () => {
    const json = join(directory.path, 'a.json')
    const html = join(directory.path, 'a.html')
    const run = await bench(
      '--protocols',
      'http/1.1,h2x2',
      '--with',
      'undici,node:http2',
      '--json',
      json,
      '--html',
      html,
      `${nginx.url}/1k`,
    )
    expect(run.exitCode, run.stderr).toBe(0)
    for (const name of ['http/1.1', 'h2x2', 'undici', 'node:http2'])
      expect(run.stdout).toMatch(new RegExp(`^${name} .*\\b0\\b`, 'm'))
    expect(run.stdout).toContain('h2x2: 2 pools of one connection each')
    expect(readFileSync(html, 'utf8')).toContain('<html')
    const compared = await runCli(['bench', '--compare', json, json])
    expect(compared.exitCode, compared.stderr).toBe(0)
    expect(compared.stdout).toMatch(/No difference shown in (\d+) of \1 figures/)
    expect(compared.stdout).not.toContain('verdict')
  })

  it('exits with 1 when nothing could be measured', async () => {
    const none = await bench('--protocols', 'h2', '--expect-status', '204', `${nginx.url}/1k`)
    expect(none.exitCode).toBe(1)
    expect(none.stdout).toContain('not measured: h2: status 200')
  })

  it('sends a body, and exits with 1 when requests fail', async () => {
    const run = await bench(
      '--protocols',
      'h2',
      '--requests',
      '5',
      '--method',
      'PUT',
      '--data',
      'hello',
      '--expect-status',
      '201',
      '--json',
      '-',
      `${nginx.url}/upload/bench-${process.pid}`,
    )
    // The trial has made the file: nginx answers 204 to those who write it again.
    const { find } = resultOf(run)
    expect(find('h2')?.median).toMatchObject({ requests: 5, failures: 5 })
    expect(run.exitCode).toBe(1)
  })

  it('ends at Ctrl-C with what it has, and leaves no process', async () => {
    await using cli = spawnCli([
      'bench',
      '--ca',
      caFile,
      '--protocols',
      'http/1.1',
      '--rounds',
      '100',
      '--seconds',
      '0.2',
      '--warm-up',
      '0',
      `${nginx.url}/1k`,
    ])
    const { requests } = await nginx.counters()
    await vi.waitFor(async () => expect((await nginx.counters()).requests).toBeGreaterThan(requests + 50), {
      timeout: 15_000,
    })
    await sleep(2_000) // some rounds of 200 ms
    const processes = processTree(cli.pid)
    expect(processes.length).toBeGreaterThan(1)
    cli.signal('SIGINT')
    const { exitCode, stdout } = await cli.exited
    expect(exitCode).toBe(1)
    expect(stdout).toContain('broken off: it was interrupted')
    expect(stdout).toMatch(/of [2-9]\d? rounds/)
    await until(() => !processes.some(isRunning), 'the end of its processes')
  })

  it('leaves no tickets behind when it is interrupted twice', async () => {
    const tickets = makeTemporaryDirectory('cli-bench-tickets')
    vi.stubEnv('TMPDIR', tickets.path)
    try {
      const args = ['bench', '--ca', caFile, '--protocols', 'http/1.1', '--resumed', '--rounds', '100']
      await using cli = spawnCli([...args, '--seconds', '0.3', '--warm-up', '0', `${nginx.url}/1k`])
      await vi.waitFor(() => expect(readdirSync(tickets.path)).toHaveLength(1), { timeout: 15_000 })
      await sleep(1_000) // into the rounds
      const processes = processTree(cli.pid)
      expect(readdirSync(tickets.path)).toHaveLength(1)
      // Stopped, it finds both: it cannot end by the first.
      cli.signal('SIGSTOP')
      cli.signal('SIGINT')
      cli.signal('SIGTERM')
      cli.signal('SIGCONT')
      const { exitCode, stdout } = await cli.exited
      expect([exitCode, stdout]).toEqual([1, ''])
      await until(() => !processes.some(isRunning), 'the end of its processes')
      expect(readdirSync(tickets.path)).toEqual([])
    } finally {
      vi.unstubAllEnvs()
      tickets.remove()
    }
  })
})

describe.skipIf(requireBinary('caddy') || requireQuic())('middlemile bench at caddy', () => {
  let caddy: Caddy
  let caFile: string
  beforeAll(async () => {
    caddy = await startCaddy({ http2: true, http3: true })
    caFile = join(directory.path, 'caddy.pem')
    writeFileSync(caFile, caddy.certificates.ca)
  })
  afterAll(() => caddy[Symbol.asyncDispose]())

  const bench = async (...args: string[]): Promise<ReturnType<typeof resultOf>> => {
    const run = await runCli(['bench', ...QUICK, '--ca', caFile, '--json', '-', ...args, `${caddy.url}/1k`])
    expect(run.exitCode, run.stderr).toBe(0)
    return resultOf(run)
  }

  it('measures HTTP/3, and our own choice', async () => {
    const { result, find } = await bench('--protocols', 'h3,h3x2,auto')
    expect(result.unavailable).toEqual([])
    expect(find('h3')?.median).toMatchObject({ failures: 0, connections: 1 })
    expect(find('h3x2')?.median).toMatchObject({ failures: 0, connections: 2 })
    expect(find('auto')?.median['failures']).toBe(0)
  })

  it('measures an open loop', async () => {
    const { find, result } = await bench('--protocols', 'h2', '--rate', '100')
    expect(find('h2')?.median['lateMs']).toBeGreaterThanOrEqual(0)
    expect(result.description).toContain('100 requests/s')
  })

  it('measures bursts, and says where HTTP/3 wins', async () => {
    const { find, result } = await bench(
      '--protocols',
      'http/1.1,h3',
      '--burst',
      '10',
      '--requests',
      '20',
      '--seconds',
      '20',
    )
    expect(result.description).toContain('10 requests at once')
    expect(find('http/1.1')?.median).toMatchObject({ requests: 20, failures: 0, connections: 10 })
    expect(find('h3')?.median).toMatchObject({ requests: 20, failures: 0, connections: 1 })
    const judged = result.cases[0]?.http3?.map(({ subject, to, outcome }) => [subject, to, outcome])
    // One round shows nothing.
    expect(judged).toContainEqual(['h3', 'http/1.1', 'not-shown'])
  })

  it('measures cold connections, resumed and in early data', async () => {
    const cold = await bench('--protocols', 'h2', '--cold', '--requests', '4', '--seconds', '20')
    expect(cold.find('h2')?.median).toMatchObject({ requests: 4, connections: 4, fullHandshakes: 4 })
    const early = await bench('--protocols', 'h2,h3', '--early-data', '--requests', '4', '--seconds', '20')
    expect(early.find('h2')?.median).toMatchObject({ requests: 4, resumedHandshakes: 4 })
    expect(early.find('h3')?.median).toMatchObject({ requests: 4, earlyDataHandshakes: 4 })
  })

  it('measures over an impaired path, and says what that does not show', async () => {
    const { find, result } = await bench(
      '--protocols',
      'http/1.1,h2,h3',
      '--delay-ms',
      '30',
      '--seconds',
      '1',
    )
    for (const name of ['http/1.1', 'h2', 'h3']) {
      expect(find(name)?.median['p50Ms'], name).toBeGreaterThanOrEqual(60)
      expect(find(name)?.median['failures'], name).toBe(0)
    }
    expect(result.limits?.join('\n')).toContain('a relay in user space')
  })
})
