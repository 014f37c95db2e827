import type { EarlierTry } from '../../src/entry/events.ts'
import type { AttemptRecord } from '../../src/index.ts'
import type { SlowRequest } from './load/load-job.ts'

/** The connector's line on a slow request: slow-request-log.ts of the service writes it. */
export interface SlowLine {
  readonly time: string
  readonly protocol?: string
  readonly connection: number
  readonly reused: boolean
  readonly retries: number
  readonly queueMs: number
  readonly ttfbMs: number
  readonly totalMs: number
  readonly tries: readonly EarlierTry[]
  readonly attempts: readonly AttemptRecord[]
}

/**
 * Where the time of a slow request went: before the connector dispatched it, in each of its tries, and behind
 * the end that the connector saw. `line` is undefined when the connector has none: then it was quick there,
 * and slow between it and the client, or in the client.
 */
export function slowRequestText(slow: SlowRequest, line: SlowLine | undefined): string[] {
  const { tookMs, leftMs, isNew, origin, method, id, outcome, startedAt } = slow
  const head = `${ms(tookMs).padStart(8)}  ${origin} ${method} ${id} at ${timeOfDay(startedAt)}: ${outcome}`
  const left =
    leftMs === undefined
      ? 'never left the client'
      : `${ms(leftMs)} until it left the client${isNew ? ' on a new connection' : ''}`
  if (line === undefined)
    return [
      head,
      `          ${left}, not slow within the connector: between it and the client, or in the client`,
    ]
  const { queueMs, ttfbMs, totalMs, protocol, connection, reused, tries, attempts } = line
  const endedAt = Date.parse(line.time)
  const beforeMs = Math.max(0, endedAt - totalMs - startedAt)
  const behindMs = Math.max(0, startedAt + tookMs - endedAt)
  const lastTry = tries.at(-1)?.failedAtMs ?? 0
  const restMs = Math.max(0, totalMs - Math.max(lastTry, queueMs) - ttfbMs)
  const where =
    protocol === undefined ? 'no connection' : `${protocol}#${connection}${reused ? ' reused' : ' new'}`
  return [
    head,
    `          ${left}, ${ms(beforeMs)} until it was dispatched, ${ms(totalMs)} there (waiting for connections ${ms(queueMs)}, first byte ${ms(ttfbMs)}, body at most ${ms(restMs)}, ${where}), ${ms(behindMs)} behind it`,
    ...tries.map(tried => `          ${tryText(tried)}`),
    ...attempts.map(attempt => `          ${attemptText(attempt)}`),
  ]
}

function tryText({
  leasedAtMs,
  failedAtMs,
  protocol,
  connectionId,
  reused,
  code,
  reason,
}: EarlierTry): string {
  if (leasedAtMs === undefined)
    return `tried: no connection until ${ms(failedAtMs)}: ${code}, sent again: ${reason}`
  const where = `${protocol}#${connectionId}${reused ? ' reused' : ' new'}`
  return `tried: ${where} at ${ms(leasedAtMs)}, failed at ${ms(failedAtMs)}: ${code}, sent again: ${reason}`
}

function attemptText({ protocol, endpoint, startedAtMs, outcome, because, error }: AttemptRecord): string {
  const why = error === undefined ? because : `${because}: ${error}`
  return `connect: ${protocol} ${endpoint} at ${ms(startedAtMs)} ${outcome} (${why})`
}

function ms(value: number): string {
  return `${Math.round(value)} ms`
}

/** Of a time on the wall clock, in UTC as logs have it. */
export function timeOfDay(at: number): string {
  return new Date(at).toISOString().slice(11, 23)
}
