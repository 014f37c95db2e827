import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type { ClientFacts } from '../load/bench-client.ts'

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
