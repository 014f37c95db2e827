import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { Connection, HandshakeInfo } from '../../entry/events.ts'
import type { TransportEvent } from '../../index.ts'
import type { ClientFacts } from '../load/bench-client.ts'
import type { HandshakeCounts } from '../load/load-report.ts'

/** Connections of clients that hand out their sockets. Call it once a socket's handshake is complete. */
export class SocketCounts {
  readonly #opened = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  #open = 0

  add(socket: Socket): void {
    this.#open++
    if (!(socket instanceof TLSSocket)) this.#opened.cleartext++
    else if (socket.isSessionReused()) this.#opened.resumed++
    else this.#opened.full++
    socket.once('close', () => this.#open--)
  }

  facts(): ClientFacts {
    return { opened: { ...this.#opened }, open: this.#open }
  }
}

type Opened = { -readonly [Kind in keyof HandshakeCounts]: number }

const KINDS: Readonly<Record<HandshakeInfo['kind'], keyof HandshakeCounts>> = {
  none: 'cleartext',
  full: 'full',
  resumed: 'resumed',
  early_data: 'earlyData',
}

/** Connections of our own transports, as their observers hear of them. */
export class ConnectionCounts {
  readonly #opened: Opened = { full: 0, resumed: 0, earlyData: 0, cleartext: 0 }
  /** Opened in early data: the handshake's last word is still out. */
  readonly #early = new Set<Connection>()
  #open = 0

  readonly observe = (event: TransportEvent): void => {
    switch (event.type) {
      case 'connection-opened':
        this.#open++
        if (event.connection.handshake.kind === 'early_data') this.#early.add(event.connection)
        else this.#count(event.connection)
        break
      case 'early-data':
        if (this.#early.delete(event.connection)) this.#count(event.connection)
        break
      case 'connection-closed':
        this.#open--
        if (this.#early.delete(event.connection)) this.#count(event.connection)
        break
      default:
    }
  }

  facts(): ClientFacts {
    const opened = { ...this.#opened }
    for (const { handshake } of this.#early) opened[KINDS[handshake.kind]]++
    return { opened, open: this.#open }
  }

  #count({ handshake }: Connection): void {
    this.#opened[KINDS[handshake.kind]]++
  }
}
