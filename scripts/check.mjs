// `npm run check`: types, lint, layout and dependency rules, words, format, dead code, package. All of them
// run, in two lanes, so that one run shows everything. The output of a step comes in one piece.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root } from './setup.mjs'

ensureInstalled()
ensureBuilt({ types: true })

/** The lanes run at once, the steps of a lane one after the other: those of the package pack it, into the same files. */
const lanes = [
  [
    ['package types', bin('@arethetypeswrong/cli', 'dist/index.js'), '--pack', '.', '--profile', 'esm-only'],
    ['package', bin('publint', 'src/cli.js'), '--strict'],
    ['dead code', bin('knip', 'bin/knip.js')],
    ['words', join(root, 'scripts/glossary.mjs')],
  ],
  [
    ['lint', bin('oxlint', 'bin/oxlint'), '--type-aware', '--deny-warnings'],
    ['types', bin('typescript', 'bin/tsc'), '--noEmit', '-p', 'tsconfig.json'],
    ['format', bin('@biomejs/biome', 'bin/biome'), 'check', '.'],
    ['structure', join(root, 'scripts/structure.mjs'), '--check'],
  ],
]

/** `npm pack` would build once more what `ensureBuilt` has built, below the other steps. */
const env = { ...process.env, npm_config_ignore_scripts: 'true' }

/** Runs one step, and prints what it printed when it has ended. Whether it succeeded. */
function run([name, script, ...args]) {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [script, ...args], {
      cwd: root,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const output = []
    child.stdout.on('data', chunk => output.push(chunk))
    child.stderr.on('data', chunk => output.push(chunk))
    child.on('close', status => {
      console.log(`check: ${name}${status === 0 ? '' : ' failed'}`)
      process.stdout.write(Buffer.concat(output))
      resolve(status === 0)
    })
  })
}

const failed = []
await Promise.all(
  lanes.map(async steps => {
    for (const step of steps) if (!(await run(step))) failed.push(step[0])
  }),
)
console.log(failed.length === 0 ? 'check: all good' : `check: failed: ${failed.join(', ')}`)
process.exit(failed.length === 0 ? 0 : 1)
