// Names every skipped test with its reason, so that a missing server is seen and not only counted.
export default class SkipReporter {
  onTestRunEnd(modules) {
    const lines = new Map()
    for (const module of modules) {
      for (const test of module.children.allTests('skipped')) {
        const reason = test.result().note ?? 'skipped'
        lines.set(reason, [...(lines.get(reason) ?? []), test.fullName])
      }
    }
    for (const [reason, names] of lines) {
      console.log(`\n${reason} (${names.length})`)
      for (const name of names) console.log(`  ${name}`)
    }
  }
}
