// `npm run build`: src/ to dist/, as the package has it and as tests and demo run it. Code is bundled: one file for
// each entry point and some that they share, since loading 700 files takes three times as long as loading undici.
// Declarations are rolled up likewise; `--no-types` leaves them out.
import { chmodSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { MODULES, PROGRAMS } from './entry-points.mjs'
import { bin, CODE_STAMP, ensureInstalled, root, run, TYPES_STAMP } from './setup.mjs'

const DIST = join(root, 'dist')
/** Becomes dist/ when it is whole: a build that is stopped leaves the last one. */
const STAGE = join(root, '.tmp', 'dist')
const DECLARATIONS = join(root, '.tmp', 'declarations')
/** In dist/, since they are not in ES modules, which a bundler of a user's program can put anywhere. */
const INLINED = ['undici', 'dns-packet', '@leichtgewicht/ip-codec']
const LICENSES = 'third-party-licenses.txt'

const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const packages = [...Object.keys(dependencies), ...Object.keys(optionalDependencies)]

/** Packages that a program installs. undici itself is one for `middlemile bench`; what we use of it is inlined. */
function isExternal(id) {
  return isBuiltin(id) || id === 'undici' || packages.some(name => !INLINED.includes(name) && isOf(id, name))
}

function isOf(id, name) {
  return id === name || id.startsWith(`${name}/`)
}

/**
 * `lazyModule(require => require('x'))` calls a `require` of Node's, which no bundler sees through. Without the
 * parameter x is bundled, and evaluated by the first call as before.
 */
const lazyModules = {
  name: 'lazy modules',
  transform: {
    filter: { code: /lazyModule(<\w+>)?\(/ },
    handler: code => ({
      code: code.replaceAll(/lazyModule(<\w+>)?\(\s*require\s*=>/g, 'lazyModule$1(() =>'),
      map: null,
    }),
  },
}

/** A bundle in the form of ES modules has no `require` for what Node brings; this is there in either form. */
const builtinModules = {
  name: 'builtin modules',
  transform: {
    filter: { id: /node_modules/, code: 'require(' },
    handler: code => ({
      code: code.replaceAll(/\brequire\('([^']+)'\)/g, (call, id) =>
        isBuiltin(id) ? `process.getBuiltinModule('${id}')` : call,
      ),
      map: null,
    }),
  },
}

/** One without modules passes on what is in another one: for whoever it was made, it is no part of the demo. */
function isOfDemo(moduleIds) {
  return moduleIds.length > 0 && moduleIds.every(id => id.startsWith(join(root, 'src', 'demo')))
}

async function write(input, plugins, external) {
  const build = await rolldown({
    cwd: root,
    platform: 'node',
    transform: { target: 'node20.19' }, // the oldest of `engines`, which knows no `using`
    input,
    plugins,
    external,
    checks: { pluginTimings: false }, // a slow machine is no fault of the build
    onLog(level, log, report) {
      if (level === 'warn') throw new Error(`build: ${log.message}`)
      report(level, log)
    },
  })
  await build.write({
    dir: STAGE,
    format: 'esm',
    // package.json leaves out what is the demo's alone.
    chunkFileNames: ({ moduleIds }) => `${isOfDemo(moduleIds) ? 'demo-' : ''}[name]-[hash].js`,
    comments: { legal: true, annotation: true, jsdoc: false },
  })
  await build.close()
}

async function rollUpDeclarations() {
  ensureInstalled()
  const { dts } = await import('rolldown-plugin-dts') // with the compiler one of the tools, which a start does without
  rmSync(DECLARATIONS, { recursive: true, force: true })
  // `npm run check` checks the types; writing down what they are takes a third of that.
  run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.build.json', '--noCheck'])
  const input = Object.entries(MODULES).map(([name, source]) => [
    name,
    join(DECLARATIONS, source.replace(/^src\//, '').replace(/\.ts$/, '.d.ts')),
  ])
  const plugin = dts({ dtsInput: true, tsconfig: false })
  await write(Object.fromEntries(input), [plugin], id => !id.startsWith('.') && !id.startsWith('/'))
  // What a CommonJS file imports has to be declared as CommonJS, though it is one and the same module when it runs.
  for (const file of readdirSync(STAGE).filter(name => name.endsWith('.d.ts'))) {
    const text = readFileSync(join(STAGE, file), 'utf8')
    const imports = text.replaceAll(/(from ["']\.\/[^"']+)\.js(["'])/g, '$1.cjs$2')
    writeFileSync(join(STAGE, file.replace(/\.ts$/, '.cts')), imports)
  }
}

/** require() gets the ES module (Node 20.19 and later), so that a program has one copy, however it asks. */
function writeForRequire() {
  for (const name of Object.keys(MODULES))
    writeFileSync(join(STAGE, `${name}.cjs`), `module.exports = require('./${name}.js')\n`)
}

/** Licenses of what is inlined ask to be passed on with it. */
function writeLicenses() {
  const texts = INLINED.map(name => {
    const directory = join(root, 'node_modules', name)
    const { version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'))
    return `${name} ${version}\n\n${readFileSync(join(directory, 'LICENSE'), 'utf8').trim()}\n`
  })
  writeFileSync(
    join(STAGE, LICENSES),
    `Parts of these packages are in this folder.\n\n${texts.join('\n---\n\n')}`,
  )
}

rmSync(STAGE, { recursive: true, force: true })
mkdirSync(STAGE, { recursive: true })
await write({ ...MODULES, ...PROGRAMS }, [lazyModules, builtinModules], isExternal)
writeLicenses()
writeForRequire()
chmodSync(join(STAGE, 'cli.js'), 0o755) // what npx runs
writeFileSync(join(STAGE, CODE_STAMP), '')
if (!process.argv.includes('--no-types')) {
  await rollUpDeclarations()
  writeFileSync(join(STAGE, TYPES_STAMP), '')
}
rmSync(DIST, { recursive: true, force: true })
renameSync(STAGE, DIST)
