// `npm run soak -- [options]`: the long forms of the tests that take a volume (test/support/volume.ts), and then the
// connector before origins with faults: bench/soak/run.ts, which has the options (`--help`). With options the second
// alone.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root, run } from './setup.mjs'

const args = process.argv.slice(2)
ensureInstalled()
ensureBuilt()
const statuses = args.length === 0 ? [runLongTests()] : []
run(process.execPath, [bin('typescript', 'bin/tsc'), '-p', 'tsconfig.bench.json', '--noCheck'])
statuses.push(runNode([join(root, '.tmp', 'bench', 'bench', 'soak', 'run.js'), ...args]))
process.exit(statuses.find(status => status !== 0) ?? 0)

function runLongTests() {
  const files = readdirSync(join(root, 'test'), { recursive: true })
    .filter(file => file.endsWith('.test.ts'))
    .map(file => join('test', file))
    .filter(file => /\bvolume\(|HUGE_BODY_BYTES|DOWNLOAD_BYTES/.test(readFileSync(join(root, file), 'utf8')))
  return runNode([join(root, 'scripts/test.mjs'), '--testTimeout=900000', ...files], { MIDDLEMILE_SOAK: '1' })
}

function runNode(line, env = {}) {
  const options = { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }
  return spawnSync(process.execPath, line, options).status ?? 1
}
