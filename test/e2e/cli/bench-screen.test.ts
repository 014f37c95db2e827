import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Nginx, startNginx } from '../../support/nginx.ts'
import { atTerminal, requirePseudoTerminal } from '../../support/pseudo-terminal.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { runCli } from '../../support/spawn-cli.ts'
import { freePort } from '../../support/tcp-port.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
const ESCAPE = '\x1b'

let directory: TemporaryDirectory
beforeAll(() => {
  directory = makeTemporaryDirectory('cli-bench-screen')
})
afterAll(() => directory.remove())

describe('middlemile bench that cannot measure', () => {
  it('asks what a bare 1 means', async () => {
    const { exitCode, stderr } = await runCli(['bench', '--loss', '1', 'https://127.0.0.1:1/'])
    expect(exitCode).toBe(2)
    expect(stderr).toContain('1 % or 0.01?')
  })

  it('says why instead of an empty table, in a pipe and on the page', async () => {
    const html = join(directory.path, 'none.html')
    const url = `https://127.0.0.1:${await freePort()}/`
    const args = ['bench', '--quick', '--protocols', 'http/1.1x2,h2', '--html', html, url]
    const { exitCode, stdout } = await runCli(args)
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^Nothing was measured: http\/1\.1x2, h2: MM_CONNECT_\w+: /m)
    expect(stdout).not.toContain('medians')
    const page = readFileSync(html, 'utf8')
    expect(page).toMatch(/<p class="verdict">Nothing was measured: http\/1\.1x2, h2: MM_CONNECT_/)
    expect(page).not.toContain('<caption>Medians')
  })
})

describe.skipIf(requireBinary('nginx'))('middlemile bench at an output that shows progress', () => {
  let nginx: Nginx
  let caFile: string
  beforeAll(async () => {
    nginx = await startNginx({ keepaliveRequests: 1_000_000, http2: true })
    caFile = join(directory.path, 'nginx.pem')
    writeFileSync(caFile, nginx.certificates.ca)
  })
  afterAll(() => nginx[Symbol.asyncDispose]())

  it('says once that a certificate is not trusted, and the way out', async () => {
    const args = ['bench', '--quick', '--protocols', 'http/1.1x2,h2', `${nginx.url}/1k`]
    const { exitCode, stdout, stderr } = await runCli(args)
    expect(exitCode).toBe(1)
    expect(stdout).toMatch(/^Nothing was measured: http\/1\.1x2, h2: MM_TLS_CERTIFICATE: /m)
    expect(stdout.match(/not measured: .*MM_TLS_CERTIFICATE/g)).toEqual([
      expect.stringContaining('not measured: http/1.1x2, h2: MM_TLS_CERTIFICATE'),
    ])
    expect(stderr).toContain('middlemile bench: if it is yours: --ca FILE trusts')
  })

  const options = (): string[] =>
    `bench --protocols http/1.1x2,h2 --rounds 2 --seconds 0.2 --warm-up 0.1 --ca ${caFile}`.split(' ')

  describe.skipIf(requirePseudoTerminal())('at a terminal', () => {
    it.each([80, 120])('of %i columns fits it, in color, and shows how far it is', async columns => {
      const line = [process.execPath, CLI, ...options(), `${nginx.url}/1k`]
      await using terminal = atTerminal(line, { columns })
      await terminal.untilOutput(/\[-+\] {2}0 of 6 {2}http\/1\.1x2, one request/)
      await terminal.untilOutput(/\[#+-+\] {2}\d of 6 {2}h2, round \d of 2, \d+ s left/, 60_000)
      expect(await terminal.exited).toBe(0)
      const screen = terminal.screen()
      // A row that is longer than the terminal would have been broken within a word by it.
      expect(screen.filter(row => row.startsWith('subject'))).not.toEqual([])
      for (const row of screen) expect(row.length).toBeLessThanOrEqual(columns)
      expect(screen.join('\n')).not.toContain('s left')
      expect(terminal.output).toContain(`${ESCAPE}[1m`)
      expect(screen.join(' ')).toMatch(/(had the lowest median time of a request|in too few rounds)/)
    })

    it('has no color with NO_COLOR', async () => {
      const line = [process.execPath, CLI, ...options(), `${nginx.url}/1k`]
      await using terminal = atTerminal(line, { columns: 100 }, { env: { NO_COLOR: '1' } })
      expect(await terminal.exited).toBe(0)
      expect(terminal.output).not.toMatch(/\p{Cc}\[\d*m/u)
      expect(terminal.output).toContain('round 2 of 2')
    })
  })

  it('has neither color nor progress in a pipe', async () => {
    const { exitCode, stdout, stderr } = await runCli([...options(), `${nginx.url}/1k`])
    expect(exitCode).toBe(0)
    expect(stdout + stderr).not.toContain(ESCAPE)
    expect(stderr).not.toMatch(/round \d/)
  })

  it('begins its page with the target and the verdict, and has the caveats behind the figures', async () => {
    const html = join(directory.path, 'page.html')
    await runCli([...options(), '--html', html, `${nginx.url}/1k`])
    const page = readFileSync(html, 'utf8')
    const places = [
      `<h1 class="target"><bdi>${nginx.url}/1k</bdi></h1>`,
      '<p class="verdict">',
      '<caption>Medians over rounds</caption>',
      '<h2 id="caveats">What the figures do not show</h2>',
    ].map(part => page.indexOf(part))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places).not.toContain(-1)
  })
})
