// `npm test`: compiles (the command line is tested as users run it) and runs every test. Arguments go on to
// vitest, so that `npm test -- test/unit/pool` runs a part. The last line is taken from vitest's own report.
//
// An end-to-end test that failed beside others runs once more alone: these have real clocks and real servers,
// and a machine with other work may starve one of them. What passes then counts as passed, and is named.
import { join, relative, resolve } from 'node:path'
import { KeptOutput } from './kept-output.mjs'
import ProgressReporter, { Screen } from './progress-reporter.mjs'
import RemarksReporter from './remarks-reporter.mjs'
import { ensureBuilt, ensureInstalled, root } from './setup.mjs'
import { readDurations, writeDurations } from './test-durations.mjs'

const END_TO_END = 'test/e2e/'
/** More files than this do not fail by accident. */
const MAX_FILES_ALONE = 5

const args = process.argv.slice(2)
ensureInstalled()
ensureBuilt({ types: args.length === 0 || args.some(arg => /e2e|conventions/.test(arg)) }) // some compile against the package
const { parseCLI, startVitest } = await import('vitest/node')

const { filter, options } = parseCLI(['vitest', 'run', ...args])
const testRoot = resolve(options.root ?? root)
const cache = join(testRoot, 'node_modules/.cache/middlemile')
const durationsPath = join(cache, 'test-durations.json')
/** What the tests, their servers and vitest write, which is no result. */
const strayOutput = new KeptOutput(join(cache, 'test-output.log'))
const screen = new Screen()

/** Runs vitest. Per file of tests what its tests came to, and the errors that belong to no test. */
async function runTests(filter, settings = {}) {
  const files = new Map()
  const strays = []
  const collector = {
    onTestRunEnd(modules, errors) {
      for (const module of modules) files.set(module.relativeModuleId, outcomeOf(module))
      // A worker that died leaves its tests without a result: they count as failed already.
      strays.push(...errors.filter(error => !/^Worker exited|\[vitest-pool\]/.test(error.message ?? '')))
    },
  }
  const selection = args.join(' ')
  const durations = readDurations(durationsPath)
  const progress = new ProgressReporter({
    root: testRoot,
    durations,
    selection,
    screen,
    kept: strayOutput,
  })
  const vitest = await startVitest(
    'test',
    filter,
    {
      ...options,
      root: testRoot,
      run: true,
      watch: false,
      reporters: [progress, new RemarksReporter(screen), collector],
      ...settings,
    },
    {},
    { stdout: strayOutput, stderr: strayOutput },
  )
  await vitest.close()
  return {
    files,
    strays: strays.length,
    save: () => writeDurations(durationsPath, durations, selection, progress.durations),
  }
}

/**
 * How many of a file's tests passed, failed and were skipped. A file that does not load has no failed test,
 * but is a failure all the same.
 */
function outcomeOf(module) {
  const outcome = { passed: 0, failed: 0, skipped: 0 }
  for (const test of module.children.allTests()) {
    const { state } = test.result()
    outcome[state === 'pending' ? 'failed' : state] += 1
  }
  if (outcome.failed === 0 && (module.state() === 'failed' || module.errors().length > 0)) outcome.failed = 1
  return outcome
}

const { files, strays, save } = await runTests(filter)
if (files.size > 0) save()
const failedFiles = [...files].filter(([, { failed }]) => failed > 0).map(([file]) => file)
const starved = failedFiles.filter(file => file.startsWith(END_TO_END))
if (starved.length > 0 && failedFiles.length <= MAX_FILES_ALONE) {
  screen.print(`\nonce more, alone: ${starved.join(', ')}`)
  const again = await runTests(starved, { fileParallelism: false, retry: 0 })
  for (const [file, outcome] of again.files) {
    if (outcome.failed === 0) screen.print(`passed alone, having failed beside others: ${file}`)
    files.set(file, outcome)
  }
}

if (strayOutput.bytes > 0)
  screen.print(`\nother output of the tests: ${relative(testRoot, strayOutput.path)}`)
const sum = what => [...files.values()].reduce((total, outcome) => total + outcome[what], 0)
const [passed, failed, skipped] = [sum('passed'), sum('failed') + strays, sum('skipped')]
console.log(`tests: ${passed} passed, ${failed} failed, ${skipped} skipped`)
process.exit(failed > 0 || passed === 0 ? 1 : 0)
