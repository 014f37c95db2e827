import type { DatagramTunnel } from '../../base/socket/datagram-tunnel.ts'
import type { OutgoingDatagram, UdpAddress } from '../engine.ts'
import type { LinkSocket } from './udp-link.ts'

/** Engines tell paths apart by addresses: a tunnel has one path, and nobody sees these. */
const LOCAL_PORT = 1

/**
 * A tunnel in the place of the UDP sockets of a connection. It is never full: what its queue has no room for
 * is lost, as with a router whose queue is, and the congestion control of the connection sees to the rest.
 */
export class TunnelSocket implements LinkSocket {
  readonly local: UdpAddress
  readonly #tunnel: DatagramTunnel
  #room = Buffer.alloc(0)

  constructor(tunnel: DatagramTunnel, remote: UdpAddress) {
    this.#tunnel = tunnel
    this.local = { host: remote.host.includes(':') ? '::1' : '127.0.0.1', port: LOCAL_PORT }
  }

  /** A tunnel copies what it is given. */
  room(bytes: number): Buffer {
    if (this.#room.length < bytes) this.#room = Buffer.allocUnsafe(bytes)
    return this.#room
  }

  send({ bytes }: OutgoingDatagram): void {
    this.#tunnel.send(bytes)
  }

  flush(): void {}

  isFull(): boolean {
    return false
  }

  ref(): void {
    this.#tunnel.ref()
  }

  unref(): void {
    this.#tunnel.unref()
  }

  release(): void {
    this.#tunnel.close()
  }
}
