import { describe, expect, it } from 'vitest'
import { jsonTextRecord } from '../../src/api/qlog/qlog-file.ts'
import { HappyEvents } from '../../src/api/qlog/qlog-observer.ts'
import type { AttemptRecord } from '../../src/base/events/connection.ts'
import type { TransportEvent } from '../../src/base/events/observer.ts'
import { LANE_NAMES } from '../../src/base/http/protocol.ts'
import { readJsonSequence, type TraceRecord } from '../support/json-sequence.ts'
import { fc } from '../support/property.ts'
import { SHOP } from '../unit/api/qlog/events.ts'

// A longer look: RUNS=20000 SEED=7 npx vitest run test/property/qlog
const RUNS = Number(process.env['RUNS'] ?? 200)

/** Whatever peers and people write. */
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('', '\u001e', '\n', '\u001e{}\n', '"'))
const lane = fc.constantFrom(...LANE_NAMES)
const ms = fc.double({ min: 0, max: 1e7, noNaN: true })

const attempt: fc.Arbitrary<AttemptRecord> = fc.record(
  {
    protocol: fc.constantFrom('h3', 'h2', 'http/1.1'),
    endpoint: fc.oneof(
      fc.tuple(fc.ipV4(), fc.nat(65_535)).map(([ip, port]) => `${ip}:${port}`),
      fc.tuple(fc.ipV6(), fc.nat(65_535)).map(([ip, port]) => `[${ip}]:${port}`),
    ),
    startedAtMs: ms,
    outcome: fc.constantFrom('failed', 'cancelled', 'overtaken'),
    because: text,
    error: text,
  },
  { requiredKeys: ['protocol', 'endpoint', 'startedAtMs', 'outcome', 'because'] },
)
const dial = fc
  .record({ attempts: fc.array(attempt, { maxLength: 6 }), lane, atMs: ms, winner: fc.option(fc.nat(5)) })
  .map(({ attempts, winner, ...rest }): TransportEvent => {
    const made = attempts.map(
      (one, index): AttemptRecord => (index === winner ? { ...one, outcome: 'connected' } : one),
    )
    return { type: 'dial-ended', origin: SHOP, ...rest, attempts: made }
  })
const other: fc.Arbitrary<TransportEvent> = fc.oneof(
  fc.record({
    type: fc.constant('evidence' as const),
    origin: fc.constant(SHOP),
    source: text,
    fact: text,
  }),
  fc.record({
    type: fc.constant('http3-status' as const),
    origin: fc.constant(SHOP),
    alternative: text,
    status: fc.constantFrom('pending' as const, 'broken' as const),
    because: text,
  }),
)

describe('a qlog trace', () => {
  it('follows the rules of its drafts, whatever happens', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(dial, other), { maxLength: 20 }), ms, ms, (events, beganAt, later) => {
        const happy = new HappyEvents(beganAt)
        const now = beganAt + later
        const sequence = events.flatMap(event => happy.onEvent(event, now).map(jsonTextRecord)).join('')
        const records = readJsonSequence(sequence) as TraceRecord[]
        for (const { time, name, data } of records) {
          expect(time).toBeGreaterThanOrEqual(0)
          expect(time).toBeLessThanOrEqual(later + 0.001)
          expect(name).toMatch(/^(?:hev3|middlemile):[a-z0-9_]+$/)
          for (const key of Object.keys(data)) expect(key).toMatch(/^[a-z0-9_]+$/)
        }
        checkSessions(records, events.filter(({ type }) => type === 'dial-ended').length)
        expect(records.filter(({ name }) => name.startsWith('middlemile:'))).toHaveLength(
          events.filter(({ type }) => type !== 'dial-ended').length,
        )
      }),
      { numRuns: RUNS },
    )
  })
})

/** draft-kuehlewind-happy-qlog, "Conformance Requirements". */
function checkSessions(records: readonly TraceRecord[], dials: number): void {
  const sessions = new Map<unknown, TraceRecord[]>()
  for (const record of records) {
    if (!record.name.startsWith('hev3:')) continue
    const session = record.data['he_session_id']
    sessions.set(session, [...(sessions.get(session) ?? []), record])
  }
  expect(sessions.size).toBe(dials)
  for (const events of sessions.values()) {
    const idsOf = (name: string) =>
      events.filter(event => event.name === `hev3:${name}`).map(({ data }) => data['attempt_id'])
    const started = idsOf('attempt_started')
    expect(new Set(started).size).toBe(started.length)
    expect(idsOf('attempt_outcome'), 'every start has exactly one outcome').toEqual(started)
    expect(idsOf('metrics')).toHaveLength(1)
    const selected = idsOf('connection_selected')
    expect(selected.length + idsOf('connection_aborted').length).toBe(1)
    const succeeded = events.filter(({ data }) => data['result'] === 'success')
    expect(succeeded.map(({ data }) => data['attempt_id'])).toEqual(selected)
  }
}
