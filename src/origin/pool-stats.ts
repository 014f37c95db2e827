import type { PoolCounts } from '../pool/pool.ts'
import { addProtocolCounts } from '../pool/protocol-counts.ts'
import type { PoolStats } from './stats.ts'

/** What the transport counts for an origin beside its pools. */
export type EntryCounts = Pick<
  PoolStats,
  'retries' | 'handshakes' | 'path' | 'pathByProtocol' | 'migrations'
> & {
  /**
   * Connections that were opened in early data, which the peer refused: what their handshakes turned out to
   * be.
   */
  readonly refusedEarly: { readonly full: number; readonly resumed: number }
}

/** One of an origin's pools. */
export interface LabeledCounts {
  /**
   * What sets its connections apart in the list, as ` (LABEL)` behind each; undefined: nothing has to be
   * said.
   */
  readonly label: string | undefined
  readonly counts: PoolCounts
}

const NO_COUNTS: PoolCounts = {
  connections: { connecting: 0, idle: 0, leased: 0, draining: 0 },
  byProtocol: {},
  backingOff: false,
  waiters: 0,
  overloaded: false,
  shed: 0,
  streams: 0,
  stalled: 0,
  opened: { full: 0, resumed: 0, earlyData: 0, cleartext: 0 },
  closed: {},
  connectFailures: 0,
  requests: 0,
  reused: 0,
  list: [],
}

/**
 * The pools of one origin as one, in the order of the list: that it has several is nothing that a reader of
 * figures has to know.
 */
export function poolStats(
  origin: string,
  pools: readonly LabeledCounts[],
  { refusedEarly, ...entry }: EntryCounts,
): PoolStats {
  const counts = pools.reduce(addCounts, NO_COUNTS)
  const { full, resumed, earlyData, cleartext } = counts.opened
  const avoided = Object.values(entry.handshakes.avoided)
  return {
    origin,
    ...counts,
    opened: {
      full: full + refusedEarly.full,
      resumed: resumed + refusedEarly.resumed,
      earlyData: earlyData - refusedEarly.full - refusedEarly.resumed,
      cleartext,
    },
    ...entry,
    handshakeRttsSaved: avoided.reduce((sum, { roundTrips }) => sum + roundTrips, 0),
    handshakeSecondsSaved: avoided.reduce((sum, { seconds }) => sum + seconds, 0),
    reuseRatio: counts.requests === 0 ? 0 : counts.reused / counts.requests,
  }
}

function addCounts(a: PoolCounts, { label, counts: b }: LabeledCounts): PoolCounts {
  return {
    connections: addNumbers(a.connections, b.connections),
    byProtocol: addProtocolCounts(a.byProtocol, b.byProtocol),
    backingOff: a.backingOff || b.backingOff,
    waiters: a.waiters + b.waiters,
    overloaded: a.overloaded || b.overloaded,
    shed: a.shed + b.shed,
    streams: a.streams + b.streams,
    stalled: a.stalled + b.stalled,
    opened: addNumbers(a.opened, b.opened),
    closed: addNumbers(a.closed, b.closed),
    connectFailures: a.connectFailures + b.connectFailures,
    requests: a.requests + b.requests,
    reused: a.reused + b.reused,
    list: [...a.list, ...(label === undefined ? b.list : b.list.map(line => `${line} (${label})`))],
  }
}

function addNumbers<T extends Readonly<Record<keyof T, number>>>(a: T, b: T): T {
  const sum: Record<string, number> = { ...a }
  for (const [name, value] of Object.entries<number>(b)) sum[name] = (sum[name] ?? 0) + value
  return sum as T // the keys of both, and numbers
}
