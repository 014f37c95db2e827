// `npm run bench -- SCENARIO… [options]` compiles what is measured and what measures, then runs bench/run.ts;
// `npm run bench:micro` and `-- micro/NAME` run the micro benches. Node 20 cannot run TypeScript, and a
// loader would measure itself along: the bench is compiled into .tmp/bench by the compiler that we have.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root, run } from './setup.mjs'

const [first = '', ...rest] = process.argv.slice(2)
const micro = /^micro(?:\/([\w-]+))?$/.exec(first)
ensureInstalled()
if (micro === null) ensureBuilt() // what is measured without sockets needs no command line
run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.bench.json', '--noCheck'])
const { status } = spawnSync(process.execPath, [join(root, '.tmp', 'bench', 'bench', program()), ...args()], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 1)

/** micro/handshake is a program of its own: it has servers. */
function program() {
  if (micro === null) return 'run.js'
  return micro[1] === 'handshake' ? 'micro/handshake.js' : 'micro/run.js'
}

function args() {
  if (micro === null) return process.argv.slice(2)
  return micro[1] === undefined || micro[1] === 'handshake' ? rest : [micro[1], ...rest]
}
