import { spawn } from 'node:child_process'
import { cpuPrefix } from './real-server.ts'
import { findBinary, requireBinary } from './require-binary.ts'

export interface WrkOptions {
  url: string
  /** Keepalive connections, each with one request at a time. */
  connections?: number
  threads?: number
  seconds?: number
  /** A response that takes longer counts as an error. */
  timeoutSeconds?: number
  headers?: Readonly<Record<string, string>>
  cpu?: number | undefined
}

export interface WrkResult {
  /** Complete responses, whatever their status. */
  requests: number
  seconds: number
  requestsPerSecond: number
  bytesRead: number
  errors: { connect: number; read: number; write: number; timeout: number }
  /** Responses with a status of 400 and above; wrk calls them `Non-2xx or 3xx`. */
  badStatus: number
  latencyMs: { mean: number; max: number; p50: number; p75: number; p90: number; p99: number }
}

/** Failures of any kind. */
export function wrkFailures({ errors, badStatus }: WrkResult): number {
  return errors.connect + errors.read + errors.write + errors.timeout + badStatus
}

/** Runs wrk and reads its report. Rejects when it could not run at all. */
export async function runWrk(options: WrkOptions): Promise<WrkResult> {
  const path = findBinary('wrk')
  if (path === undefined) throw new Error(requireBinary('wrk'))
  const { connections = 64, threads = 1, seconds = 2, timeoutSeconds = 10, headers = {} } = options
  const line = [
    ...cpuPrefix(options.cpu),
    path,
    `-t${threads}`,
    `-c${connections}`,
    `-d${seconds}s`,
    `--timeout=${timeoutSeconds}s`,
    '--latency',
    ...Object.entries(headers).flatMap(([name, value]) => ['-H', `${name}: ${value}`]),
    options.url,
  ]
  const child = spawn(line[0] ?? path, line.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  if (code !== 0) throw new Error(`wrk exited with ${code}:\n${output}`)
  return parseWrkReport(output)
}

/** Reads wrk's report. What it leaves out (errors, when there are none) is 0. */
export function parseWrkReport(text: string): WrkResult {
  const total = /(\d+) requests in ([\d.]+)(us|ms|s|m|h), ([\d.]+)([KMGT]?B) read/.exec(text)
  if (total === null) throw new Error(`not a report of wrk:\n${text.slice(0, 500)}`)
  const errors = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text)
  // Mean, standard deviation and maximum stand in one line.
  const latency = /^\s+Latency\s+([\d.]+)(\w+)\s+\S+\s+([\d.]+)(us|ms|s|m|h)/m.exec(text)
  const percentile = (p: number): number => {
    const match = new RegExp(`^\\s+${p}%\\s+([\\d.]+)(\\w+)`, 'm').exec(text)
    return match === null ? 0 : milliseconds(match[1], match[2])
  }
  const requests = Number(total[1])
  const seconds = milliseconds(total[2], total[3]) / 1000
  return {
    requests,
    seconds,
    requestsPerSecond: seconds === 0 ? 0 : requests / seconds,
    bytesRead: Number(total[4]) * (BYTES[total[5] ?? 'B'] ?? 1),
    errors: {
      connect: Number(errors?.[1] ?? 0),
      read: Number(errors?.[2] ?? 0),
      write: Number(errors?.[3] ?? 0),
      timeout: Number(errors?.[4] ?? 0),
    },
    badStatus: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
    latencyMs: {
      mean: milliseconds(latency?.[1], latency?.[2]),
      max: milliseconds(latency?.[3], latency?.[4]),
      p50: percentile(50),
      p75: percentile(75),
      p90: percentile(90),
      p99: percentile(99),
    },
  }
}

const BYTES: Readonly<Record<string, number>> = {
  B: 1,
  KB: 1024,
  MB: 1024 ** 2,
  GB: 1024 ** 3,
  TB: 1024 ** 4,
}
const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 }

function milliseconds(number: string | undefined, unit: string | undefined): number {
  return Number(number ?? 0) * (MILLISECONDS[unit ?? 'ms'] ?? 1)
}
