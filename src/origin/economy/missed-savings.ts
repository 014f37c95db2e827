import type { CoalescingRefusal } from '../../base/events/observer.ts'
import type { CoalescingMissed } from '../coalescing/coalescing.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { PoolStats } from '../stats.ts'

/** What could be saved with an origin, and is not. */
export interface MissedSaving {
  readonly saving: string
  /** Why it is not made, and what would change that. */
  readonly because: string
}

/** Below this, what could be saved is noise. */
const MIN_REQUESTS = 20

/** What lets an origin share another one's connection. The rest must be so, or passes by itself. */
const SHARING: Readonly<Partial<Record<CoalescingRefusal, string>>> = {
  never: 'coalesce: auto lets it be shared',
  trust: 'the same tls, socket and protocol options for both let it be shared',
  certificate: 'a certificate for both names, or certificateNames, lets it be shared',
  'origin-set': 'its server leaves the origin out of its ORIGIN frame',
  misdirected: 'its server can be made to answer for both names',
  avoided: 'its server can be made to answer for both names',
}

/**
 * Savings of connections that are possible and not taken, the greatest first. `missed`: the last connection
 * of another origin that was looked at in vain.
 */
export function missedSavings(
  settings: Pick<OriginSettings, 'pool' | 'reuse' | 'protocols'>,
  stats: Pick<
    PoolStats,
    'economy' | 'objective' | 'sizing' | 'idleHorizon' | 'connections' | 'byProtocol' | 'opened' | 'hints'
  >,
  missed?: CoalescingMissed,
): MissedSaving[] {
  const { objective, sizing, idleHorizon, connections, economy, byProtocol, opened, hints } = stats
  const { requests } = economy.sinceStart
  const list: MissedSaving[] = []
  if (requests < MIN_REQUESTS) return list
  const add = (saving: string, because: string): void => void list.push({ saving, because })
  if (objective.state === 'missed') {
    const { reuseRate, reuse, cause, share, advice } = objective
    add(
      `${percent(reuse - reuseRate)} more of the requests could find a connection (${percent(reuseRate)} do)`,
      `${cause}, ${percent(share)} of the connections made: ${advice}`,
    )
  }
  if (settings.reuse === 'never') add('connections could carry more than one request', 'reuse is never')
  else if (settings.reuse !== 'always') {
    add(
      'requests that must not be sent twice could go over connections that are there',
      `reuse is ${settings.reuse}: a connection that the origin ends just then would show the client an error`,
    )
  }
  const onHttp1 = byProtocol['http/1.1']
  const held = connections.idle + connections.leased
  if (onHttp1 !== undefined && held > 1 && sizing.concurrency > 1) {
    add(
      `one connection could carry what ${held} do`,
      settings.protocols.includes('h2') || settings.protocols.includes('h3')
        ? 'the origin agrees to http/1.1 only: switch HTTP/2 on there'
        : 'protocols allows http/1.1 only: add h2',
    )
  }
  if (idleHorizon.retired > 0 && settings.pool.headroom === 0) {
    add(
      `${idleHorizon.retired} connections aged out that later requests may have used`,
      `the origin keeps idle ones for ${Math.round(idleHorizon.keptMs ?? 0)} ms, and pool.headroom is 0: with 1.5 those that the demand needs are used in turns, and kept alive by it`,
    )
  }
  if (sizing.needed !== undefined && held > 2 * sizing.needed) {
    add(
      `${held - sizing.needed} of ${held} connections are more than the last minute needed`,
      `they age out by pool.idleTimeoutMs = ${settings.pool.idleTimeoutMs}, or are pool.warm = ${settings.pool.warm}`,
    )
  }
  const remedy = missed && SHARING[missed.reason]
  if (remedy !== undefined) {
    add(`requests could go over a connection of ${missed?.owner}`, `${missed?.because}; ${remedy}`)
  }
  if (hints.unused > 0 && hints.unused * 2 > hints.opened) {
    add(
      `${hints.unused} of ${hints.opened} connections that hints opened carried no request`,
      'responses name the origin, and nobody comes: preconnectHints: never opens none',
    )
  }
  if (opened.full > 10 && opened.resumed + opened.earlyData === 0) {
    add(
      `${opened.full} handshakes could have been resumed`,
      'the origin gives no tickets that last, or tls.resumption is false',
    )
  }
  return list
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}
