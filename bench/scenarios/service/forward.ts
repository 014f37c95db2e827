import type { CaseResult, ScenarioResult } from '../../../src/bench/results/scenario-result.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { chooseSizes } from '../../lib/body-sizes.ts'
import { planCpus } from '../../lib/cpus.ts'
import { CLIENT_REQUESTS, FORWARD_METRICS, measureForwardCase } from '../../lib/forwarding.ts'
import { startBenchOrigin } from '../../lib/origins/bench-origin.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { caddyPeer } from '../../peers/caddy.ts'
import { haproxyPeer } from '../../peers/haproxy.ts'
import { middlemilePeer } from '../../peers/middlemile.ts'
import { nghttpxPeer } from '../../peers/nghttpx.ts'
import { nginxPeer } from '../../peers/nginx.ts'
import { nodeUndiciPeer } from '../../peers/node-undici.ts'
import type { Peer } from '../../peers/peer.ts'
import { availablePeers } from '../../peers/peer.ts'

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
