import type { QuicStats } from '../quic/engine.ts'
import type { PathHealth } from './api.ts'

/** The figures of several connections as one; undefined when there is none. */
export function pathHealth(all: readonly QuicStats[]): PathHealth | undefined {
  if (all.length === 0) return undefined
  let rttMs = 0
  let lost = 0
  let sent = 0
  for (const stats of all) {
    rttMs += stats.rttMs
    lost += stats.lostPackets
    sent += stats.sentPackets
  }
  return { connections: all.length, rttMs: rttMs / all.length, lossRatio: sent === 0 ? 0 : lost / sent }
}
