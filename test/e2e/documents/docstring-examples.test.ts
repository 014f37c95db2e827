import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it } from 'vitest'
import { documentedExports, ENTRY_POINTS, exampleOf, headExample } from '../../support/entry-points.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

/** What examples use without saying where it is from, besides our own names. */
const OTHERS: Readonly<Record<string, string>> = {
  createReadStream: "import { createReadStream } from 'node:fs'",
  readFileSync: "import { readFileSync } from 'node:fs'",
  setGlobalDispatcher: "import { setGlobalDispatcher } from 'undici'",
}

const moduleOf = new Map(
  ENTRY_POINTS.flatMap(({ subpath, names }) =>
    names.map(({ name }): [string, string] => [name, subpath.replace('.', 'middlemile')]),
  ),
)

/** An example as a program: with imports of what it uses, and the transport or error that it speaks of. */
function programOf(example: string): string {
  const imported = new Set(
    [...example.matchAll(/import (?:type )?\{([^}]*)\}/g)].flatMap(
      ([, list = '']) => list.match(/\w+/g) ?? [],
    ),
  )
  const declared = (name: string): boolean =>
    imported.has(name) || new RegExp(`\\b(?:const|let|using|function) ${name}\\b`).test(example)
  const assumed = [
    ...(/\btransport\b/.test(example) && !declared('transport')
      ? ['declare const transport: Transport']
      : []),
    ...(/\bsession\b/.test(example) && !declared('session')
      ? ['declare const session: WebTransportSession', 'declare const bytes: Uint8Array']
      : []),
    ...(/\berror\b/.test(example) ? ['declare const error: TransportError'] : []),
  ]
  const words = new Set(`${assumed.join(' ')} ${example}`.match(/\b[A-Za-z]\w*\b/g))
  const imports = [...words]
    .filter(word => !declared(word))
    .flatMap(word => {
      const module = moduleOf.get(word)
      if (module !== undefined) return [`import { ${word} } from '${module}'`]
      return OTHERS[word] === undefined ? [] : [OTHERS[word]]
    })
  return [...imports, ...assumed, example, 'export {}'].join('\n')
}

const EXAMPLES = [
  ...ENTRY_POINTS.map(entry => ({ name: `the head of ${entry.subpath}`, example: headExample(entry) })),
  ...documentedExports().map(({ subpath, name, docstring = '' }) => ({
    name: `${name} of ${subpath}`,
    example: exampleOf(docstring),
  })),
].filter((entry): entry is { name: string; example: string } => entry.example !== undefined)

describe('the examples in docstrings', () => {
  let directory = ''
  afterEach(() => rmSync(directory, { recursive: true, force: true }))

  /** What the compiler says of programs against our own source, by their names. */
  async function complaints(programs: readonly { name: string; example: string }[]): Promise<string[]> {
    mkdirSync(join(root, '.tmp'), { recursive: true })
    directory = mkdtempSync(join(root, '.tmp', 'examples-'))
    const paths = Object.fromEntries(
      ENTRY_POINTS.map(({ subpath, source }) => [subpath.replace('.', 'middlemile'), [join(root, source)]]),
    )
    const options = { paths, verbatimModuleSyntax: false, noUnusedLocals: false, declaration: false }
    writeFileSync(
      join(directory, 'tsconfig.json'),
      JSON.stringify({ extends: join(root, 'tsconfig.json'), compilerOptions: options, include: ['*.ts'] }),
    )
    for (const [index, { example }] of programs.entries())
      writeFileSync(join(directory, `${index}.ts`), `${programOf(example)}\n`)
    const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
    const run = promisify(execFile)(process.execPath, [compiler, '--noEmit', '-p', directory])
    const output = await run.then(
      ({ stdout }) => stdout,
      (error: { stdout: string }) => error.stdout,
    )
    return output
      .split('\n')
      .filter(line => line.includes('error TS'))
      .map(line => line.replace(/^.*?(\d+)\.ts/, (_path, index) => programs[Number(index)]?.name ?? ''))
  }

  it('compile, and would not with a name that is gone or an option that is not there', async () => {
    expect(EXAMPLES.length).toBeGreaterThan(60)
    const wrong = [
      { name: 'gone', example: "import { createTransports } from 'middlemile'" },
      { name: 'no option', example: 'const options: TransportOptions = { poool: {} }' },
    ]
    const named = (await complaints([...EXAMPLES, ...wrong])).map(line => line.split('(')[0])
    expect(named).toEqual(['gone', 'no option'])
  })
})
