import type { Aim, CaseResult, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { chooseSizes } from '../../lib/body-sizes.ts'
import { planCpus } from '../../lib/cpus.ts'
import {
  CLIENT_REQUESTS,
  FORWARD_METRICS,
  type ForwardCase,
  H2_CLIENT_CONNECTIONS,
  measureForwardCase,
  startBenchOrigin,
} from '../../lib/forwarding.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { middlemileH2Peer, middlemilePeer } from '../../peers/middlemile.ts'
import {
  caddyH2Peer,
  caddyPeer,
  haproxyH2Peer,
  haproxyPeer,
  nghttpxH2Peer,
  nghttpxPeer,
  nginxPeer,
  nodeUndiciPeer,
} from '../../peers/other-peers.ts'
import { availablePeers, type Peer } from '../../peers/peer.ts'

const PEERS: readonly Peer[] = [
  nginxPeer,
  haproxyPeer,
  caddyPeer,
  nghttpxPeer,
  nodeUndiciPeer,
  middlemilePeer,
]
const REFERENCES = [nginxPeer.name, nodeUndiciPeer.name]

/** CPU time per forwarded request, ours beside others', in front of the same origin. */
export async function forward(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx', 'wrk', 'curl')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    PEERS.map(peer => peer.name),
    settings,
    [nginxPeer.name, middlemilePeer.name],
  )
  const { peers, unavailable } = availablePeers(PEERS.filter(peer => names.includes(peer.name)))
  const cpus = planCpus()
  await using origin = await startBenchOrigin(cpus)
  const cases: CaseResult[] = []
  for (const size of chooseSizes(settings.sizes, ['1k', '100k', '10m'])) {
    cases.push(
      await measureForwardCase(
        { name: size, size, ingress: 'http/1.1', peers, references: REFERENCES, aims: [] },
        origin,
        cpus,
        settings,
      ),
    )
  }
  return {
    scenario: 'forward',
    description: `${CLIENT_REQUESTS} keepalive clients (wrk), one CPU per proxy, nginx origin over TLS 1.3 with HTTP/1.1`,
    metrics: FORWARD_METRICS,
    cases,
    unavailable,
  }
}

/** Those with `h2` in their names speak it to the origin, the others HTTP/1.1: nginx has nothing else. */
const HTTP2_PEERS: readonly Peer[] = [
  nginxPeer,
  haproxyPeer,
  haproxyH2Peer,
  caddyH2Peer,
  nghttpxH2Peer,
  middlemilePeer,
  middlemileH2Peer,
]
const HTTP2_REFERENCES = [nginxPeer.name, haproxyH2Peer.name, middlemilePeer.name]

const AIMS: readonly Aim[] = [
  { subject: middlemileH2Peer.name, metric: 'cpuMsPerRequest', atMost: 0.012 },
  { subject: middlemileH2Peer.name, metric: 'cpuMsPerRequest', to: nginxPeer.name, atMost: 1 },
  { subject: middlemileH2Peer.name, metric: 'cpuMsPerRequest', to: haproxyH2Peer.name, atMost: 1.3 },
]

const HTTP2_CASES: readonly Pick<ForwardCase, 'name' | 'size' | 'ingress' | 'aims'>[] = [
  { name: '1k', size: '1k', ingress: 'http/1.1', aims: AIMS },
  { name: '100k', size: '100k', ingress: 'http/1.1', aims: [] },
  { name: '1k, h2 clients', size: '1k', ingress: 'h2', aims: [] },
]

/**
 * CPU time per forwarded request with HTTP/2 to the origin, beside proxies that speak it and proxies that do
 * not.
 */
export async function forwardH2(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx', 'wrk', 'h2load', 'curl')
  if (missing !== undefined) throw new Error(missing)
  const names = chooseSubjects(
    HTTP2_PEERS.map(peer => peer.name),
    settings,
    [nginxPeer.name, middlemileH2Peer.name],
  )
  const { peers, unavailable } = availablePeers(HTTP2_PEERS.filter(peer => names.includes(peer.name)))
  const cpus = planCpus()
  await using origin = await startBenchOrigin(cpus, { http2: true })
  const sizes = chooseSizes(settings.sizes, ['1k', '100k'])
  const cases: CaseResult[] = []
  for (const entry of HTTP2_CASES.filter(({ size }) => sizes.includes(size))) {
    cases.push(
      await measureForwardCase({ ...entry, peers, references: HTTP2_REFERENCES }, origin, cpus, settings),
    )
  }
  return {
    scenario: 'forward-h2',
    description: `${CLIENT_REQUESTS} requests at a time (HTTP/1.1: wrk on as many connections; h2: h2load on ${H2_CLIENT_CONNECTIONS}, cleartext), one CPU per proxy, one nginx origin over TLS 1.3 that offers HTTP/2 and HTTP/1.1`,
    metrics: FORWARD_METRICS,
    cases,
    unavailable,
  }
}
