import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const { MODULES, PROGRAMS } = (await import(
  new URL('../../../scripts/entry-points.mjs', import.meta.url).href
)) as Record<'MODULES' | 'PROGRAMS', Readonly<Record<string, string>>> // plain JavaScript without types

/** What sources start or load by a path beside themselves: `new URL('./NAME.js', import.meta.url)`. */
const BY_PATH = /new URL\(\s*['`]\.\/([^'`$]*)(\$\{[^}]*\})?\.js['`],\s*import\.meta\.url/g

describe('the build', () => {
  const sources = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => ({ name: `src/${name}`, text: readFileSync(join(root, 'src', name), 'utf8') }))
  const known = new Set(sources.map(({ name }) => name))

  it.each(Object.entries({ ...MODULES, ...PROGRAMS }))(
    'makes %s of a source that exists',
    (_name, source) => {
      expect(known).toContain(source)
    },
  )

  it('makes a file of its own for everything that is started or loaded by its path', () => {
    const found = sources.flatMap(({ name, text }) =>
      [...text.matchAll(BY_PATH)].map(([, path = '', variable]) => ({ name, path, variable })),
    )
    expect(found.length).toBeGreaterThan(3) // the pattern finds them
    const built = Object.keys(PROGRAMS)
    const missing = found.filter(({ path, variable }) =>
      variable === undefined ? !built.includes(path) : !built.some(program => program.startsWith(path)),
    )
    expect(missing).toEqual([])
  })

  it('leaves no source that looks for a file above itself, since a bundle lies elsewhere than its sources', () => {
    const above = sources.filter(({ text }) => /new URL\(\s*['`]\.\./.test(text)).map(({ name }) => name)
    expect(above).toEqual([])
  })
})
