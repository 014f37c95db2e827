import type { ClientSetting } from './bench-client.ts'
import type { LoadJob } from './load-job.ts'
import type { LoadReport } from './load-report.ts'

/** What a client process is told, one at a time: first `start`, then jobs. */
export type ToClient =
  | {
      readonly kind: 'start'
      readonly module: string
      readonly make: string
      readonly setting: ClientSetting
    }
  | { readonly kind: 'run'; readonly job: LoadJob }
  /** The answer to `warm`. */
  | { readonly kind: 'measure' }

/**
 * Its answers. `ready` comes once by itself, for the channel, and once for `start`; `warm` before the report
 * of a job that has a warm-up, when that has ended.
 */
export type FromClient =
  | { readonly kind: 'ready' }
  | { readonly kind: 'warm' }
  | { readonly kind: 'report'; readonly report: LoadReport }
  | { readonly kind: 'failed'; readonly because: string }

/** Throws an Error for what is no message of ours: another version's, or another program's. */
export function parseToClient(message: unknown): ToClient {
  const fields = fieldsOf(message)
  if (fields['kind'] === 'start') {
    const { module, make, setting } = fields
    if (typeof module === 'string' && typeof make === 'string' && hasOrigins(setting))
      return { kind: 'start', module, make, setting }
  }
  if (fields['kind'] === 'run' && isJob(fields['job'])) return { kind: 'run', job: fields['job'] }
  if (fields['kind'] === 'measure') return { kind: 'measure' }
  throw new Error('the client process was told what it does not understand')
}

/** The same the other way round. */
export function parseFromClient(message: unknown): FromClient {
  const { kind, report, because } = fieldsOf(message)
  if (kind === 'ready' || kind === 'warm') return { kind }
  if (kind === 'failed' && typeof because === 'string') return { kind, because }
  if (kind === 'report' && isReport(report)) return { kind, report }
  throw new Error('the client process said what nobody understands')
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function hasOrigins(value: unknown): value is ClientSetting {
  const { origins, connections } = fieldsOf(value)
  return Array.isArray(origins) && origins.length > 0 && typeof connections === 'number'
}

function isJob(value: unknown): value is LoadJob {
  const { requests, arrival, warmUp, measure, client, deadlineSeconds, seed } = fieldsOf(value)
  return (
    Array.isArray(requests) &&
    requests.length > 0 &&
    ['closed', 'open', 'bursts'].includes(String(fieldsOf(arrival)['kind'])) &&
    isLimit(warmUp) &&
    isLimit(measure) &&
    ['kept', 'fresh', 'each'].includes(String(client)) &&
    typeof deadlineSeconds === 'number' &&
    typeof seed === 'number'
  )
}

function isLimit(value: unknown): boolean {
  const { requests, seconds } = fieldsOf(value)
  return typeof requests === 'number' && typeof seconds === 'number'
}

function isReport(value: unknown): value is LoadReport {
  const { requests, failures, latency, firstByte, wallMs, cpuMs, objects } = fieldsOf(value)
  return (
    [requests, failures, wallMs, cpuMs].every(figure => typeof figure === 'number') &&
    [latency, firstByte].every(record => Array.isArray(fieldsOf(record)['buckets'])) &&
    Array.isArray(objects)
  )
}
