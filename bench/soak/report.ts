import { Histogram } from '../../src/bench/results/histogram.ts'
import { outcomeText, type RuleCount } from './failure-rules.ts'
import type { FailedRequest, LoadReport, Stall } from './load/load-job.ts'
import { HANGING_NAMES, SOAK_ORIGINS } from './plan.ts'
import type { ProcessFigures } from './process-watch.ts'
import { slowRequestText, timeOfDay } from './slow-request-text.ts'
import type { ConnectorLog } from './soak-logs.ts'
import type { SoakResult } from './soak-subject.ts'

/** How many of the slowest requests are shown. */
const SHOWN_SLOWEST = 20

/** What was broken, one sentence each; empty: everything held. */
export function violations(result: SoakResult): string[] {
  const found: string[] = []
  for (const { rule, excess, allowed } of withAllowances(result.rules)) {
    if (excess > 0) found.push(`${rule.name}: ${excess} more than ${allowed}`)
  }
  const { posts, died, pools, log, load } = result
  if (posts.duplicates.length > 0)
    found.push(
      `${posts.duplicates.length} POSTs were processed twice: ${posts.duplicates.slice(0, 5).join(' ')}`,
    )
  if (posts.lost.length > 0)
    found.push(
      `${posts.lost.length} POSTs were answered and never processed: ${posts.lost.slice(0, 5).join(' ')}`,
    )
  if (load.failuresLeftOut > 0) found.push(`${load.failuresLeftOut} failures were too many to be judged`)
  if (died !== undefined) found.push(`the process ended: ${died}`)
  if (pools?.isIdle === false) found.push('connections stay leased, or requests waiting, after the load')
  if (log !== undefined && log.alarms.length > 0) found.push(`alarms in the log: ${log.alarms[0]}`)
  return found
}

/** Of a run: what failed by rule, what took longest, what was used. */
export function formatSoak(result: SoakResult): string {
  const { load, faults, posts, log, proxy } = result
  const total = load.origins.reduce((sum, { requests }) => sum + requests, 0)
  const failed = load.failures.length + load.failuresLeftOut
  const lines = [
    `${proxy}: ${total} requests in ${load.seconds.toFixed(1)} s (${Math.round(total / load.seconds)}/s), ${failed} failed`,
    `faults from outside: ${faults.reloads} reloads, ${faults.kills} kills, ${faults.silentRestarts} silent restarts over HTTP/3`,
    '',
    'failures by rule',
    ...ruleLines(result),
    '',
    'by origin',
    ...originLines(load),
    '',
    'slowest requests (slow readers and hanging names left out)',
    ...stallLines(result),
    ...slowLines(result),
    '',
    `POSTs: ${posts.processed} processed, ${posts.answered} answered, ${posts.duplicates.length} processed twice, ${posts.lost.length} lost`,
    ...processLines(result),
  ]
  if (log !== undefined) {
    const levels = Object.entries(log.levels).map(([level, count]) => `${count} ${level}`)
    lines.push(`log: ${levels.join(', ')}; ${log.alarms.length} alarms`)
    for (const alarm of log.alarms) lines.push(`  alarm: ${alarm}`)
    for (const { text, count } of log.warnings) lines.push(`  ${count} x ${text}`)
  }
  return lines.join('\n')
}

/** Proxies compared: failures by method and origin, and their slowest thousandth. */
export function formatComparison(results: readonly SoakResult[]): string {
  const rows = [['origin', ...results.flatMap(({ proxy }) => [`${proxy} failed GET`, 'write', 'p99.9 ms'])]]
  for (const { name } of SOAK_ORIGINS) {
    const cells = results.flatMap(({ load }) => {
      const failures = load.failures.filter(({ origin }) => origin === name)
      const writes = failures.filter(isWrite).length
      const times = load.origins.find(({ origin }) => origin === name)?.times
      return [
        String(failures.length - writes),
        String(writes),
        times === undefined ? '-' : Histogram.fromRecord(times).quantile(0.999).toFixed(0),
      ]
    })
    rows.push([name, ...cells])
  }
  return table(rows).join('\n')
}

function isWrite({ method }: FailedRequest): boolean {
  return method === 'POST' || method === 'PUT'
}

function* withAllowances(rules: readonly RuleCount[]): Iterable<RuleCount & { readonly allowed: string }> {
  const names = { none: 'none', all: 'all', share: 'its share' } as const
  for (const count of rules) yield { ...count, allowed: names[count.rule.allows] }
}

function ruleLines({ rules, log }: SoakResult): string[] {
  const rows = [['rule', 'failed', 'allowed', 'too many', 'where', 'outcome', 'because']]
  const examples: string[] = []
  for (const { rule, count, allowed, excess, byOrigin, byOutcome, examples: some } of withAllowances(rules)) {
    rows.push([
      rule.name,
      String(count),
      allowed,
      String(excess),
      countsText(byOrigin),
      countsText(byOutcome),
      rule.because,
    ])
    if (excess > 0) examples.push(...some.flatMap(failed => exampleLines(rule.name, failed, log)))
  }
  return [...table(rows), ...examples]
}

function countsText(counts: ReadonlyMap<string, number>): string {
  return Array.from(counts, ([name, count]) => `${name} ${count}`).join(', ')
}

function exampleLines(rule: string, failed: FailedRequest, log: ConnectorLog | undefined): string[] {
  const { origin, id, method, protocol, message, bodyBytes, startedAt, endedAt } = failed
  const tookMs = endedAt - startedAt
  const body = bodyBytes === 0 ? '' : ` with ${bodyBytes} bytes`
  const outcome = outcomeText(failed)
  const text = message.replace(/\s+/g, ' ').slice(0, 120)
  const line = `  ${rule}: ${origin} ${method} ${id}${body} (client: ${protocol}) after ${Math.round(tookMs)} ms: ${outcome} ${text}`
  const logged = log?.slow.get(id)
  if (logged === undefined) return [line]
  return [
    line,
    ...slowRequestText({ ...failed, tookMs, outcome }, logged)
      .slice(1)
      .map(detail => `  ${detail}`),
  ]
}

function originLines(load: LoadReport): string[] {
  const rows = [['origin', 'requests', 'failed', 'p50 ms', 'p99', 'p99.9', 'max', 'its fault']]
  for (const { name, fault } of [...SOAK_ORIGINS, HANGING_NAMES]) {
    const found = load.origins.find(({ origin }) => origin === name)
    if (found === undefined) continue
    const times = Histogram.fromRecord(found.times)
    const failed = load.failures.filter(({ origin }) => origin === name).length
    rows.push([
      name,
      String(found.requests),
      String(failed),
      ...[0.5, 0.99, 0.999, 1].map(share => (times.count === 0 ? '-' : times.quantile(share).toFixed(1))),
      fault,
    ])
  }
  return table(rows)
}

function slowLines({ load, log }: SoakResult): string[] {
  return load.slowest
    .slice(0, SHOWN_SLOWEST)
    .flatMap(slow => slowRequestText(slow, log?.slow.get(slow.id)).map(line => `  ${line}`))
}

/** Who stood still meanwhile. */
function stallLines({ load, process }: SoakResult): string[] {
  const text = (stalls: readonly Stall[]): string =>
    stalls.map(({ ms, endedAt }) => `${Math.round(ms)} ms until ${timeOfDay(endedAt)}`).join(', ') ||
    'never for 100 ms'
  return [
    `  the clients' process stood still: ${text(load.stalls.slice(0, 5))}`,
    `  the proxy: ${text(process.stalls)} (read every 5 s)`,
  ]
}

function processLines({ process, load, pools }: SoakResult): string[] {
  const { start, peak, end } = process
  const figures = (read: (at: ProcessFigures) => number | undefined): string =>
    [start, peak, end].map(at => read(at)?.toFixed(0) ?? '-').join(' / ')
  const total = load.origins.reduce((sum, { requests }) => sum + requests, 0)
  const lines = [
    `memory at start / most / end: RSS ${figures(at => at.rssMiB)} MiB, heap ${figures(at => at.heapMiB)} MiB`,
    `descriptors at start / most / end: ${figures(at => at.descriptors)}`,
    `connections not yet accepted, at the most: ${peak.unaccepted}`,
    `CPU: ${((process.cpuMs * 1_000) / total).toFixed(0)} us a request; the clients' own ${((load.cpuMs * 1_000) / total).toFixed(0)} us a request, ${((load.cpuMs / load.seconds / 1_000) * 100).toFixed(0)} % of a core`,
  ]
  if (pools === undefined) return lines
  const state = pools.isIdle ? `idle after ${pools.idleAfterMs.toFixed(0)} ms` : 'NOT idle'
  lines.push(`pools: ${state}`)
  const rows = [
    ['pool', 'requests', 'connections opened', 'connect failures', 'sent again', 'open', 'leased', 'waiting'],
  ]
  for (const pool of pools.pools) {
    const { name, requests, opened, connectFailures, retries, open, leased, waiters } = pool
    rows.push([name, ...[requests, opened, connectFailures, retries, open, leased, waiters].map(String)])
  }
  return [...lines, ...table(rows)]
}

/** Columns as wide as their widest cell. */
function table(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows)
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length)
  return rows.map(row => `  ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  ')}`.trimEnd())
}
