import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { PUBLIC_SURFACE } from '../../support/public-surface.ts'

/** What has to be given. */
const NO_DEFAULT: ReadonlySet<string> = new Set(['StateOptions.directory'])
const OPTIONS = [
  'RequestOptions',
  'FetchInit',
  'DispatcherOptions',
  'TransportOptions',
  'OriginOptions',
  'StateOptions',
  'TlsOptions',
  'PoolOptions',
  'TimeoutOptions',
  'RetryOptions',
  'ResponseLimits',
  'SelectOptions',
  'SocketOptions',
  'Http2Options',
  'Http3Options',
  'QuicOptions',
  'LivenessOptions',
  'ResolverOptions',
  'GlobalLimits',
  'TicketStoreOptions',
]

const text = (file: string): string => readFileSync(new URL(`../../../dist/${file}`, import.meta.url), 'utf8')
/** The declarations of an entry point and of what it imports, once each. */
function declarationsOf(file: string, seen = new Set<string>()): string {
  if (seen.has(file)) return ''
  seen.add(file)
  const own = text(file)
  const imported = [...own.matchAll(/from "\.\/([^"]+)\.js"/g)].map(([, name]) => `${name}.d.ts`)
  return [own, ...imported.map(name => declarationsOf(name, seen))].join('\n')
}

/** What an editor shows for a name: the comment above its declaration. */
function hoverOf(name: string, declarations: string): string | undefined {
  const pattern = `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\s*)(?:export )?(?:declare )?(?:abstract )?(?:interface|type|const|class|function) ${name}\\b`
  return new RegExp(pattern).exec(declarations)?.[1]
}

/** The fields of an interface with their comments. */
function fieldsOf(name: string, declarations: string): { name: string; comment: string }[] {
  const body = new RegExp(`interface ${name}(?: extends [^{]+)? \\{\\n([\\s\\S]*?)\\n\\}`).exec(
    declarations,
  )?.[1]
  if (body === undefined) throw new Error(`there is no interface ${name}`)
  const fields = /(?:^ {2}\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\n)?^ {2}(?:readonly )?(\w+)\??:/gm
  return [...body.matchAll(fields)].map(([, comment = '', field = '']) => ({ name: field, comment }))
}

describe('what an editor shows, by the declarations that are published', () => {
  const subpaths = Object.entries(PUBLIC_SURFACE)
  const fileOf = (subpath: string): string => `${subpath === '.' ? 'index' : subpath.slice(2)}.d.ts`

  it.each(subpaths)('is a sentence for every name of %s', (subpath, { values, types }) => {
    const declarations = declarationsOf(fileOf(subpath))
    const silent = [...values, ...types].filter(name => !(hoverOf(name, declarations) ?? '').trim())
    expect(silent).toEqual([])
  })

  it('is an example for every name of "."', () => {
    const declarations = declarationsOf('index.d.ts')
    const { values, types } = PUBLIC_SURFACE['.'] ?? { values: [], types: [] }
    const without = [...values, ...types].filter(name => !hoverOf(name, declarations)?.includes('```ts'))
    expect(without).toEqual([])
  })

  it.each(OPTIONS)('is the default for every field of %s', name => {
    const fields = fieldsOf(name, `${declarationsOf('index.d.ts')}\n${declarationsOf('options.d.ts')}`)
    expect(fields.length).toBeGreaterThan(0)
    const without = fields.filter(
      field => !NO_DEFAULT.has(`${name}.${field.name}`) && !/\bDefault/.test(field.comment),
    )
    expect(without.map(field => field.name)).toEqual([])
  })
})
