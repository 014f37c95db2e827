import type { Protocol } from '../../base/http/protocol.ts'
import type { MeasuredPath } from '../connecting/origin-connector.ts'
import type { PathHealth, PathsByProtocol } from '../stats.ts'

/** The figures of several connections as one; undefined when there is none. */
export function pathHealth(all: readonly MeasuredPath[]): PathHealth | undefined {
  if (all.length === 0) return undefined
  let rttMs = 0
  let lost = 0
  let sent = 0
  let outOfOrder = 0
  let received = 0
  for (const { stats } of all) {
    rttMs += stats.rttMs
    lost += stats.lostPackets
    sent += stats.sentPackets
    if (stats.outOfOrderPackets === undefined) continue
    outOfOrder += stats.outOfOrderPackets
    received += stats.receivedPackets
  }
  return {
    connections: all.length,
    rttMs: rttMs / all.length,
    // A SYN that is sent again counts as lost, and not as data that was sent.
    lossRatio: sent === 0 ? 0 : Math.min(1, lost / sent),
    outOfOrderRatio: received === 0 ? undefined : outOfOrder / received,
  }
}

/** The same for each protocol that has connections. */
export function pathsByProtocol(all: readonly MeasuredPath[]): PathsByProtocol {
  const paths: Partial<Record<Protocol, MeasuredPath[]>> = {}
  for (const path of all) (paths[path.connection.protocol] ??= []).push(path)
  const byProtocol: PathsByProtocol = {}
  for (const [protocol, measured] of Object.entries(paths)) {
    const health = pathHealth(measured)
    if (health !== undefined) byProtocol[protocol as Protocol] = health // the keys of that record
  }
  return byProtocol
}
