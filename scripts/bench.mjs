// `npm run bench -- SCENARIO… [options]` or `-- micro/NAME`: compiles what is measured and what measures, then runs bench/run.ts. Node 20 cannot run
// TypeScript, and a loader would measure itself along: the bench is compiled into .tmp/bench by the compiler that we have.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root, run } from './setup.mjs'

ensureInstalled()
ensureBuilt()
run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.bench.json'])
// `micro/NAME` is a program of its own: parts of the code, without sockets.
const [first = '', ...rest] = process.argv.slice(2)
const [program, args] = /^micro\/[\w-]+$/.test(first)
  ? [`${first}.js`, rest]
  : ['run.js', process.argv.slice(2)]
const { status } = spawnSync(process.execPath, [join(root, '.tmp', 'bench', 'bench', program), ...args], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 1)
