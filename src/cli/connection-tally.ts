import type { HandshakeInfo, Observer } from '../index.ts'

/** Counts the connections that were made. */
export class ConnectionTally {
  readonly handshakes: Record<HandshakeInfo['kind'], number> = { none: 0, full: 0, resumed: 0, early_data: 0 }

  /** For the transport. */
  readonly observe: Observer = event => {
    if (event.type === 'connection-opened') this.handshakes[event.connection.handshake.kind]++
  }

  get newConnections(): number {
    const { none, full, resumed, early_data } = this.handshakes
    return none + full + resumed + early_data
  }
}
