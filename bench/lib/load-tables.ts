import {
  GOT,
  NODE_HTTP2,
  ours,
  oursAuto,
  type SubjectTraits,
  theirs,
  UNDICI,
} from './clients/load-clients.ts'
import type { LoadSubject } from './load-subject.ts'
import type { OriginPlan } from './origins/load-origin-config.ts'
import type { CongestionControl } from './origins/lossy-path.ts'

/**
 * caddy speaks all three protocols: at it they can be compared. nginx stands beside it for the two over TCP.
 */
export const BOTH_ORIGINS: Readonly<Record<string, OriginPlan>> = {
  caddy: { kind: 'caddy' },
  nginx: { kind: 'nginx' },
}

/**
 * And our own listener beside it for QUIC, which takes up the congestion control of the path: under loss it
 * is the sender's that is measured.
 */
export function originsUnderLoss(congestionControl: CongestionControl): Readonly<Record<string, OriginPlan>> {
  return { ...BOTH_ORIGINS, own: { kind: 'own', congestionControl } }
}

const EXTRA = { isExtra: true } as const

/**
 * Every client at both origins. With HTTP/1.1 each has at most so many connections, or as many as it likes:
 * who may have fewer than there are requests makes them wait.
 */
export function everyClient(http1Connections = 0): readonly LoadSubject[] {
  const h1: SubjectTraits = { connections: http1Connections }
  const extraH1 = { ...h1, ...EXTRA }
  return [
    ours('http/1.1', 'caddy', extraH1),
    ours('h2', 'caddy'),
    ours('h3', 'caddy'),
    oursAuto('caddy', EXTRA),
    theirs('undici', UNDICI, 'http/1.1', 'caddy', extraH1),
    theirs('node:http2', NODE_HTTP2, 'h2', 'caddy', EXTRA),
    ours('http/1.1', 'nginx', extraH1),
    ours('h2', 'nginx', EXTRA),
    theirs('undici', UNDICI, 'http/1.1', 'nginx', extraH1),
    theirs('got', GOT, 'http/1.1', 'nginx', extraH1),
    theirs('node:http2', NODE_HTTP2, 'h2', 'nginx', EXTRA),
  ]
}

/** What nearly every table has. */
export const COMMON_COLUMNS = [
  'p50Ms',
  'p90Ms',
  'p99Ms',
  'maxMs',
  'requestsPerSecond',
  'requests',
  'failures',
  'cpuMsPerRequest',
  'originCpuMsPerRequest',
  'rssMiB',
  'connections',
] as const
