import type { PoolCounts } from '../pool/pool.ts'
import { addProtocolCounts } from '../pool/protocol-counts.ts'
import type { PoolStats } from './api.ts'

/** What the transport counts for an origin beside its pools. */
export type EntryCounts = Pick<
  PoolStats,
  'retries' | 'handshakeRttsSaved' | 'handshakeSecondsSaved' | 'path'
> & {
  /** Connections that were opened in early data, which the peer refused: what their handshakes turned out to be. */
  readonly refusedEarly: { readonly full: number; readonly resumed: number }
}

/** The pools of one origin as one: that upgrades have a pool of their own is nothing that a reader of figures has to know. */
export function poolStats(
  origin: string,
  main: PoolCounts,
  upgrades: PoolCounts | undefined,
  { refusedEarly, ...entry }: EntryCounts,
): PoolStats {
  const counts = upgrades === undefined ? main : addCounts(main, upgrades)
  const { full, resumed, earlyData, cleartext } = counts.opened
  const opened = full + resumed + earlyData + cleartext
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
    reuseRatio: counts.requests === 0 ? 0 : Math.max(0, 1 - opened / counts.requests),
  }
}

function addCounts(a: PoolCounts, b: PoolCounts): PoolCounts {
  return {
    connections: addNumbers(a.connections, b.connections),
    byProtocol: addProtocolCounts(a.byProtocol, b.byProtocol),
    backingOff: a.backingOff || b.backingOff,
    waiters: a.waiters + b.waiters,
    streams: a.streams + b.streams,
    opened: addNumbers(a.opened, b.opened),
    closed: addNumbers(a.closed, b.closed),
    connectFailures: a.connectFailures + b.connectFailures,
    requests: a.requests + b.requests,
    reused: a.reused + b.reused,
    list: [...a.list, ...b.list.map(line => `${line} (for upgrades)`)],
  }
}

function addNumbers<T extends Readonly<Record<keyof T, number>>>(a: T, b: T): T {
  const sum: Record<string, number> = { ...a }
  for (const [name, value] of Object.entries<number>(b)) sum[name] = (sum[name] ?? 0) + value
  return sum as T // the keys of both, and numbers
}
