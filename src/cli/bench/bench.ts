import { accessSync, constants, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isLoopbackHost } from '../../bench/local-origin.ts'
import { machineFacts } from '../../bench/machine.ts'
import { impolite, impositionOf, POLITE_LIMITS } from '../../bench/politeness.ts'
import { compareResults } from '../../bench/report/compare.ts'
import { formatComparison } from '../../bench/report/compare-text.ts'
import { renderHtml } from '../../bench/report/html.ts'
import { formatFile, type ReportScreen } from '../../bench/report/text.ts'
import {
  type ResultFile,
  ResultFileError,
  readResultFile,
  resultText,
} from '../../bench/results/result-file.ts'
import { type RunStep, runUrl } from '../../bench/run-url.ts'
import { describePlan, hostOf, portOf, type UrlPlan } from '../../bench/url-plan.ts'
import { type CliIo, type Command, EXIT } from '../command.ts'
import { connectionOptions } from '../connection-options.ts'
import { parseOptions, usageError } from '../parse-options.ts'
import { ProgressLine } from '../terminal.ts'
import { screenText } from '../text-table.ts'
import { BENCH_OPTIONS, planOf, urlOption } from './bench-options.ts'

/**
 * Command-line arguments as a result file may show them: without the values of header fields and bodies,
 * which may be secrets.
 */
export function publicArguments(args: readonly string[]): readonly string[] {
  const shown: string[] = []
  for (let i = 0; i < args.length; i++) {
    const [, option, inline] = /^(--(?:header|data))(?:=(.*))?$/s.exec(args[i] ?? '') ?? []
    if (option === undefined) {
      shown.push(args[i] ?? '')
      continue
    }
    const value = inline ?? args[++i] ?? ''
    shown.push(option, option === '--header' ? `${value.split(':', 1).join('')}: …` : '…')
  }
  return shown
}

/** What was measured, for whoever reads the file. */
export function planSettings(plan: UrlPlan): Readonly<Record<string, unknown>> {
  const { request, arrival, warmUp, measure, rounds, seed, conditions } = plan
  return {
    what: describePlan(plan),
    url: plan.url.href,
    method: request.method,
    headers: (request.headers ?? []).filter((_, i) => i % 2 === 0),
    bodyBytes: request.body?.byteLength ?? 0,
    subjects: plan.subjects.map(({ name }) => name),
    arrival,
    warmUpSeconds: warmUp.seconds,
    seconds: measure.seconds,
    ...(Number.isFinite(measure.requests) && { requests: measure.requests }),
    rounds,
    seed,
    isCold: plan.isCold,
    isResumed: plan.isResumed,
    isEarly: plan.isEarly,
    ...(conditions !== undefined && { conditions }),
  }
}

const HELP = `Usage: middlemile bench [options] URL
       middlemile bench --compare A.json B.json

Measures a URL over several protocols, in rounds that take turns, and compares
them with the first. Each client is a process of its own.

What is measured:
  --protocols LIST      of our transport: http/1.1, h2, h3, auto, with xN for N
                        connections; default http/1.1x6,h2,h3,auto
  --with LIST           other clients beside it: undici, undici:h2, node:http2,
                        curl (with --cold), with xN too
  --method M            default GET, or POST with --data
  --header 'K: V'       may be given several times; values are kept out of
                        result files
  --data @FILE|TEXT     the request body, at most 16 MiB
  --expect-status N     another status is a failure; default 200

How:
  --concurrency C       closed loop, C requests at a time; default 8 on this
                        machine. With --rate: at most so many under way
  --rate R              open loop, R requests per second at random times:
                        latency counts from when a request was due
  --burst N             N requests at once, and again --pause-ms MS after the
                        last of them has ended; default 0
  --rounds N            default 6, the least for a 95 % interval of the median
  --seconds S           length of one measurement; default 3
  --requests N          a measurement ends after so many as well
  --warm-up S           of each subject, before the first round; default 1, 0
                        for none
  --quick               one short round: does it work?
  --cold                every request over a new connection
  --resumed             --cold, with the TLS tickets of the requests before
  --early-data          --resumed, with the request in early data (0-RTT)
  --seed N              of arrivals and losses; default 1
  --ca FILE             PEM certificates to trust instead of the usual ones
  --resolve HOST:PORT:ADDR
                        connect to ADDR for that host and port; may be given
                        several times

An impaired path, by relays on this machine, the same in both directions (TLS
passes through them):
  --delay-ms D          one way
  --jitter-ms J         up to so much more
  --loss P              share of packets: 1% or 0.01
  --burst-loss ENTER,LEAVE[,LOSS]
                        in clumps (Gilbert-Elliott)
  --rate-limit MBIT     megabits per second
  --reorder P           share of datagrams, HTTP/3 only; with a delay or jitter

What comes of it:
  --json FILE|-         the result file: every round, histograms, the machine
  --html FILE           one page: the verdict, the figures, charts, and what
                        they do not show
  --compare             two result files: what changed, and how many figures did
                        not

An origin that is not on this machine gets at most ${POLITE_LIMITS.requestsPerSecond} requests/s on average
over ${POLITE_LIMITS.connections} connections, and ${POLITE_LIMITS.requests} requests in all; for more you are asked, or say
  --yes                 you may do this to it

At a terminal it shows how far it is, in colors unless NO_COLOR is set; in a
pipe neither. Ctrl-C ends a run and shows what was measured.
Exit codes: 0 measured, 1 some request failed, nothing could be measured, or it
was broken off, 2 bad usage, 3 the process could not start.
`

export const benchCommand: Command = {
  help: HELP,
  async run(args, io) {
    const { values, positionals } = parseOptions(args, BENCH_OPTIONS)
    if (values.compare === true) return compareFiles(positionals, io)
    const [text, extra] = positionals
    if (text === undefined || extra !== undefined) throw usageError('bench needs exactly one URL')
    const url = urlOption(text)
    const { resolve = {} } = connectionOptions({ resolve: values.resolve })
    const isLocal = await isLoopbackHost(resolve[`${hostOf(url)}:${portOf(url)}`] ?? hostOf(url))
    const plan = await planOf(url, values, isLocal)
    const outputs = { json: values.json, html: values.html }
    checkOutputs(outputs)
    if (!isLocal && values.yes !== true) await askLeave(plan, io)
    return await measure(plan, { args, isLocal, ...outputs }, io)
  },
}

interface BenchRun {
  readonly args: readonly string[]
  readonly isLocal: boolean
  readonly json: string | undefined
  readonly html: string | undefined
}

async function measure(plan: UrlPlan, { args, isLocal, json, html }: BenchRun, io: CliIo): Promise<number> {
  const startedAt = new Date().toISOString()
  const machine = machineFacts()
  if (machine.loadAtStart > machine.cores / 2)
    io.writeError(
      `middlemile bench: ${io.errorScreen.paint('yellow', 'the machine is busy')}: trust ratios of several rounds, and no absolute figure\n`,
    )
  const interruption = new AbortController()
  const interrupt = (): void => {
    if (interruption.signal.aborted) io.signals.exit(EXIT.failed)
    interruption.abort()
  }
  io.signals.on('SIGINT', interrupt)
  io.signals.on('SIGTERM', interrupt)
  const progress = new ProgressLine(io.errorScreen, text => io.writeError(text))
  const beganAt = performance.now()
  const { result, failures, measured, brokenOff } = await runUrl(plan, {
    signal: interruption.signal,
    isLocal,
    log(line) {
      progress.clear()
      io.writeError(`${line}\n`)
    },
    onStep: step => progress.show(stepText(step, performance.now() - beganAt)),
  })
  progress.clear()
  const file: ResultFile = {
    startedAt,
    arguments: publicArguments(args),
    settings: planSettings(plan),
    machine,
    results: [result],
  }
  writeResults(file, { json, html }, io)
  if (result.unavailable.some(({ because }) => because.startsWith('MM_TLS_CERTIFICATE')))
    io.writeError(
      screenText(
        'middlemile bench: if it is yours: --ca FILE trusts the PEM certificates in FILE\n',
        io.errorScreen,
      ),
    )
  return failures === 0 && measured > 0 && brokenOff === undefined ? EXIT.ok : EXIT.failed
}

/** `[######----]  12 of 24  h2, round 3 of 6, 35 s left`. */
function stepText({ subject, what, done, total }: RunStep, elapsedMs: number): string {
  const filled = Math.round((BAR_WIDTH * done) / total)
  const bar = `${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}`
  const left = done === 0 ? '' : `, ${Math.ceil(((elapsedMs / done) * (total - done)) / 1000)} s left`
  return `[${bar}]  ${done} of ${total}  ${subject}, ${what}${left}`
}

const BAR_WIDTH = 20

/** Throws a usage error unless somebody at the terminal says yes. */
async function askLeave(plan: UrlPlan, io: CliIo): Promise<void> {
  const excess = impolite(impositionOf(plan))
  if (excess.length === 0) return
  const what = `${plan.url.host} is not on this machine, and would get ${excess.join(', ')}`
  const leave = await io.confirm(`${what}.\nMay you do this to it? [y/N] `)
  if (leave === undefined) throw usageError(`${what}; ask for less, or say --yes if you may do this to it`)
  if (!leave) throw usageError('not measured')
}

/** Throws a usage error for a file that could not be written after a long run. */
export function checkOutputs({ json, html }: { json: string | undefined; html: string | undefined }): void {
  for (const [option, path] of Object.entries({ json, html })) {
    if (path === undefined || (option === 'json' && path === '-')) continue
    if (path === '') throw usageError(`--${option} needs the name of a file`)
    try {
      const found = statSync(path, { throwIfNoEntry: false })
      if (found?.isDirectory() === true) throw new Error(`${path} is a directory`)
      accessSync(found === undefined ? dirname(path) : path, constants.W_OK)
    } catch (error) {
      throw usageError(`--${option}: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
}

/** `json`: a file, or `-` for standard output, where the table then does not go. */
export function writeResults(
  file: ResultFile,
  { json, html }: { json: string | undefined; html: string | undefined },
  io: CliIo,
): void {
  if (json === '-') io.write(resultText(file))
  else io.write(`${formatFile(file, reportScreen(io))}\n`)
  if (json !== undefined && json !== '-') writeFileSync(json, resultText(file))
  if (html !== undefined) writeFileSync(html, renderHtml(file))
}

/** In a pipe lines are as long as they are, for whoever searches them. */
function reportScreen({ screen }: CliIo): ReportScreen {
  return {
    columns: screen.isTerminal ? screen.columns : undefined,
    paint: (style, text) => screen.paint(style, text),
  }
}

/** `--compare A.json B.json`. */
export function compareFiles(paths: readonly string[], io: CliIo): number {
  const [a, b] = paths
  if (a === undefined || b === undefined || paths.length > 2)
    throw usageError('--compare needs two result files and no URL')
  try {
    const comparison = compareResults(readResultFile(a), readResultFile(b))
    io.write(`${formatComparison(comparison, reportScreen(io))}\n`)
  } catch (error) {
    if (error instanceof ResultFileError) throw usageError(error.message)
    throw error
  }
  return EXIT.ok
}
