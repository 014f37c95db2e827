import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { ENTRY_POINTS } from '../../support/entry-points.ts'
import { PUBLIC_SURFACE } from '../../support/public-surface.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** 3.0 MB when it was set, 12 before there were bundles. */
const MAX_UNPACKED_BYTES = 4_000_000
/** 94 when it was set. */
const MAX_FILES = 120

interface Packed {
  readonly unpackedSize: number
  readonly files: readonly { readonly path: string }[]
}

async function pack(): Promise<Packed> {
  const { stdout } = await promisify(execFile)(
    'npm',
    ['pack', '--dry-run', '--json', '--ignore-scripts', '--loglevel=error'],
    { cwd: root, maxBuffer: 64 * 1024 * 1024 },
  )
  const [packed] = JSON.parse(stdout) as [Packed] // as npm documents it
  return packed
}

describe('the package', () => {
  let packed: Promise<Packed>
  beforeAll(() => {
    packed = pack()
  })

  it('has under its own name the values of every entry point, and no others', async () => {
    const program = `
      const names = {}
      for (const subpath of ${JSON.stringify(Object.keys(PUBLIC_SURFACE))})
        names[subpath] = Object.keys(await import(subpath.replace('.', 'middlemile')))
      console.log(JSON.stringify(names))`
    const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
      cwd: root,
    })
    const expected = Object.entries(PUBLIC_SURFACE).map(([subpath, { values }]) => [subpath, values])
    expect(JSON.parse(stdout)).toEqual(Object.fromEntries(expected))
  })

  it('has every entry point with its declarations, and neither source maps nor the demo', async () => {
    const { files, unpackedSize } = await packed
    const paths = files.map(({ path }) => path)
    for (const { subpath } of ENTRY_POINTS) {
      const built = `dist/${subpath === '.' ? 'index' : subpath.slice(2)}`
      expect(paths).toEqual(expect.arrayContaining([`${built}.js`, `${built}.d.ts`]))
    }
    expect(
      paths.filter(path => path.endsWith('.map') || /^dist\/(?:demo|origins-process)/.test(path)),
    ).toEqual([])
    expect(unpackedSize).toBeLessThan(MAX_UNPACKED_BYTES)
  })

  it('has every file that one of its files imports', async () => {
    const { files } = await packed
    const paths = files
      .map(({ path }) => path)
      .filter(path => /^dist\/.*\.(?:js|cjs|d\.ts|d\.cts)$/.test(path))
    const missing = paths.flatMap(path => {
      const text = readFileSync(join(root, path), 'utf8')
      const imports = text.matchAll(/(?:\bfrom|\bimport|\brequire)\s*\(?\s*["'](\.{1,2}\/[^"']+\.c?js)["']/g)
      return [...imports]
        .map(([, target = '']) => posix.join(posix.dirname(path), target))
        .filter(target => !paths.includes(target) && !paths.includes(target.replace(/js$/, 'd.ts')))
        .filter(target => !paths.includes(target.replace(/cjs$/, 'd.cts')))
        .map(target => `${path} imports ${target}`)
    })
    expect(paths.length).toBeGreaterThan(50)
    expect(missing).toEqual([])
  })

  it('is a few bundles, not the hundreds of files that loading would pay for', async () => {
    const { files } = await packed
    expect(files.length).toBeLessThan(MAX_FILES)
  })
})
