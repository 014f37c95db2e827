// `npm run check`: types, lint, layout and dependency rules, words, format, dead code, package. All of them
// run, so that one run shows everything.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root } from './setup.mjs'

ensureInstalled()
ensureBuilt()

const steps = [
  ['types', bin('typescript', 'bin/tsc'), '--noEmit', '-p', 'tsconfig.json'],
  ['lint', bin('oxlint', 'bin/oxlint'), '--type-aware', '--deny-warnings'],
  ['structure', join(root, 'scripts/structure.mjs'), '--check'],
  ['words', join(root, 'scripts/glossary.mjs')],
  ['format', bin('@biomejs/biome', 'bin/biome'), 'check', '.'],
  ['dead code', bin('knip', 'bin/knip.js')],
  ['package', bin('publint', 'src/cli.js'), '--strict'],
  ['package types', bin('@arethetypeswrong/cli', 'dist/index.js'), '--pack', '.', '--profile', 'esm-only'],
]
const failed = []
for (const [name, script, ...args] of steps) {
  console.log(`check: ${name}`)
  const { status } = spawnSync(process.execPath, [script, ...args], { cwd: root, stdio: 'inherit' })
  if (status !== 0) failed.push(name)
}
console.log(failed.length === 0 ? 'check: all good' : `check: failed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)
