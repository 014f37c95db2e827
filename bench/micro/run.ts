import { fork } from 'node:child_process'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { formatNumber } from '../../src/bench/report/table.ts'
import type { MachineFacts } from '../../src/bench/results/scenario-result.ts'
import { answerOf, stopChild } from '../lib/child-program.ts'
import { machineFacts } from '../lib/cpus.ts'
import { repositoryRoot } from '../lib/repository.ts'
import { CALIBRATION_VERSION } from './calibration.ts'
import { MICRO_USAGE, type MicroArguments, parseMicroArguments } from './micro-arguments.ts'
import { compareWithStored, formatMicroComparison, formatSuites } from './micro-comparison.ts'
import { type MicroFile, microPath, noteOf, readStored, storeMicroFile } from './micro-file.ts'
import type { RoundAnswer, SitesAnswer, SuiteJob } from './suite-process.ts'
import { SUITES } from './suites.ts'
import { summarizeSuite } from './summarize-suite.ts'

/** The command line of the micro benches; scripts/bench.mjs compiles it and runs it. */
const DIRECTORY = join(repositoryRoot, 'bench', 'results', 'micro')
const TIMES = { suiteWarmUpMs: 400, warmUpMs: 25, measureMs: 30 }
const MAX_SITES = 12

/** A child that takes longer hangs. */
const MAX_MS = 60_000
const program = fileURLToPath(new URL('suite-process.js', import.meta.url))

type AnswerTo<Job extends SuiteJob> = Job['type'] extends 'round' ? RoundAnswer : SitesAnswer

/**
 * Does a job in a process of its own: where its memory lies, and what V8 has made of its code, is no other
 * round's.
 */
async function runSuite<Job extends SuiteJob>(job: Job): Promise<AnswerTo<Job>> {
  const child = fork(program, [JSON.stringify(job)], {
    execArgv: ['--expose-gc'],
    timeout: MAX_MS,
    killSignal: 'SIGKILL',
  })
  try {
    return await answerOf<AnswerTo<Job>>(child)
  } finally {
    await stopChild(child)
  }
}

const args = process.argv.slice(2)
process.once('SIGINT', () => process.exit(130)) // exit handlers run, the default death by a signal runs none
process.once('SIGTERM', () => process.exit(143))
try {
  if (args.includes('--help')) console.log(`${MICRO_USAGE}\nsuites: ${Object.keys(SUITES).join(', ')}`)
  else await main(parseMicroArguments(args, Object.keys(SUITES)))
} catch (error) {
  console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
}

async function main(options: MicroArguments): Promise<void> {
  const { suites, rounds, note } = options
  const facts = machineFacts()
  const machine: MachineFacts = {
    ...facts,
    versions: { node: process.versions.node, v8: process.versions.v8 },
  }
  console.log(
    `${machine.cores} cores, ${machine.cpuModel}, Node ${process.versions.node}, revision ${machine.revision}, load ${machine.loadAtStart.toFixed(2)}: ${rounds} rounds of ${suites.join(', ')}`,
  )
  const startedAt = new Date().toISOString()
  const results = await measure(suites, rounds)
  const file: MicroFile = {
    startedAt,
    arguments: args,
    ...(note !== undefined && { note }),
    settings: { rounds, ...TIMES, calibration: CALIBRATION_VERSION },
    machine,
    results,
  }
  console.log(`\n${formatSuites(results)}\n`)
  if (suites.length === 1) for (const suite of suites) await showSites(suite)
  const hasFailed = results.some(({ unavailable }) => unavailable.length > 0)
  if (hasFailed) process.exitCode = 1
  compare(file, options)
  if (!options.isStored) return
  if (hasFailed) throw new Error('not stored: not every round came to something')
  console.log(`stored: ${relative(process.cwd(), storeMicroFile(DIRECTORY, file))}`)
}

/** Interleaved, as all rounds of the bench: each begins with another suite. */
async function measure(suites: readonly string[], rounds: number): Promise<MicroFile['results']> {
  const answers = new Map<string, RoundAnswer[]>(suites.map(suite => [suite, []]))
  const failures: Record<string, string[]> = {}
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < suites.length; i++) {
      const suite = suites[(round + i) % suites.length]!
      try {
        answers.get(suite)?.push(await runSuite({ type: 'round', suite, ...TIMES }))
      } catch (error) {
        ;(failures[suite] ??= []).push(error instanceof Error ? error.message : String(error))
      }
    }
  }
  return [...answers].map(([suite, answers]) => summarizeSuite(suite, answers, failures[suite] ?? []))
}

async function showSites(suite: string): Promise<void> {
  for (const { name, bytes, operations, sites } of await runSuite({ type: 'sites', suite })) {
    console.log(
      `allocated on the heap, by samples, ${name}: ${formatNumber(Math.round(bytes / operations))} bytes, in`,
    )
    for (const site of sites.slice(0, MAX_SITES).filter(({ bytes }) => bytes >= operations / 2))
      console.log(`  ${String(Math.round(site.bytes / operations)).padStart(6)}  ${site.name}`)
  }
}

function compare(file: MicroFile, { margin, failsOnRegression }: MicroArguments): void {
  const path = relative(process.cwd(), microPath(DIRECTORY, file.machine))
  const stored = readStored(DIRECTORY, file.machine)
  if (stored === undefined) {
    console.log(`nothing to compare with: ${path} is not there; --store writes it`)
    return
  }
  const { startedAt, machine } = stored
  const note = noteOf(stored)
  console.log(
    `compared with ${path} of ${startedAt}, revision ${machine.revision}, load ${machine.loadAtStart.toFixed(2)}${note === undefined ? '' : `\nits note: ${note}`}`,
  )
  const comparison = compareWithStored(stored, file, margin)
  if (comparison === undefined) {
    console.log('not compared: it was measured with another calibration loop; --store replaces it')
    return
  }
  console.log(formatMicroComparison(comparison, margin))
  if (failsOnRegression && comparison.changes.some(({ verdict }) => verdict === 'regression'))
    process.exitCode = 1
}
