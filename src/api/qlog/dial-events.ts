import type { AttemptRecord } from '../../base/events/connection.ts'
import type { TransportEvent } from '../../base/events/observer.ts'
import { type QlogEvent, roundedMs } from './qlog-event.ts'

type DialEnded = Extract<TransportEvent, { type: 'dial-ended' }>

/** A word of the draft for each of ours. */
const RESULTS: Readonly<Record<AttemptRecord['outcome'], 'success' | 'failure' | 'canceled'>> = {
  connected: 'success',
  failed: 'failure',
  cancelled: 'canceled',
  overtaken: 'canceled',
}

interface Attempt {
  readonly record: AttemptRecord
  readonly id: string
  readonly target: AttemptTarget
  /** Since the trace began. */
  readonly startedAt: number
}

interface AttemptTarget {
  readonly address: string
  readonly port: number
  readonly family: 'ipv4' | 'ipv6'
}

/**
 * A dial as a session of draft-kuehlewind-happy-qlog: each attempt with its start and its outcome, the one
 * that was taken, the sum. `endedAt` and `beganAt` count from the beginning of the trace. Fields of ours in
 * the draft's events: `because`, `lane`, `error_message`.
 *
 * Left out of the draft: candidates and timers, since a record of a dial holds what was done and not what was
 * thought of.
 */
export function dialEvents(
  session: string,
  { attempts: records, lane, origin }: DialEnded,
  { beganAt, endedAt }: { readonly beganAt: number; readonly endedAt: number },
): QlogEvent[] {
  const group_id = origin.key
  const attempts = records.flatMap((record, index): Attempt[] => {
    const target = attemptTarget(record.endpoint)
    if (target === undefined) return []
    const startedAt = Math.min(endedAt, beganAt + record.startedAtMs)
    return [{ record, id: `${session}.${index + 1}`, target, startedAt }]
  })
  const event = (time: number, name: string, data: object): QlogEvent => ({
    time: roundedMs(time),
    name: `hev3:${name}`,
    group_id,
    data: { he_session_id: session, ...data },
  })

  const events: QlogEvent[] = attempts.map(({ record, id, target, startedAt }) =>
    event(startedAt, 'attempt_started', {
      attempt_id: id,
      target: { ...target, ...(origin.scheme === 'https' && { alpn: [record.protocol] }) },
      transport: transportOf(record),
      lane,
      because: record.because,
    }),
  )
  for (const { record, id, startedAt } of attempts) {
    const result = RESULTS[record.outcome]
    events.push(
      event(endedAt, 'attempt_outcome', {
        attempt_id: id,
        result,
        // When the others ended is not recorded.
        connect_duration_ms: result === 'success' ? wholeMs(endedAt - startedAt) : undefined,
        error_message: record.error,
      }),
    )
  }
  const winner = attempts.find(({ record }) => record.outcome === 'connected')
  if (winner !== undefined) events.push(event(endedAt, 'connection_selected', { attempt_id: winner.id }))
  else events.push(event(endedAt, 'connection_aborted', { reason: whyNone(records) }))
  events.push(
    event(endedAt, 'metrics', {
      outcome: winner === undefined ? 'aborted' : 'success',
      total_duration_ms: wholeMs(endedAt - beganAt),
      ...(winner !== undefined && {
        tt_first_success_ms: wholeMs(endedAt - beganAt),
        first_success_family: winner.target.family,
        first_success_transport: transportOf(winner.record),
      }),
      attempts_total: attempts.length,
      attempts_success: winner === undefined ? 0 : 1,
      attempts_failure: attempts.filter(({ record }) => RESULTS[record.outcome] === 'failure').length,
      lane,
    }),
  )
  return events
}

/** `192.0.2.1:443`, `[2001:db8::1]:443`. */
function attemptTarget(endpoint: string): AttemptTarget | undefined {
  const [, v6, v4, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(endpoint) ?? []
  const address = v6 ?? v4
  if (address === undefined || port === undefined) return undefined
  return { address, port: Number(port), family: v6 === undefined ? 'ipv4' : 'ipv6' }
}

function transportOf({ protocol }: AttemptRecord): 'quic' | 'tcp' {
  return protocol === 'h3' ? 'quic' : 'tcp'
}

function whyNone(attempts: readonly AttemptRecord[]): string {
  if (attempts.length === 0) return 'no attempt was made'
  if (attempts.some(({ outcome }) => outcome === 'overtaken')) return 'another lane had a connection first'
  return attempts.some(({ outcome }) => outcome === 'cancelled') ? 'given up' : 'all attempts failed'
}

/** The draft's durations are uint32. */
function wholeMs(ms: number): number {
  return Math.min(Math.max(0, Math.round(ms)), 2 ** 32 - 1)
}
