import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface EntryPoint {
  /** `.`, `./options`, … */
  readonly subpath: string
  /** Relative to the project. */
  readonly source: string
  readonly names: readonly { readonly name: string; readonly isType: boolean; readonly from: string }[]
}

const root = fileURLToPath(new URL('../../', import.meta.url))
const module = (await import(new URL('../../scripts/entry-points.mjs', import.meta.url).href)) as {
  entryPoints: (root: string) => readonly EntryPoint[]
  exportedNames: (text: string) => EntryPoint['names']
} // plain JavaScript without types, since it runs before anything is installed

export const { exportedNames } = module
export const ENTRY_POINTS = module.entryPoints(root)

export interface DocumentedExport {
  readonly subpath: string
  readonly name: string
  readonly isType: boolean
  /** `interface`, `type`, `const`, `class` or `function`. */
  readonly kind: string
  /** The comment before its declaration, without its stars. Undefined: there is none. */
  readonly docstring: string | undefined
}

/** Every public name with what an editor shows for it. */
export function documentedExports(): DocumentedExport[] {
  return ENTRY_POINTS.flatMap(({ subpath, source, names }) =>
    names.map(({ name, isType, from }) => ({
      subpath,
      name,
      isType,
      ...declarationOf(name, join(dirname(source), from)),
    })),
  )
}

function declarationOf(name: string, file: string): Pick<DocumentedExport, 'kind' | 'docstring'> {
  const text = readFileSync(join(root, file), 'utf8')
  const forwarded = new RegExp(`^export \\{[^}]*\\b${name}\\b[^}]*\\} from '([^']+)'$`, 'm').exec(text)?.[1]
  if (forwarded !== undefined) return declarationOf(name, join(dirname(file), forwarded))
  const [, docstring, kind] =
    new RegExp(
      `(?:/\\*\\*((?:(?!\\*/)[\\s\\S])*)\\*/\\n)?^export (?:async )?(interface|type|const|class|function) ${name}\\b`,
      'm',
    ).exec(text) ?? []
  if (kind === undefined) throw new Error(`${file} does not declare ${name}`)
  return { kind, docstring: docstring?.replaceAll(/^ *\* ?/gm, '').trim() }
}

/** The code of a docstring's @example. */
export function exampleOf(docstring: string): string | undefined {
  return /@example\n```ts\n([\s\S]*?)\n```/.exec(docstring)?.[1]
}

/** The code at the head of an entry point's file. */
export function headExample({ source }: EntryPoint): string | undefined {
  const head = /^\/\*\*([\s\S]*?)\*\//
    .exec(readFileSync(join(root, source), 'utf8'))?.[1]
    ?.replaceAll(/^ *\* ?/gm, '')
  return /```ts\n([\s\S]*?)\n```/.exec(head ?? '')?.[1]
}
