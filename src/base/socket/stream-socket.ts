import type { Server } from 'node:net'
import type { Duplex } from 'node:stream'
import type { HttpDatagrams } from '../http/http-datagrams.ts'
import type { WebTransportCarrier } from '../http/web-transport-carrier.ts'

/** What a connection is spoken over: a socket of Node's, or something that reads and writes like one. */
export interface StreamSocket extends Duplex {
  /** Whether it keeps the process alive. */
  ref(): unknown
  unref(): unknown
  /**
   * Of the tunnel of a session of WebTransport: what carries its streams. Undefined: it is another tunnel.
   */
  carrier?(): WebTransportCarrier | undefined
  /** Of a tunnel: its datagrams beside its bytes. Undefined: its connection has none. */
  datagrams?(): HttpDatagrams | undefined
}

/**
 * Whether something has come that nobody has read: bytes, the peer's end, a reset. Undefined: nobody can
 * tell.
 */
export type UnreadProbe = () => boolean | undefined

/**
 * The descriptor of a socket or a listening server of Node's at this moment; undefined when it has none (any
 * more). Another socket gets the number when this one is closed.
 */
export function descriptorOf(socket: Duplex | Server): number | undefined {
  // There is no documented way to it; _handle has been there since the first version of Node.
  if (!('_handle' in socket) || typeof socket._handle !== 'object' || socket._handle === null)
    return undefined
  const handle = socket._handle
  return 'fd' in handle && typeof handle.fd === 'number' && handle.fd >= 0 ? handle.fd : undefined
}
