import { cpuPrefix } from './real-server.ts'
import { runTool } from './run-tool.ts'

export interface H2loadOptions {
  /** One, or several that take turns. Cleartext is by prior knowledge. */
  url: string | readonly string[]
  /** In all; ignored when `seconds` says how long. */
  requests?: number
  seconds?: number
  /** Connections. */
  clients?: number
  /** Requests at a time on each connection. */
  streams?: number
  threads?: number
  headers?: Readonly<Record<string, string>>
  /** Posts this file. */
  dataFile?: string
  /** The window of a stream is 2^bits - 1; h2load's default is 30. */
  windowBits?: number
  http1?: boolean
  /** Of each connection. Default: as fast as they are answered. */
  requestsPerSecond?: number
  /** Gets a line for each request: when it began (us since 1970), its status, how long it took in us. */
  logFile?: string
  cpu?: number | undefined
  timeoutMs?: number
}

export interface H2loadResult {
  /**
   * As h2load counts: `failed` has those that it could not send or that broke (`errored`), and those with a
   * status of 400 and above.
   */
  requests: {
    total: number
    started: number
    done: number
    succeeded: number
    failed: number
    errored: number
    timeout: number
  }
  /** By hundreds. */
  statuses: { '2xx': number; '3xx': number; '4xx': number; '5xx': number }
  seconds: number
  requestsPerSecond: number
  /** `h2`, `h2c`, `http/1.1`; undefined when no connection came about. */
  protocol: string | undefined
}

/**
 * Runs h2load, which does not check certificates, and reads its report. Rejects when it could not run at all.
 */
export async function runH2load(options: H2loadOptions): Promise<H2loadResult> {
  const { url, requests = 1, seconds, clients = 1, streams = 1, threads = 1, headers = {} } = options
  const { exitCode, output } = await runTool(
    'h2load',
    [
      ...(seconds === undefined ? [`--requests=${requests}`] : [`--duration=${seconds}`]),
      `--clients=${clients}`,
      `--max-concurrent-streams=${streams}`,
      `--threads=${threads}`,
      ...Object.entries(headers).map(([name, value]) => `--header=${name}: ${value}`),
      ...(options.dataFile === undefined ? [] : [`--data=${options.dataFile}`]),
      ...(options.windowBits === undefined ? [] : [`--window-bits=${options.windowBits}`]),
      ...(options.http1 === true ? ['--h1'] : []),
      ...(options.requestsPerSecond === undefined ? [] : [`--rps=${options.requestsPerSecond}`]),
      ...(options.logFile === undefined ? [] : [`--log-file=${options.logFile}`]),
      ...(typeof url === 'string' ? [url] : url),
    ],
    {
      prefix: cpuPrefix(options.cpu),
      ...(options.timeoutMs !== undefined && { timeoutMs: options.timeoutMs }),
    },
  )
  if (exitCode !== 0) throw new Error(`h2load exited with ${exitCode}:\n${output.slice(-2_000)}`)
  return parseH2loadReport(output)
}

export function parseH2loadReport(text: string): H2loadResult {
  const finished = /finished in ([\d.]+)(us|ms|s|m), ([\d.]+) req\/s/.exec(text)
  const counts =
    /requests: (\d+) total, (\d+) started, (\d+) done, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/.exec(
      text,
    )
  const statuses = /status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx/.exec(text)
  if (finished === null || counts === null || statuses === null)
    throw new Error(`not a report of h2load:\n${text.slice(-500)}`)
  const count = (index: number): number => Number(counts[index])
  return {
    requests: {
      total: count(1),
      started: count(2),
      done: count(3),
      succeeded: count(4),
      failed: count(5),
      errored: count(6),
      timeout: count(7),
    },
    statuses: {
      '2xx': Number(statuses[1]),
      '3xx': Number(statuses[2]),
      '4xx': Number(statuses[3]),
      '5xx': Number(statuses[4]),
    },
    seconds: Number(finished[1]) * (SECONDS[finished[2] ?? 's'] ?? 1),
    requestsPerSecond: Number(finished[3]),
    protocol: /^Application protocol: (\S+)$/m.exec(text)?.[1],
  }
}

const SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60 }
