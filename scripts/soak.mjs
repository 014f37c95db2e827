// `npm run soak -- [options]` compiles the connector and the soak, and runs it: bench/soak/run.ts, which has
// the options (`--help`).
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root, run } from './setup.mjs'

ensureInstalled()
ensureBuilt()
run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.bench.json'])
const program = join(root, '.tmp', 'bench', 'bench', 'soak', 'run.js')
const { status } = spawnSync(process.execPath, [program, ...process.argv.slice(2)], {
  cwd: root,
  stdio: 'inherit',
})
process.exit(status ?? 1)
