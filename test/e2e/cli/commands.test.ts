import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Explanation } from '../../../src/index.ts'
import { startQuickOrigin } from '../../../src/testing/origins.ts'
import { serveOptions, startConnectorProcess } from '../../support/connector-process.ts'
import { curl } from '../../support/curl.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { startTrustedOrigin, type TrustedOrigin } from '../../support/trusted-origin.ts'

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

describe('middlemile', () => {
  it('lists its commands', async () => {
    const { exitCode, stdout, stderr } = await runCli(['--help'])
    expect([exitCode, stderr]).toEqual([0, ''])
    for (const command of ['serve', 'upgrade', 'get', 'explain', 'probe', 'bench', 'size'])
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'))
    expect(stdout.split('\n').filter(row => row.length > 80)).toEqual([])
    expect(await runCli(['--version'])).toMatchObject({ exitCode: 0, stdout: `middlemile ${version}\n` })
  })

  it.for(['serve', 'upgrade', 'get', 'explain', 'probe', 'bench', 'size'])(
    'has help for %s, within 80 columns',
    async command => {
      const { exitCode, stdout } = await runCli([command, '--help'])
      expect(exitCode).toBe(0)
      expect(stdout).toMatch(new RegExp(`^Usage: middlemile ${command}`))
      expect(stdout.split('\n').filter(row => row.length > 80)).toEqual([])
    },
  )

  it('answers bad usage with 2 and a suggestion', async () => {
    expect(await runCli([])).toMatchObject({
      exitCode: 2,
      stdout: '',
      stderr: expect.stringContaining('Usage'),
    })
    expect(await runCli(['serv'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('did you mean serve?'),
    })
    expect(await runCli(['bench'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('needs exactly one URL'),
    })
    expect(await runCli(['serve'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('--origin URL'),
    })
    expect(await runCli(['serve', '--origin', 'http://a', '--lisen', 'x'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('did you mean --listen?'),
    })
    expect(await runCli(['serve', '--origin', 'http://a', '--listen', 'nowhere'])).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining('listen[0].address: must be HOST:PORT'),
    })
  })
})

describe('explain', () => {
  let trusted: TrustedOrigin
  beforeAll(async () => {
    trusted = await startTrustedOrigin('explain')
  })
  afterAll(() => trusted[Symbol.asyncDispose]())

  it('--json says what would be tried, in which order and why, and connects nowhere', async () => {
    const { origin, caFile } = trusted
    const { exitCode, stdout, stderr } = await runCli([
      'explain',
      '--json',
      '--ca',
      caFile,
      `${origin.url}/path`,
    ])
    expect([exitCode, stderr]).toEqual([0, ''])
    const explanation = JSON.parse(stdout) as Explanation
    expect(Object.keys(explanation)).toEqual([
      'origin',
      'decision',
      'protocols',
      'plan',
      'known',
      'unavailable',
      'savings',
      'pool',
    ])
    expect(explanation.decision).toMatchObject({ lane: 'tcp', because: expect.stringMatching(/\w/) })
    expect(explanation.decision.candidates.map(({ lane }) => lane)).toContain('tcp')
    expect(explanation.origin).toBe(origin.url)
    expect(explanation.protocols).toContainEqual({
      protocol: 'http/1.1',
      allowed: true,
      because: expect.any(String),
    })
    expect(explanation.plan.map(({ endpoint }) => endpoint)).toContain(`127.0.0.1:${origin.port}`)
    for (const attempt of explanation.plan)
      expect(Object.keys(attempt)).toEqual(['lane', 'protocol', 'endpoint', 'startAfterMs', 'because'])
    expect(origin.connectionsSeen()).toBe(0)
  })

  it('accepts --resolve, and shows the same as text', async () => {
    const { exitCode, stdout } = await runCli([
      'explain',
      '--resolve',
      'a.test:443:192.0.2.7',
      'https://a.test',
    ])
    expect(exitCode).toBe(0)
    expect(stdout).toMatch(
      /^https:\/\/a\.test\n\nNothing is known of this origin yet: .*\n.*\n\nDecision\n tcp +\S[^]*\nCandidates\n[^]* tcp +h2 +eligible /,
    )
    expect(stdout).toMatch(
      /\nPlan\n after 0 ms +tcp +h2 +192\.0\.2\.7:443 +nothing is known of the origin yet; first of 1\n/,
    )
    expect(stdout).toMatch(/\n h2 +tried +choice 1 of 2 that are offered by ALPN; the origin takes one\n/)
    expect(stdout).toMatch(
      /\n h3 +not tried +(?:unknown whether the origin speaks it: nobody has looked|HTTP\/3 is off: )/,
    )
  })

  it('refuses what it cannot explain', async () => {
    expect((await runCli(['explain'])).exitCode).toBe(2)
    expect((await runCli(['explain', 'https://a', 'https://b'])).exitCode).toBe(2)
    expect(await runCli(['explain', '--protocol', 'h4', 'https://a'])).toMatchObject({
      exitCode: 2,
      stderr: 'middlemile explain: --protocol must be one of auto, h3, h2, http/1.1, not "h4"\n',
    })
  })
})

describe('size', () => {
  const size = async (...args: string[]): Promise<Record<string, unknown>> => {
    const { exitCode, stdout } = await runCli(['size', '--json', ...args])
    expect(exitCode).toBe(0)
    return JSON.parse(stdout) as Record<string, unknown>
  }

  it("counts connections by Little's law", async () => {
    // 1000/s x 0.1 s = 100 under way, 150 with headroom.
    expect(await size('--rps', '1000', '--latency-ms', '100', '--protocol', 'http/1.1')).toMatchObject({
      concurrency: 100,
      streams: 150,
      connections: 150,
      streamsPerConnection: 1,
    })
    expect(
      await size(
        '--rps',
        '1000',
        '--latency-ms',
        '100',
        '--headroom',
        '1',
        '--streams',
        '50',
        '--edges',
        '4',
      ),
    ).toMatchObject({ connections: 3, streamsPerConnection: 50, origin: { connections: 12, rps: 4_000 } })
  })

  it('shows the same as text, and refuses nonsense', async () => {
    const { stdout } = await runCli([
      'size',
      '--rps',
      '1000',
      '--latency-ms',
      '100',
      '--protocol',
      'http/1.1',
    ])
    expect(stdout).toMatch(/^connections +150 /m)
    for (const args of [
      [],
      ['--rps', '5'],
      ['--rps', '-1', '--latency-ms', '1'],
      ['--rps', 'x', '--latency-ms', '1'],
    ])
      expect((await runCli(['size', ...args])).exitCode).toBe(2)
  })
})

describe('serve --origin', () => {
  it('carries requests to that origin, and logs its connections', async ctx => {
    const missing = requireBinary('curl')
    ctx.skip(missing !== undefined, missing)
    const origin = await startQuickOrigin()
    await using connector = await startConnectorProcess(serveOptions(origin.url))
    expect((await curl([`${connector.url}/bytes/10`])).bytes).toBe(10)
    const [opened] = await connector.cli.untilStdout(/info +origin http\/1\.1#\d+ .*connection added\n/)
    expect(opened).toMatch(/127\.0\.0\.1:\d+: .*tcp\.connect [\d.]+ms, pool: connection added\n$/)
    await connector.cli.untilStdout(
      /origin http\/1\.1#\d+: ttfb [\d.]+ms, first exchange 200 after [\d.]+ms\n/,
    )
    await origin.close()
    await connector.cli.untilStdout(/pool: connection removed \(peer-closed\) after [\d.]+\w+, 1 requests\n/)
  })

  it('logs as JSON, and requests at debug', async ctx => {
    const missing = requireBinary('curl')
    ctx.skip(missing !== undefined, missing)
    const origin = await startQuickOrigin()
    const options = [...serveOptions(origin.url), '--log-level', 'debug', '--log-format', 'json']
    await using connector = await startConnectorProcess(options)
    expect(
      (await curl(['-H', 'Authorization: secret', `${connector.url}/bytes/10?token=secret`])).bytes,
    ).toBe(10)
    await connector.cli.untilStdout(/"method":"GET"/)
    const lines = connector.cli.stdout
      .trimEnd()
      .split('\n')
      .map(line => JSON.parse(line) as Record<string, unknown>)
    for (const line of lines)
      expect(line).toMatchObject({
        level: expect.any(String),
        time: expect.any(String),
        msg: expect.any(String),
      })
    const request = lines.find(line => line['method'] === 'GET')
    expect(request).toMatchObject({
      level: 'debug',
      origin: 'origin',
      path: '/bytes/10',
      status: 200,
      responseBytes: 10,
    })
    // Neither fields nor queries are logged.
    expect(connector.cli.stdout).not.toContain('secret')
    await origin.close()
  })
})
