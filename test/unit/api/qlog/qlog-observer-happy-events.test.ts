import { describe, expect, it } from 'vitest'
import { HappyEvents } from '../../../../src/api/qlog/qlog-observer.ts'
import type { TransportEvent } from '../../../../src/base/events/observer.ts'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { migrationReport } from '../../../support/migration-figures.ts'
import { fakeConnection } from '../../service/fake-connection.ts'
import { DECISION, dialEnded, exchange, REFUSED, SHOP } from './events.ts'

/** Of a trace that began at 900 ms, seen at 1100 ms. */
function eventsOf(...events: TransportEvent[]) {
  const happy = new HappyEvents(900)
  return events.flatMap(event => happy.onEvent(event, 1_100))
}

/** As it stands in a file: what is undefined is not there. */
const written = (value: unknown): unknown => JSON.parse(JSON.stringify(value))

describe('a dial', () => {
  it('is a session of the draft: starts, outcomes, the one that was taken, the sum', () => {
    const events = eventsOf(
      dialEnded(
        {
          protocol: 'h3',
          endpoint: '[2001:db8::1]:443',
          startedAtMs: 0,
          outcome: 'failed',
          because: 'first of 2',
          error: 'no answer',
        },
        {
          protocol: 'h3',
          endpoint: '192.0.2.1:8443',
          startedAtMs: 25.000_4,
          outcome: 'connected',
          because: '25 ms later',
        },
      ),
    )
    const common = { group_id: 'https://shop.example' }
    const he_session_id = 'dial-1'
    expect(written(events)).toEqual([
      {
        ...common,
        time: 100,
        name: 'hev3:attempt_started',
        data: {
          he_session_id,
          attempt_id: 'dial-1.1',
          target: { address: '2001:db8::1', port: 443, family: 'ipv6', alpn: ['h3'] },
          transport: 'quic',
          lane: 'h3',
          because: 'first of 2',
        },
      },
      {
        ...common,
        time: 125,
        name: 'hev3:attempt_started',
        data: {
          he_session_id,
          attempt_id: 'dial-1.2',
          target: { address: '192.0.2.1', port: 8443, family: 'ipv4', alpn: ['h3'] },
          transport: 'quic',
          lane: 'h3',
          because: '25 ms later',
        },
      },
      {
        ...common,
        time: 200,
        name: 'hev3:attempt_outcome',
        data: { he_session_id, attempt_id: 'dial-1.1', result: 'failure', error_message: 'no answer' },
      },
      {
        ...common,
        time: 200,
        name: 'hev3:attempt_outcome',
        data: { he_session_id, attempt_id: 'dial-1.2', result: 'success', connect_duration_ms: 75 },
      },
      {
        ...common,
        time: 200,
        name: 'hev3:connection_selected',
        data: { he_session_id, attempt_id: 'dial-1.2' },
      },
      {
        ...common,
        time: 200,
        name: 'hev3:metrics',
        data: {
          he_session_id,
          outcome: 'success',
          total_duration_ms: 100,
          tt_first_success_ms: 100,
          first_success_family: 'ipv4',
          first_success_transport: 'quic',
          attempts_total: 2,
          attempts_success: 1,
          attempts_failure: 1,
          lane: 'h3',
        },
      },
    ])
  })

  it.each([
    [[], 'no attempt was made'],
    [['failed', 'failed'], 'all attempts failed'],
    [['failed', 'cancelled'], 'given up'],
    [['cancelled', 'overtaken'], 'another lane had a connection first'],
  ] as const)('without a connection (%j) is aborted: %s', (outcomes, reason) => {
    const failures = outcomes.filter(outcome => outcome === 'failed').length
    const attempts = outcomes.map(outcome => ({
      protocol: 'h2' as const,
      endpoint: '192.0.2.1:443',
      startedAtMs: 0,
      outcome,
      because: 'x',
    }))
    const events = eventsOf(dialEnded(...attempts))
    expect(written(events.at(-2))).toMatchObject({ name: 'hev3:connection_aborted', data: { reason } })
    expect(written(events.at(-1))).toMatchObject({
      data: { outcome: 'aborted', attempts_total: outcomes.length, attempts_failure: failures },
    })
    expect(Object.keys(events.at(-1)?.data ?? {})).not.toContain('tt_first_success_ms')
  })

  it('has no ALPN in cleartext, and a session number of its own', () => {
    const attempt = {
      protocol: 'http/1.1',
      endpoint: '192.0.2.1:80',
      startedAtMs: 0,
      outcome: 'connected',
      because: 'x',
    } as const
    const cleartext = { ...dialEnded(attempt), origin: parseOrigin('http://shop.example') }
    const events = eventsOf(dialEnded(attempt), cleartext)
    const starts = events.filter(({ name }) => name === 'hev3:attempt_started')
    expect(starts.map(({ data }) => [data['he_session_id'], data['target']])).toEqual([
      ['dial-1', { address: '192.0.2.1', port: 80, family: 'ipv4', alpn: ['http/1.1'] }],
      ['dial-2', { address: '192.0.2.1', port: 80, family: 'ipv4' }],
    ])
    expect(starts[1]?.data['transport']).toBe('tcp')
  })

  it('that began before the trace begins with it, and none starts after its end', () => {
    const attempt = { protocol: 'h2', endpoint: '192.0.2.1:443', outcome: 'connected', because: 'x' } as const
    const before = {
      ...dialEnded({ ...attempt, startedAtMs: 0 }, { ...attempt, startedAtMs: 5_000 }),
      atMs: 10,
    }
    const after = { ...dialEnded({ ...attempt, startedAtMs: 0 }), atMs: 9_000 }
    expect(eventsOf(before).map(({ time }) => time)).toEqual([0, 200, 200, 200, 200, 200])
    expect(eventsOf(after).map(({ time }) => time)).toEqual([200, 200, 200, 200])
  })
})

describe('a qlog event of our own', () => {
  it.each<[TransportEvent, string, object]>([
    [
      { type: 'decision', origin: SHOP, decision: DECISION },
      'middlemile:decision',
      {
        lane: 'h3',
        rule: 'faster',
        because: 'predicted to be 21 % faster than tcp',
        candidates: [
          {
            lane: 'h3',
            protocol: 'h3',
            is_eligible: true,
            because: 'confirmed',
            evidence: ['first byte after 42.1 ms (18 samples, last 3 s ago)'],
            predicted_ms: 42.123,
          },
        ],
        would_change: ['tcp below 38 ms for 5 s'],
      },
    ],
    [
      {
        type: 'race-ended',
        origin: SHOP,
        winner: 'tcp',
        race: [
          { atMs: 0, lane: 'h3', event: 'started', because: 'first' },
          { atMs: 20.000_04, lane: 'tcp', event: 'won', because: 'it was first' },
        ],
      },
      'middlemile:race_ended',
      {
        winner: 'tcp',
        events: [
          { at_ms: 0, lane: 'h3', event: 'started', because: 'first' },
          { at_ms: 20, lane: 'tcp', event: 'won', because: 'it was first' },
        ],
      },
    ],
    [
      { type: 'race-ended', origin: SHOP, winner: undefined, race: [] },
      'middlemile:race_ended',
      { events: [] },
    ],
    [
      { type: 'http3-status', origin: SHOP, alternative: 'a:443', status: 'broken', because: 'TCP worked' },
      'middlemile:http3_status',
      { alternative: 'a:443', status: 'broken', because: 'TCP worked' },
    ],
    [
      { type: 'evidence', origin: SHOP, source: 'alt-svc', fact: 'h3=":443"' },
      'middlemile:evidence',
      { source: 'alt-svc', fact: 'h3=":443"' },
    ],
    [
      { type: 'connection-opened', origin: SHOP, connection: fakeConnection() },
      'middlemile:connection_opened',
      {
        connection_id: 7,
        protocol: 'http/1.1',
        endpoint: '192.0.2.1:443',
        handshake: 'full',
        early_data: 'none',
        tls_version: 'TLSv1.3',
        dns_ms: 0,
        connect_ms: 42,
        tls_ms: 85,
      },
    ],
    [
      {
        type: 'connection-closed',
        origin: SHOP,
        connection: fakeConnection(),
        reason: 'network-error',
        error: REFUSED,
        ageMs: 5,
        requests: 2,
      },
      'middlemile:connection_closed',
      { connection_id: 7, reason: 'network-error', code: 'MM_CONNECT_REFUSED', age_ms: 5, requests: 2 },
    ],
    [
      { type: 'connect-failed', origin: SHOP, error: REFUSED, durationMs: 3, retryAfterMs: 100 },
      'middlemile:connect_failed',
      { code: 'MM_CONNECT_REFUSED', message: '192.0.2.1:443 refused', duration_ms: 3, retry_after_ms: 100 },
    ],
    [
      { type: 'exchange-retried', origin: SHOP, reason: 'http3-failed', error: REFUSED },
      'middlemile:exchange_retried',
      { reason: 'http3-failed', code: 'MM_CONNECT_REFUSED' },
    ],
    [
      {
        type: 'migration',
        origin: SHOP,
        connection: fakeConnection({}, 'h3'),
        report: migrationReport(),
      },
      'middlemile:migration',
      {
        connection_id: 7,
        cause: 'forced',
        outcome: 'moved',
        from: '127.0.0.1:5000',
        to: '127.0.0.1:5001',
        gap_ms: 12.346,
        because: 'it was asked for',
      },
    ],
    [
      {
        type: 'path-sampled',
        origin: SHOP,
        lane: 'tcp',
        connection: fakeConnection(),
        stats: {
          rttMs: 41.346_04,
          minRttMs: 39.226,
          sentPackets: 1_088,
          lostPackets: 48,
          receivedPackets: 700,
          outOfOrderPackets: 9,
          sentBytes: 1,
          receivedBytes: 2,
          congestionWindowBytes: 14_480,
          deliveryBytesPerSecond: 1_000_000,
        },
        lossRatio: 0.044_117_6,
      },
      'middlemile:path_sampled',
      {
        connection_id: 7,
        protocol: 'http/1.1',
        lane: 'tcp',
        smoothed_rtt: 41.346,
        min_rtt: 39.226,
        congestion_window: 14_480,
        packets_sent: 1_088,
        packets_lost: 48,
        packets_received: 700,
        packets_out_of_order: 9,
        bytes_per_second: 1_000_000,
        loss_ratio: 0.0441,
      },
    ],
    [
      exchange(),
      'middlemile:exchange_ended',
      {
        method: 'GET',
        path: '/cart',
        status: 200,
        lane: 'h3',
        protocol: 'h3',
        connection_id: 7,
        reused: false,
        retries: 0,
        early_data: 'none',
        queue_ms: 1,
        ttfb_ms: 2,
        total_ms: 3,
        response_bytes: 10,
      },
    ],
  ])('is written for an event of type $type', (event, name, data) => {
    expect(written(eventsOf(event))).toEqual([{ time: 200, group_id: 'https://shop.example', name, data }])
  })

  it('is not written for an event that explains no choice', () => {
    expect(
      eventsOf(
        { type: 'connect-started', origin: SHOP },
        { type: 'state-fault', message: 'x' },
        { type: 'defence', origin: SHOP, limit: 'maxPingsPerSecond' },
      ),
    ).toEqual([])
  })
})
