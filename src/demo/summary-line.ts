import type { Protocol, TransportStats } from '../index.ts'

/** What the summary is made of, added up over the pools. */
export interface Summary {
  readonly requests: number
  readonly connections: number
  readonly opened: number
  readonly handshakeSecondsSaved: number
  /** Open connections by what they speak. */
  readonly protocols: Readonly<Partial<Record<Protocol, number>>>
}

export function summarize(stats: TransportStats): Summary {
  let requests = 0
  let opened = 0
  let handshakeSecondsSaved = 0
  const protocols: Partial<Record<Protocol, number>> = {}
  for (const pool of stats.pools) {
    requests += pool.requests
    opened += pool.opened.full + pool.opened.resumed + pool.opened.earlyData + pool.opened.cleartext
    handshakeSecondsSaved += pool.handshakeSecondsSaved
    for (const [name, { idle, leased, draining }] of Object.entries(pool.byProtocol)) {
      const protocol = name as Protocol // a key of ProtocolCounts, which Object.entries widens
      protocols[protocol] = (protocols[protocol] ?? 0) + idle + leased + draining
    }
  }
  return { requests, connections: stats.totalConnections, opened, handshakeSecondsSaved, protocols }
}

/**
 * One line: requests, connections and what they speak, reuse rate, handshake time saved. `sinceMs` ago things
 * stood as in `before`.
 */
export function summaryLine(now: Summary, before: Summary, sinceMs: number): string {
  const perSecond = sinceMs > 0 ? ((now.requests - before.requests) * 1000) / sinceMs : 0
  const reuse = now.requests === 0 ? '-' : `${((1 - now.opened / now.requests) * 100).toFixed(1)} %`
  const spoken = Object.entries(now.protocols).map(([protocol, count]) => `, ${count} ${protocol}`)
  return [
    `requests ${now.requests} (${perSecond.toFixed(0)}/s)`,
    `connections ${now.connections} (${now.opened} opened${spoken.join('')})`,
    `reuse rate ${reuse}`,
    `handshake time saved ${seconds(now.handshakeSecondsSaved)}`,
  ].join(' | ')
}

function seconds(value: number): string {
  return value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(1)} s`
}
