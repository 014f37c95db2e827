// `npm run fuzz -- [MINUTES]`: runs the tests with properties over and over, each time on cases that no run
// had before, for 10 minutes by default or until one fails. The failure prints its seed; `SEED=that npm test
// -- FILE` repeats it.
import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root } from './setup.mjs'

const minutes = Number(process.argv[2] ?? 10)
if (!(minutes > 0)) {
  console.error('fuzz: MINUTES must be a number above 0')
  process.exit(2)
}
ensureInstalled()
ensureBuilt()

const files = readdirSync(join(root, 'test'), { recursive: true })
  .filter(file => file.endsWith('.test.ts'))
  .map(file => join('test', file))
  .filter(file => readFileSync(join(root, file), 'utf8').includes('fc.assert'))
const end = Date.now() + minutes * 60_000
let rounds = 0
while (Date.now() < end) {
  rounds++
  const { status } = spawnSync(
    process.execPath,
    [bin('vitest', 'vitest.mjs'), 'run', '--retry=0', '--reporter=dot', ...files],
    { cwd: root, stdio: 'inherit', env: { ...process.env, SEED: 'random' } },
  )
  if (status !== 0) {
    console.error(`fuzz: round ${rounds} failed`)
    process.exit(1)
  }
}
console.log(`fuzz: ${rounds} rounds of ${files.length} files, none failed`)
