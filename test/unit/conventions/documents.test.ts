import { spawnSync } from 'node:child_process'
import { copyFileSync, existsSync, writeFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { configSchema } from '../../../src/service/config/config-schema.ts'
import { knownKeys } from '../../../src/service/config/parse-config.ts'
import { readConfigFile } from '../../../src/service/config/read-config-file.ts'
import { writeCertificateFiles } from '../../support/certificate-files.ts'
import { codeBlocks, DOCUMENTS, LANGUAGES, paragraphs, readDocument } from '../../support/documents.ts'
import { makeTemporaryDirectory } from '../../support/temporary-directory.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url))
const BLOCKS = DOCUMENTS.flatMap(codeBlocks)

const MAX_PARAGRAPH_LINES = 5
const MAX_COLUMNS = 120

describe('in the documents', () => {
  it.each([
    ['README.md', 900],
    ['ARCHITECTURE.md', 1_500],
  ])('%s has at most %i words', (page, most) => {
    expect(readDocument(page).split(/\s+/).filter(Boolean).length).toBeLessThanOrEqual(most)
  })

  it('README.md has the test command', () => {
    expect(readDocument('README.md')).toContain('`npm test`')
  })

  it('no paragraph is longer than five lines of 120 columns', () => {
    const tooLong = DOCUMENTS.flatMap(page =>
      paragraphs(page)
        .filter(
          ({ lines }) => lines.length > MAX_PARAGRAPH_LINES || lines.some(line => line.length > MAX_COLUMNS),
        )
        .map(({ line, lines }) => `${page}:${line}: ${lines.length} lines`),
    )
    expect(tooLong).toEqual([])
  })

  it('each page of docs/ begins with who reads it, and when', () => {
    const pages = DOCUMENTS.filter(page => page.startsWith('docs/') && !page.startsWith('docs/decisions/0'))
    const without = pages.filter(
      page => !/^(?:Read this|Look here) (?:first|before|when)/.test(paragraphs(page)[0]?.lines[0] ?? ''),
    )
    expect(pages.length).toBeGreaterThan(10)
    expect(without).toEqual([])
  })

  it('links lead somewhere', () => {
    const broken = DOCUMENTS.flatMap(page =>
      [...readDocument(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)]
        .map(([, link = '']) => link)
        .filter(link => !leadsSomewhere(page, link))
        .map(link => `${page}: ${link}`),
    )
    expect(broken).toEqual([])
  })

  it('source files that are named are there', () => {
    const missing = DOCUMENTS.flatMap(page =>
      [...readDocument(page).matchAll(/\b(?:src|test|bench|scripts)\/[\w./-]*[\w/]/g)]
        .map(([path]) => path)
        .filter(path => !existsSync(join(ROOT, path)) && !existsSync(join(ROOT, `${path}.test.ts`)))
        .map(path => `${page}: ${path}`),
    )
    expect(missing).toEqual([])
  })

  it('every page of docs/ is reached from README.md or another page', () => {
    const linked = new Set(
      DOCUMENTS.flatMap(page =>
        [...readDocument(page).matchAll(/\]\(([^)#\s]+)/g)].map(([, path = '']) =>
          normalize(join(dirname(page), path)),
        ),
      ),
    )
    expect(DOCUMENTS.filter(page => page !== 'README.md' && !linked.has(page))).toEqual([])
  })

  it('every block of code has a language that a test knows', () => {
    const unknown = BLOCKS.filter(({ language }) => !LANGUAGES.some(known => known === language))
    expect(unknown.map(({ page, line, language }) => `${page}:${line}: ${language}`)).toEqual([])
  })

  it('commands are written for a checkout and a project, where docs/cli.md does not name the ways to run them', () => {
    const bare = BLOCKS.filter(({ page }) => page !== 'docs/cli.md').flatMap(({ page, line, text }) =>
      text
        .split('\n')
        .flatMap((row, index) =>
          /^(?:\$ )?middlemile (?:serve|upgrade|get|explain|probe|bench|size)\b/.test(row)
            ? [`${page}:${line + index}`]
            : [],
        ),
    )
    expect(bare, 'npx middlemile').toEqual([])
    for (const page of ['docs/cli.md', 'docs/getting-started.md', 'README.md'])
      expect(readDocument(page), page).toMatch(/npx[^]*global install|npm install --global/)
  })

  it('blocks of JSON parse', () => {
    for (const { language, text } of BLOCKS)
      if (language === 'json') expect(() => JSON.parse(text)).not.toThrow()
  })

  it('blocks of YAML are configurations without a fault, as serve --check reads them', async () => {
    using directory = makeTemporaryDirectory('documents')
    const { caFile, certFile, keyFile } = await writeCertificateFiles(directory.path)
    const named = { 'internal-ca.pem': caFile, 'cert.pem': certFile, 'key.pem': keyFile }
    for (const [name, file] of Object.entries(named)) copyFileSync(file, join(directory.path, name))
    for (const name of ['read.token', 'change.token'])
      writeFileSync(join(directory.path, name), 'a-token-of-a-test')
    const path = join(directory.path, 'middlemile.yaml')
    const configurations = BLOCKS.filter(({ language }) => language === 'yaml')
    expect(configurations.length).toBeGreaterThan(5)
    for (const { page, line, text } of configurations) {
      writeFileSync(path, text)
      const read = await readConfigFile(path)
      expect({
        page,
        line,
        faults: read.ok ? [] : read.faults,
        warnings: read.ok ? read.settings.warnings : [],
      }).toEqual({
        page,
        line,
        faults: [],
        warnings: [],
      })
    }
  })

  it('what is made from the source agrees with the source', () => {
    const script = join(ROOT, 'scripts', 'generate-docs.mjs')
    const { stdout, stderr, status } = spawnSync(process.execPath, [script, '--check'], { encoding: 'utf8' })
    expect({ stdout, stderr, status }).toEqual({ stdout: '', stderr: '', status: 0 })
  })

  it('docs/configuration.md has every key that a configuration may have', () => {
    const page = readDocument('docs/configuration.md')
    const missing = schemaPaths().filter(path => {
      const key = path.split('.').at(-1) ?? ''
      return !new RegExp(`[.\`]${key}(?:Ms)?\``).test(page)
    })
    expect(missing).toEqual([])
    expect(schemaPaths()).toContain('origins.*.pool.idleTimeout')
  })
})

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', anchor] = link.split('#')
  const target = path === '' ? page : normalize(join(dirname(page), path))
  if (!existsSync(join(ROOT, target))) return false
  return anchor === undefined || anchorsOf(target).has(anchor)
}

/** As GitHub makes them of headings. */
function anchorsOf(page: string): ReadonlySet<string> {
  const headings = [...readDocument(page).matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading)
  return new Set(
    headings.map(heading =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}

/** Every key of a configuration with its path; `*` stands for an entry of a list or of a mapping by name. */
function schemaPaths(): string[] {
  const schema = configSchema('/')
  const under = (path: readonly string[]): string[] =>
    knownKeys(schema, path).flatMap(key => {
      const inner = [...path, key]
      return [inner.join('.'), ...under(inner), ...under([...inner, '*'])]
    })
  return under([])
}
