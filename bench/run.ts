import { writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { compareResults } from '../src/bench/report/compare.ts'
import { formatComparison } from '../src/bench/report/compare-text.ts'
import { renderHtml } from '../src/bench/report/html.ts'
import { formatMachine, formatScenario } from '../src/bench/report/text.ts'
import { type ResultFile, readResultFile, writeResultFile } from '../src/bench/results/result-file.ts'
import type { ScenarioResult } from '../src/bench/results/scenario-result.ts'
import { type BenchArguments, parseBenchArguments, parseComparison, USAGE } from './lib/arguments.ts'
import { describeCpuPlan, machineFacts, planCpus } from './lib/cpus.ts'
import { repositoryRoot } from './lib/repository.ts'
import { SCENARIOS } from './lib/scenarios.ts'

/** The bench's command line; scripts/bench.mjs compiles it and runs it. */
const args = process.argv.slice(2)
// Exit handlers take servers and directories down; the default death by a signal runs none.
process.once('SIGINT', () => process.exit(130))
process.once('SIGTERM', () => process.exit(143))
try {
  await main()
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function main(): Promise<void> {
  if (args.includes('--help')) {
    console.log(`${USAGE}\nscenarios: ${Object.keys(SCENARIOS).join(', ')} (default all)`)
    return
  }
  const compared = parseComparison(args)
  if (compared !== undefined) {
    const [a, b] = compared
    console.log(formatComparison(compareResults(readResultFile(a), readResultFile(b))))
    return
  }
  const parsed = parseBenchArguments(args, Object.keys(SCENARIOS), join(repositoryRoot, 'bench', 'results'))
  const { scenarios, output: _output, html: _html, ...settings } = parsed
  const startedAt = new Date().toISOString()
  const machine = machineFacts()
  console.log(`${formatMachine(machine)}\n${describeCpuPlan(planCpus())}`)
  if (machine.loadAtStart > machine.cores / 2) {
    console.log('The machine is busy: trust ratios of several rounds, and no absolute figure.')
  }
  const results: ScenarioResult[] = []
  const took: string[] = []
  for (const name of scenarios) {
    const scenario = SCENARIOS[name]
    if (scenario === undefined) continue
    console.log(`\n${name}: ${settings.rounds} rounds of ${settings.seconds} s`)
    const beganAt = performance.now()
    const result = await scenario({ ...settings, log: line => console.log(line) }).catch(error =>
      notMeasured(name, error),
    )
    took.push(`${name} ${((performance.now() - beganAt) / 1000).toFixed(1)} s`)
    results.push(result)
    console.log(`\n${formatScenario(result)}`)
  }
  console.log(`\ntook: ${took.join(', ')}`)
  write({ startedAt, arguments: args, settings, machine, results }, parsed)
}

/** The others are measured all the same; the exit code says that one was not. */
function notMeasured(scenario: string, error: unknown): ScenarioResult {
  process.exitCode = 1
  const because = error instanceof Error ? error.message : String(error)
  return {
    scenario,
    description: 'not measured',
    metrics: [],
    cases: [],
    unavailable: [{ subject: 'all', because }],
  }
}

function write(file: ResultFile, { output, html }: BenchArguments): void {
  const written: string[] = []
  const path = output === undefined ? undefined : writeResultFile(output, file)
  if (path !== undefined) written.push(path)
  const page = html ?? path?.replace(/\.json$/, '.html')
  if (page !== undefined) {
    writeFileSync(page, renderHtml(file))
    written.push(page)
  }
  if (written.length === 0) return
  console.log(`\nwritten: ${written.map(name => relative(process.cwd(), name)).join(', ')}`)
}
