// What counts alone would hide: every skipped test with its reason, so that a missing server is seen, every
// test that passed only at its second attempt, with what went wrong at the first, and where a long run spent
// its time.
const SLOWEST_FILES = 12
const LONG_RUN_FILES = 50

export default class RemarksReporter {
  #screen

  constructor(screen) {
    this.#screen = screen
  }

  onTestRunEnd(modules) {
    const skipped = new Map()
    const repeated = []
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const reason = test.result().note ?? 'skipped'
        skipped.set(reason, [...(skipped.get(reason) ?? []), test.fullName])
      }
      for (const test of module.children.allTests('passed'))
        if (test.diagnostic()?.flaky) repeated.push({ file: module.relativeModuleId, test })
    }
    for (const [reason, names] of skipped) {
      this.#screen.print(`\n${reason} (${names.length})`)
      for (const name of names) this.#screen.print(`  ${name}`)
    }
    if (repeated.length > 0) this.#screen.print(`\npassed at the second attempt (${repeated.length})`)
    for (const { file, test } of repeated) {
      this.#screen.print(`  ${file} > ${test.fullName}`)
      for (const { message } of test.result().errors ?? [])
        this.#screen.print(`    ${message.split('\n', 1)[0]}`)
    }
    if (modules.length > LONG_RUN_FILES) this.#printSlowest(modules)
  }

  #printSlowest(modules) {
    const files = modules.map(module => ({
      file: module.relativeModuleId,
      seconds: module.diagnostic().duration / 1000,
    }))
    const slowest = files.sort((a, b) => b.seconds - a.seconds).slice(0, SLOWEST_FILES)
    this.#screen.print(`\nslowest files (of ${modules.length})`)
    for (const { file, seconds } of slowest)
      this.#screen.print(`  ${seconds.toFixed(1).padStart(6)} s  ${file}`)
  }
}
