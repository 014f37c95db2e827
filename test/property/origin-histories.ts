import { TransportError } from '../../src/base/errors.ts'
import type { AttemptRecord, HandshakeInfo } from '../../src/base/events/connection.ts'
import type { ServiceRecord } from '../../src/dns/records/https-rr.ts'
import { OriginRecord } from '../../src/select/record/origin-record.ts'
import { fc } from '../support/property.ts'

export const PLACE = { host: 'a.example', port: 443 }
export const OPTIONS = { brokenBaseMs: 1000, brokenMaxMs: 172_800_000 }

const DAY_MS = 86_400_000
const HOSTS = ['a.example', 'b.example', '2001:db8::1']
const endpoint = fc.nat(3).map(i => `192.0.2.${i + 1}:443`)
const protocol = fc.constantFrom('http/1.1' as const, 'h2' as const, 'h3' as const)
const ms = fc.integer({ min: 0, max: 5000 })
const key = fc.constantFrom('a.example:443', 'a.example:444', 'b.example:443', '[2001:db8::1]:443')
const altSvc = fc.oneof(
  fc
    .array(
      fc.tuple(
        fc.constantFrom('', 'b.example', '[2001:db8::1]'),
        fc.constantFrom(443, 444),
        fc.nat(100_000),
        fc.boolean(),
      ),
      {
        minLength: 1,
        maxLength: 3,
      },
    )
    .map(list =>
      list
        .map(([host, port, ma, persists]) => `h3="${host}:${port}"; ma=${ma}${persists ? '; persist=1' : ''}`)
        .join(', '),
    ),
  fc.constantFrom('clear', 'h2=":443"', 'garbage"'),
)
const serviceRecord: fc.Arbitrary<ServiceRecord> = fc.record({
  priority: fc.integer({ min: 1, max: 9 }),
  target: fc.constantFrom(...HOSTS),
  alpn: fc.subarray(['h3', 'h2', 'http/1.1']),
  port: fc.constantFrom(undefined, 443, 8443),
  addressHints: fc.subarray(['192.0.2.1', '2001:db8::1']),
  ttlSeconds: fc.nat(DAY_MS / 1000),
})

function handshake(kind: HandshakeInfo['kind'], connectMs: number, tlsMs: number): HandshakeInfo {
  const timings = { dnsMs: 0, connectMs, tlsMs }
  return {
    kind,
    earlyData: 'none',
    tfo: 'off',
    tlsVersion: kind === 'none' ? undefined : 'TLSv1.3',
    timings,
    attempts: [],
  }
}

type Happening = (record: OriginRecord, now: number) => void

/** Everything that a record can learn. */
const happening: fc.Arbitrary<Happening> = fc.oneof(
  fc
    .tuple(
      protocol,
      endpoint,
      fc.constantFrom('none' as const, 'full' as const, 'resumed' as const),
      ms,
      ms,
      fc.boolean(),
    )
    .map(
      ([spoken, at, kind, connectMs, tlsMs, offeredTicket]): Happening =>
        (record, now) =>
          record.onConnected(
            { protocol: spoken, endpoint: at, handshake: handshake(kind, connectMs, tlsMs), offeredTicket },
            now,
          ),
    ),
  fc
    .tuple(protocol, endpoint, fc.constantFrom('failed' as const, 'connected' as const, 'cancelled' as const))
    .map(
      ([spoken, at, outcome]): Happening =>
        (record, now) => {
          const attempt: AttemptRecord = {
            protocol: spoken,
            endpoint: at,
            startedAtMs: 0,
            outcome,
            because: '',
            error: 'why',
          }
          record.onAttempts([attempt], now)
        },
    ),
  fc.constant<Happening>((record, now) =>
    record.onConnectFailed(new TransportError('MM_CONNECT_REFUSED', 'no'), now),
  ),
  fc.nat(1000).map(
    (streams): Happening =>
      (record, now) =>
        record.onCapacity(streams === 0 ? Infinity : streams, 'h2', now),
  ),
  fc.boolean().map(
    (offers): Happening =>
      (record, now) =>
        record.onExtendedConnect(offers, now),
  ),
  ms.map(
    (timeoutMs): Happening =>
      (record, now) =>
        record.onKeepAlive({ timeoutMs }, now),
  ),
  fc.tuple(fc.constantFrom('tcp' as const, 'udp' as const), ms).map(
    ([transport, took]): Happening =>
      (record, now) => {
        record.onRoundTrip(transport, took, now)
        record.onLossRatio(transport, took / 5000, now)
      },
  ),
  fc.tuple(altSvc, fc.nat(100)).map(
    ([value, age]): Happening =>
      (record, now) =>
        record.onAltSvc(value, 'alt-svc', age, now),
  ),
  fc.array(serviceRecord, { maxLength: 4 }).map(
    (records): Happening =>
      (record, now) =>
        record.onServiceAnswer(
          { kind: 'found', records, skipped: [], ttlSeconds: 300, aliasTo: undefined },
          now,
        ),
  ),
  fc
    .tuple(
      endpoint,
      fc.constantFrom('refused' as const, 'silent' as const, 'unreachable' as const, undefined),
    )
    .map(
      ([at, why]): Happening =>
        (record, now) =>
          record.onQuicProbed(
            at,
            why === undefined ? { found: { versions: ['0x00000001'], ms: 1 } } : { fault: 'x', why },
            now,
          ),
    ),
  fc.constantFrom(...HOSTS).map(
    (host): Happening =>
      (record, now) =>
        record.onHttp3Found(host, 443, now),
  ),
  fc.nat(3).map(
    (issued): Happening =>
      (record, now) =>
        record.onProbed(
          {
            tlsVersions: ['TLSv1.3'],
            alpn: ['h2'],
            tickets: { version: 'TLSv1.3', issued, lifetimeSeconds: undefined, maxEarlyDataBytes: 0 },
            fastOpen: { cookie: issued > 0, taken: issued > 1 },
          },
          now,
        ),
  ),
  key.map(
    (at): Happening =>
      (record, now) =>
        record.http3Status(at).onHttp3Worked(now),
  ),
  key.map(
    (at): Happening =>
      (record, now) =>
        record.http3Status(at).onHttp3Failed('why', now),
  ),
  fc.constant<Happening>((record, now) => record.onTcpWorked(now)),
  fc.constant<Happening>((record, now) => record.onNetworkChanged(now)),
  fc.jsonValue({ maxDepth: 2 }).map(
    (value): Happening =>
      (record, now) =>
        record.onEstimates(value, now),
  ),
)

/** A record with a life behind it, and when that was. */
export interface History {
  readonly record: OriginRecord
  readonly now: number
}

/** Times are whole numbers, few of them, so that different histories learn at the same time. */
export const history: fc.Arbitrary<History> = fc
  .array(fc.tuple(fc.constantFrom(0, 0, 1, 999, 10_000, DAY_MS / 2), happening), {
    maxLength: 25,
    size: 'max',
  })
  .map(events => {
    const record = new OriginRecord(PLACE, OPTIONS)
    let now = 0
    for (const [afterMs, happens] of events) happens(record, (now += afterMs))
    return { record, now }
  })
