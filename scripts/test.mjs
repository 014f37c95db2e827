// `npm test`: compiles (the command line is tested as users run it) and runs every test. Arguments go on to vitest, so that
// `npm test -- test/unit/pool` runs a part. The last line is taken from vitest's own report.
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { bin, ensureBuilt, ensureInstalled, root } from './setup.mjs'

ensureInstalled()
ensureBuilt()

const reportFile = join(root, '.tmp', `test-report-${process.pid}.json`)
mkdirSync(join(root, '.tmp'), { recursive: true })
const { status } = spawnSync(
  process.execPath,
  [
    bin('vitest', 'vitest.mjs'),
    'run',
    '--reporter=dot',
    '--reporter=./scripts/remarks-reporter.mjs',
    '--reporter=json',
    `--outputFile.json=${reportFile}`,
    ...process.argv.slice(2),
  ],
  { cwd: root, stdio: 'inherit' },
)
let report
try {
  report = JSON.parse(readFileSync(reportFile, 'utf8'))
} catch {
  console.log('tests: 0 passed, 1 failed, 0 skipped')
  process.exit(1)
} finally {
  rmSync(reportFile, { force: true })
}
const passed = report.numPassedTests
// A file that does not load has no failed test, but it is a failure all the same.
const brokenFiles = report.testResults.filter(
  file => file.status === 'failed' && file.assertionResults.every(test => test.status !== 'failed'),
).length
const failed = report.numFailedTests + brokenFiles
const skipped = report.numTotalTests - passed - report.numFailedTests
console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed > 0 || passed === 0 ? 1 : (status ?? 1))
