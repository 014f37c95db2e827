import type { Clock } from '../../base/clock.ts'
import type { CloseReason, Connection } from '../../base/events/connection.ts'
import type { Observer } from '../../base/events/observer.ts'
import type { Resolver } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import { DeadPeerDetector } from '../../connect/native/dead-peer-detector.ts'
import type { QuicLink } from '../../quic/engine.ts'
import type { KnownFact } from '../../select/evidence/evidence.ts'
import { silenceBoundMs } from '../connecting/tcp-liveness.ts'
import type { OriginPools } from '../origin-pools.ts'
import type { OriginSettings } from '../origin-settings.ts'
import type { MigrateOptions, MigrationFigures, MigrationResult } from '../stats.ts'
import { AddressDrain, drainedNames } from './address-drain.ts'
import { ConnectionMoves } from './connection-moves.ts'
import { LocalAddressLoss, type LocalAddressLossParts } from './local-address-loss.ts'

export interface OriginPathsParts {
  readonly origin: Origin
  readonly settings: OriginSettings
  readonly resolver: Resolver
  readonly pools: OriginPools
  readonly clock: Clock
  readonly observer: Observer
  /** See ResolverOptions. */
  readonly dnsRefreshMs: number
  /** The addresses of this machine, and how soon after a change they are looked at again. */
  readonly network: Pick<LocalAddressLossParts, 'present' | 'checkMs'>
}

/**
 * The network paths of an origin's connections: those of HTTP/3 move to other ones, those over TCP are
 * retired with an address of this machine or of the origin that is gone, and vanished peers are found.
 */
export class OriginPaths {
  readonly #parts: OriginPathsParts
  readonly #moves: ConnectionMoves
  readonly #addressDrain: AddressDrain
  readonly #addressLoss: LocalAddressLoss
  /** It goes on after close(), as long as there are sockets: tunnels take their time. */
  readonly #deadPeerDetector: DeadPeerDetector

  constructor(parts: OriginPathsParts) {
    const { origin, settings, resolver, pools, clock, observer } = parts
    this.#parts = parts
    const retire = (connection: Connection, reason: CloseReason): void => pools.retire(connection, reason)
    this.#moves = new ConnectionMoves({ origin, isTrusted: settings.trusted, clock, observer, retire })
    this.#addressDrain = new AddressDrain({
      clock,
      refreshMs: parts.dnsRefreshMs,
      names: () => drainedNames(origin, resolver, pools.lanes, clock),
      pools: () => pools.all(),
      maxConnections: settings.pool.maxConnections,
    })
    this.#addressLoss = new LocalAddressLoss({
      ...parts.network,
      clock,
      connections: () => pools.connections(),
      retire,
    })
    const boundMs = silenceBoundMs(settings.liveness, settings.socket)
    this.#deadPeerDetector = new DeadPeerDetector({ clock, boundMs })
  }

  /** A connection was made over TCP. `socket`: what it is spoken over; `tcp`: the one below, or the same. */
  onSocket(connection: Connection, socket: StreamSocket, tcp: StreamSocket): void {
    this.#deadPeerDetector.add(socket, tcp)
    this.#addressLoss.onConnected(connection, localAddressOf(tcp))
  }

  /** An HTTP/3 connection was made. */
  onLink(connection: Connection, link: QuicLink): void {
    this.#moves.onConnected(connection, link)
  }

  /** A connection has opened. */
  onOpened(): void {
    this.#addressDrain.onConnected()
  }

  /** `present`: the addresses that this machine has now. */
  onNetworkChanged(present: ReadonlySet<string>): void {
    this.#addressDrain.onNetworkChanged()
    this.#moves.onAddresses(this.#parts.pools.connections(), present)
    this.#addressLoss.onAddresses(present)
  }

  /** Moves the open connections to another path, where they can. */
  migrate(to: MigrateOptions): Promise<readonly MigrationResult[]> {
    return this.#moves.migrate(this.#parts.pools.connections(), to)
  }

  /** It has left its first path, or tried to. */
  hasMoved(connection: Connection): boolean {
    return this.#moves.hasMoved(connection)
  }

  get migrations(): MigrationFigures {
    return this.#moves.figures
  }

  /** What is known of the paths of the open connections, for `explain`. */
  facts(now: number): KnownFact[] {
    const { origin, settings, pools } = this.#parts
    const mayMove = origin.scheme === 'https' && settings.protocols.includes('h3')
    const moves = mayMove ? this.#moves.facts(pools.connections(), now) : []
    return [...moves, ...this.#addressDrain.facts()]
  }

  /** The pools are going away. */
  close(): void {
    this.#addressDrain.close()
    this.#addressLoss.close()
  }
}

function localAddressOf(socket: StreamSocket): string | undefined {
  return 'localAddress' in socket && typeof socket.localAddress === 'string' ? socket.localAddress : undefined
}
