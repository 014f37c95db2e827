import type { Connection, HandshakeInfo } from '../../entry/events.ts'
import type { Observer } from '../../index.ts'

/** Counts the connections that were made, by what their handshakes turned out to be. */
export class ConnectionTally {
  readonly #counts: Record<HandshakeInfo['kind'], number> = { none: 0, full: 0, resumed: 0, early_data: 0 }
  /** In early data: whether the peer takes it is still open. */
  readonly #open = new Set<Connection>()

  /** For the transport. */
  readonly observe: Observer = event => {
    if (event.type === 'connection-opened') {
      const { kind, earlyData } = event.connection.handshake
      if (kind === 'early_data' && earlyData === 'none') this.#open.add(event.connection)
      else this.#counts[kind]++
    } else if (event.type === 'early-data' || event.type === 'connection-closed') {
      if (this.#open.delete(event.connection)) this.#counts[event.connection.handshake.kind]++
    }
  }

  get handshakes(): Readonly<Record<HandshakeInfo['kind'], number>> {
    const counts = { ...this.#counts }
    for (const { handshake } of this.#open) counts[handshake.kind]++
    return counts
  }

  get newConnections(): number {
    const { none, full, resumed, early_data } = this.handshakes
    return none + full + resumed + early_data
  }
}
