import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { DrivenConnection, DrivenEngine } from './driven-connection.ts'
import type { QuicConnectOptions, UdpAddress } from './engine.ts'
import { UdpLink } from './udp-link.ts'
import { UdpSocket, type UdpSocketListener } from './udp-socket.ts'

const CONNECTION_ID_BYTES = 16

export type ClientLinkOptions = Omit<QuicConnectOptions, 'local' | 'connectionId'> & { readonly clock: Clock }

/**
 * A client's connection on a socket of its own, connected so that nobody else is heard. The first flight has left when it resolves.
 * Rejects with the system's error, or with MM_INVALID_ARGUMENT when the TLS options cannot be used.
 */
export async function openClientLink(engine: DrivenEngine, options: ClientLinkOptions): Promise<UdpLink> {
  const listener = new LinkListener(options.remote)
  const socket = await UdpSocket.connect(options.remote, listener)
  let connection: DrivenConnection
  try {
    const connectionId = randomBytes(CONNECTION_ID_BYTES)
    connection = engine.connect({ ...options, local: socket.local, connectionId })
  } catch (error) {
    socket.close()
    throw error
  }
  const link = new UdpLink({
    connection,
    local: socket.local,
    remote: options.remote,
    clock: options.clock,
    socket: {
      send: ({ bytes }) => socket.send(bytes),
      isFull: () => socket.isFull,
      ref: () => socket.ref(),
      unref: () => socket.unref(),
      release: () => socket.close(),
    },
  })
  listener.link = link
  link.flush()
  return link
}

/** A socket is there before its link. */
class LinkListener implements UdpSocketListener {
  link: UdpLink | undefined
  readonly #remote: UdpAddress

  constructor(remote: UdpAddress) {
    this.#remote = remote
  }

  /** The kernel has compared the sender; its text need not be that which we were given (`::1` has many). */
  onDatagram(datagram: Buffer): void {
    this.link?.receive(datagram, this.#remote)
  }

  onError(error: Error): void {
    this.link?.onSocketError(error)
  }
}
