import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { onProcessExit } from '../../support/cleanup.ts'
import { atTerminal, requirePseudoTerminal } from '../../support/pseudo-terminal.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const ESCAPE = '\x1b'

/** A small suite: two projects of which one has a failure, a skipped test, a flaky one, and tests that write. */
const FILES: Readonly<Record<string, string>> = {
  'vitest.config.ts': `
    import { defineConfig } from 'vitest/config'
    const project = (name, groupOrder, retry) => ({
      extends: true,
      test: { name, include: [\`test/\${name}/*.test.ts\`], retry, sequence: { groupOrder } },
    })
    export default defineConfig({ test: { pool: 'forks', projects: [project('unit', 0, 0), project('e2e', 1, 1)] } })`,
  'test/unit/sums.test.ts': `
    import { expect, it } from 'vitest'
    it('adds up', async () => {
      console.log('a stray line')
      process.emitWarning('a stray warning')
      await new Promise(resolve => setTimeout(resolve, 100)) // the worker of a file that has ended is killed
      expect(1 + 1).toBe(2)
    })
    it('is skipped', ctx => ctx.skip('skipped: install a program'))`,
  'test/unit/lists.test.ts': `
    import { expect, it } from 'vitest'
    it('has the same members', () => {
      console.log('what it wrote itself')
      expect(['one', 'two']).toEqual(['one', 'three'])
    })`,
  'test/e2e/late.test.ts': `
    import { expect, it } from 'vitest'
    let attempts = 0
    it('comes at last', async () => {
      await new Promise(resolve => setTimeout(resolve, 200))
      expect(++attempts).toBe(2)
    })`,
}

describe('npm test', () => {
  let suite: string
  beforeAll(() => {
    mkdirSync(join(root, '.tmp'), { recursive: true })
    suite = mkdtempSync(join(root, '.tmp', 'suite-')) // below the project, so that vitest is found
    onProcessExit(() => rmSync(suite, { recursive: true, force: true }))
    for (const [name, text] of Object.entries(FILES)) {
      mkdirSync(dirname(join(suite, name)), { recursive: true })
      writeFileSync(join(suite, name), text)
    }
  })
  afterAll(() => rmSync(suite, { recursive: true, force: true }))

  const line = (): string[] => [process.execPath, join(root, 'scripts/test.mjs'), '--root', suite]
  const runInPipe = (...filter: string[]): { text: string; status: number | null; stderr: string } => {
    const [command = '', ...args] = line()
    const { stdout, stderr, status } = spawnSync(command, [...args, ...filter], { encoding: 'utf8' })
    return { text: stdout, status, stderr }
  }

  describe('in a pipe', () => {
    let first: ReturnType<typeof runInPipe>
    let second: ReturnType<typeof runInPipe>
    beforeAll(() => {
      first = runInPipe()
      second = runInPipe()
    })

    it('says how long it takes: at its first run what it took elsewhere, and then what it took here', () => {
      const [begin = ''] = first.text.split('\n')
      expect(begin).toBe('3 files of tests: unit, e2e; first run: about 3 s on 2 cores')
      expect(second.text).toMatch(/^3 files of tests: unit, e2e; usually [\d.]+ s\n/)
    })

    it('prints results and nothing else', () => {
      const { text, status, stderr } = second
      expect([status, stderr]).toEqual([1, ''])
      expect(text).not.toContain(ESCAPE)
      expect(text).not.toContain('stray')
      expect(text).toMatch(/^unit 2 files: 1 passed, 1 failed, 1 skipped in [\d.]+ s$/m)
      expect(text).toMatch(/^e2e  1 file: 1 passed in [\d.]+ s$/m)
      expect(text).toContain('skipped: install a program (1)\n  is skipped')
      expect(text).toContain('passed at the second attempt (1)\n  test/e2e/late.test.ts > comes at last')
      expect(text).toMatch(/\ntests: 2 passed, 1 failed, 1 skipped\n$/)
    })

    it('prints a failure before the run has ended, with file, title, difference, place and what the test wrote', () => {
      const { text } = second
      expect(text.indexOf('FAILED')).toBeLessThan(text.indexOf('e2e  1 file'))
      expect(text).toContain(
        [
          'FAILED test/unit/lists.test.ts > has the same members',
          "  AssertionError: expected [ 'one', 'two' ] to deeply equal [ 'one', 'three' ]",
          '    - Expected',
          '    + Received',
          '',
          '      [',
          '        "one",',
          '    -   "three",',
          '    +   "two",',
          '      ]',
          '    at test/unit/lists.test.ts:5:30',
          '  it wrote:',
          '    what it wrote itself',
        ].join('\n'),
      )
    })

    it('keeps what the tests wrote in a file that it names', () => {
      const [, path = ''] = /^other output of the tests: (.*)$/m.exec(second.text) ?? []
      const output = readFileSync(join(suite, path), 'utf8')
      expect(output).toContain('a stray line')
      expect(output).toContain('a stray warning')
    })

    it('says that no file is of the name that it was given', () => {
      const { text, status } = runInPipe('test/unit/maps')
      expect(text).toMatch(/^no file of tests matches .*test\/unit\/maps\n/)
      expect(text).toMatch(/\ntests: 0 passed, 0 failed, 0 skipped\n$/)
      expect(status).toBe(1)
    })
  })

  describe.skipIf(requirePseudoTerminal())('at a terminal of 80 columns', () => {
    it('has one line for each project, which it writes over, in color', async () => {
      await using terminal = atTerminal(line(), { columns: 80 })
      await terminal.untilOutput(/e2e  \[-{20}\] 0 of 1 files, 0 passed, about 1 s left/)
      expect(await terminal.exited).toBe(1)
      const screen = terminal.screen()
      for (const row of screen) expect(row.length).toBeLessThanOrEqual(80)
      expect(screen.filter(row => row.startsWith('e2e')).map(row => row.replace(/[\d.]+ s/, '2 s'))).toEqual([
        'e2e  1 file: 1 passed in 2 s',
      ])
      expect(screen.join('\n')).not.toContain(' left')
      expect(terminal.output).toContain(`${ESCAPE}[31mFAILED${ESCAPE}[39m`)
      expect(screen.at(-2)).toBe('tests: 2 passed, 1 failed, 1 skipped')
    })

    it('has no color with NO_COLOR', async () => {
      await using terminal = atTerminal(line(), { columns: 80 }, { env: { NO_COLOR: '1' } })
      expect(await terminal.exited).toBe(1)
      expect(terminal.output).toContain('FAILED test/unit/lists.test.ts')
      expect(terminal.output).not.toMatch(/\p{Cc}\[[\d;]*m/u)
    })
  })
})
