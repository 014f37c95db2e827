// What is built, and the names that each entry point of the package exports. Without dependencies.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What package.json exports: the name in dist/ (`.js` and `.d.ts`), and the source. */
export const MODULES = {
  index: 'src/index.ts',
  options: 'src/entry/options.ts',
  dispatch: 'src/entry/dispatch.ts',
  events: 'src/entry/events.ts',
  service: 'src/service/index.ts',
  testing: 'src/testing/index.ts',
  'webtransport-quiche': 'src/webtransport-quiche/index.ts',
}

/**
 * Programs, and what is loaded by its path: `new URL('./NAME.js', import.meta.url)` in a source finds dist/NAME.js,
 * since all that starts something lies in dist/ itself. The demo is no part of the package.
 */
export const PROGRAMS = {
  cli: 'src/cli.ts',
  'worker-process': 'src/service/workers/worker-process.ts',
  'client-process': 'src/bench/load/client-process.ts',
  'impair-process': 'src/bench/impair/impair-process.ts',
  'clients/curl': 'src/bench/clients/curl.ts',
  'clients/middlemile': 'src/bench/clients/middlemile.ts',
  'clients/node-http2': 'src/bench/clients/node-http2.ts',
  'clients/undici': 'src/bench/clients/undici.ts',
  demo: 'src/demo/main.ts',
  'origins-process': 'src/demo/origins-process.ts',
}

/** `export { a, type B } from './file.ts'`, `export type { C } from './file.ts'` */
const REEXPORT = /^export (type )?\{([^}]*)\} from '([^']+)'$/gm

/**
 * Every subpath of the package that has types: [{ subpath, source, names: [{ name, isType, from }] }], names
 * in order.
 */
export function entryPoints(root) {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return Object.entries(exports).flatMap(([subpath, target]) => {
    if (typeof target === 'string') return []
    const source = MODULES[/^\.\/dist\/([\w-]+)\.d\.ts$/.exec(target.import.types)?.[1]]
    const names = exportedNames(readFileSync(join(root, source), 'utf8'))
    return [{ subpath, source, names }]
  })
}

/**
 * The names of an entry point's source. Throws when it has more than comments and re-exports by name: what is
 * exported there would be missed.
 */
export function exportedNames(text) {
  const names = []
  const rest = text.replaceAll(REEXPORT, (_statement, onlyTypes, list, from) => {
    for (const item of list.split(',').map(one => one.trim())) {
      if (item === '') continue
      const match = /^(type )?\w+(?: as (\w+))?$/.exec(item)
      if (match === null) throw new Error(`cannot read the export ${item}`)
      const name = match[2] ?? item.replace('type ', '')
      names.push({ name, isType: onlyTypes !== undefined || match[1] !== undefined, from })
    }
    return ''
  })
  const left = rest.replaceAll(/\/\*[\s\S]*?\*\//g, '').trim()
  if (left !== '')
    throw new Error(`an entry point re-exports by name and does nothing else, not: ${left.split('\n', 1)[0]}`)
  return names.sort((a, b) => (a.name < b.name ? -1 : 1))
}
