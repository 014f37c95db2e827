import { join, relative } from 'node:path'
import { parseBenchArguments, USAGE } from './lib/arguments.ts'
import { describeCpuPlan, planCpus } from './lib/cpus.ts'
import { machineFacts } from './lib/machine.ts'
import { formatScenario, writeResultFile } from './lib/report.ts'
import { repositoryRoot } from './lib/repository.ts'
import type { Scenario, ScenarioResult } from './lib/scenario.ts'
import { client } from './scenarios/client.ts'
import { clientH2 } from './scenarios/client-h2.ts'
import { clientH3 } from './scenarios/client-h3.ts'
import { coldBurst } from './scenarios/cold-burst.ts'
import { forward } from './scenarios/forward.ts'
import { forwardH2 } from './scenarios/forward-h2.ts'
import { reuseH2 } from './scenarios/reuse-h2.ts'
import { rttH2 } from './scenarios/rtt-h2.ts'
import { rttH3 } from './scenarios/rtt-h3.ts'
import { selectLoss } from './scenarios/select-loss.ts'

/** The bench's command line; scripts/bench.mjs compiles it and runs it. */
const SCENARIOS: Readonly<Record<string, Scenario>> = {
  forward,
  client,
  'cold-burst': coldBurst,
  'forward-h2': forwardH2,
  'client-h2': clientH2,
  'rtt-h2': rttH2,
  'reuse-h2': reuseH2,
  'client-h3': clientH3,
  'rtt-h3': rttH3,
  'select-loss': selectLoss('cubic'),
  'select-loss-bbr': selectLoss('bbr'),
}

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
  const { scenarios, output, ...settings } = parseBenchArguments(
    args,
    Object.keys(SCENARIOS),
    join(repositoryRoot, 'bench', 'results'),
  )
  const startedAt = new Date().toISOString()
  const machine = machineFacts()
  console.log(
    `${machine.cores} cores, ${machine.cpuModel}, Linux ${machine.kernel}, load ${machine.loadAtStart.toFixed(2)}\n` +
      `${Object.entries(machine.versions)
        .map(([name, version]) => `${name} ${version}`)
        .join(', ')}; revision ${machine.revision}\n${describeCpuPlan(planCpus())}`,
  )
  if (machine.loadAtStart > machine.cores / 2) {
    console.log('The machine is busy: trust ratios of several rounds, and no absolute figure.')
  }
  const results: ScenarioResult[] = []
  for (const name of scenarios) {
    const scenario = SCENARIOS[name]
    if (scenario === undefined) continue
    console.log(`\n${name}: ${settings.rounds} rounds of ${settings.seconds} s`)
    const result = await scenario({ ...settings, log: line => console.log(line) })
    results.push(result)
    console.log(`\n${formatScenario(result)}`)
  }
  if (output === undefined) return
  const path = writeResultFile(output, { startedAt, arguments: args, settings, machine, results })
  console.log(`\nwritten: ${relative(process.cwd(), path)}`)
}
