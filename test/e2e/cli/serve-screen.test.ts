import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createCertificateAuthority } from '../../../src/testing/certificates.ts'
import { startQuickOrigin, startSlowOrigin, type TestOrigin } from '../../../src/testing/origins.ts'
import { curl } from '../../support/curl.ts'
import { atTerminal, requirePseudoTerminal, type TerminalSession } from '../../support/pseudo-terminal.ts'
import { requireBinary } from '../../support/require-binary.ts'
import { spawnCli } from '../../support/spawn-cli.ts'
import { makeTemporaryDirectory, type TemporaryDirectory } from '../../support/temporary-directory.ts'

const CLI = fileURLToPath(new URL('../../../dist/cli.js', import.meta.url))
const DEMO = fileURLToPath(new URL('../../../dist/demo.js', import.meta.url))
const missing = requirePseudoTerminal() ?? requireBinary('curl')

let directory: TemporaryDirectory
/** Its certificate is trusted by nobody. */
let origin: TestOrigin
beforeAll(async () => {
  directory = makeTemporaryDirectory('serve-screen')
  const authority = await createCertificateAuthority()
  origin = await startQuickOrigin({ tls: await authority.issue({ names: ['localhost'] }) })
})
afterAll(async () => {
  await origin.close()
  directory.remove()
})

const optionsFor = (url: string): string[] => `--origin ${url} --listen 127.0.0.1:0 --admin off`.split(' ')

/** The lines as they were written, without styles. */
function written({ output }: TerminalSession): string[] {
  return output.replaceAll(/\p{Cc}\[[\d;]*m/gu, '').split(/\r?\n|\r\p{Cc}\[J/u)
}

describe.skipIf(missing !== undefined)(`serve at a terminal${missing ? ` (${missing})` : ''}`, () => {
  it.each([
    [80, 120],
    [120, 80],
  ])(
    'of %i columns and then of %i writes its log line by line, and what to do within the window',
    async (columns, resized) => {
      await using terminal = atTerminal([process.execPath, CLI, 'serve', ...optionsFor(origin.url)], {
        columns,
      })
      const [, url = ''] = await terminal.untilOutput(/listening on (http:\S+)/)
      await terminal.untilOutput(/--insecure \(-k\)/)
      terminal.resize({ columns: resized })
      expect((await curl([`${url}/`])).status).toBe(502)
      terminal.type('\x03')
      expect(await terminal.exited).toBe(0)
      const lines = written(terminal).filter(line => line !== '')
      const isLog = (line: string): boolean =>
        /^(?:\^C)?\d{4}-\d\d-\d\dT[\d:.]+Z (?:info|warn|error) +\S/.test(line)
      const advice = lines.filter(line => !isLog(line))
      expect(advice.join(' ')).toMatch(
        /^middlemile serve: .*certificate for localhost .*--ca FILE .*--insecure/,
      )
      for (const line of advice) expect(line.length, line).toBeLessThanOrEqual(columns)
      expect(lines.at(-1)).toMatch(/ info +closed$/)
      expect(terminal.output).toContain('\x1b[33mwarn \x1b[0m')
      expect(terminal.output, 'a log is never written over').not.toMatch(/\p{Cc}\[\d*[A-Z]/u)
    },
  )

  it('has no colors with NO_COLOR, and none in a pipe', async () => {
    const args = ['serve', ...optionsFor(origin.url)]
    await using terminal = atTerminal(
      [process.execPath, CLI, ...args],
      { columns: 80 },
      { env: { NO_COLOR: '1' } },
    )
    await terminal.untilOutput(/ warn {2}origin: connect failed/)
    expect(terminal.output).not.toContain('\x1b')
    await using piped = spawnCli(args)
    await piped.untilStdout(/ warn {2}origin: connect failed/)
    expect(piped.stdout).not.toContain('\x1b')
  })

  it('drains its workers on Ctrl-C, which reaches them too: a request that is under way ends', async () => {
    const slow = await startSlowOrigin({ delayMs: 1_000 })
    const file = join(directory.path, 'middlemile.yaml')
    writeFileSync(
      file,
      `listen: [{ address: 127.0.0.1:0 }]\nworkers: 1\norigins: { slow: { url: '${slow.url}' } }\nroutes: [{ host: '*', origin: slow }]\n`,
    )
    await using terminal = atTerminal([process.execPath, CLI, 'serve', '-c', file], { columns: 80 })
    const [, url = ''] = await terminal.untilOutput(/listening on (http:\S+)/)
    const asked = curl([`${url}/`])
    await expect.poll(() => slow.requestsSeen()).toBe(1)
    terminal.type('\x03')
    expect((await asked).status).toBe(200)
    expect(await terminal.exited).toBe(0)
    expect(
      written(terminal).filter(line => line.endsWith(' draining: no new requests, open ones end')),
    ).toHaveLength(2)
    await slow.close()
  })
})

describe.skipIf(missing !== undefined)(
  `npm start -- --origin URL at a terminal${missing ? ` (${missing})` : ''}`,
  () => {
    it.each([
      [80, 120],
      [120, 80],
    ])('of %i columns and then of %i keeps one summary beneath what it says', async (columns, resized) => {
      const gone = await startQuickOrigin()
      await using terminal = atTerminal([process.execPath, DEMO, ...optionsFor(gone.url)], { columns })
      const [, url = ''] = await terminal.untilOutput(/listens on (http:[^\s,]+)/)
      expect((await curl([`${url}/`])).status).toBe(200)
      await terminal.untilOutput(/1 request \(\d+\/s\)/)
      for (const line of written(terminal)) expect(line.length, line).toBeLessThan(columns)
      terminal.resize({ columns: resized })
      await gone.close()
      expect((await curl([`${url}/`])).status).toBe(502)
      await terminal.untilOutput(/connect failed after[\s\S]*2 requests \(\d+\/s\)/)
      const screen = terminal.screen()
      expect(screen.filter(row => / requests \(\d+\/s\)/.test(row))).toHaveLength(1)
      expect(screen.at(-1)).toMatch(/^2 requests \(\d+\/s\)/)
      expect(screen.join('\n')).toMatch(/^Run this twice: /m)
      terminal.type('\x03')
      expect(await terminal.exited).toBe(0)
      expect(terminal.screen().join('\n')).toMatch(/\ndraining: .*\ndrained after 2 requests\n/)
    })

    it('of 80 columns says what to do about a certificate in lines that fit it', async () => {
      await using terminal = atTerminal([process.execPath, DEMO, ...optionsFor(origin.url)], { columns: 80 })
      await terminal.untilOutput(/npm start: [\s\S]*certificate for localhost[\s\S]*--insecure \(-k\)/)
      for (const line of written(terminal)) expect(line.length, line).toBeLessThanOrEqual(80)
    })
  },
)
