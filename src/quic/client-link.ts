import { randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { TransportError } from '../base/errors.ts'
import type { DatagramTunnel } from '../base/socket/datagram-tunnel.ts'
import type { DrivenConnection, DrivenEngine } from './driven-connection.ts'
import type { QuicConnectOptions, UdpAddress } from './engine.ts'
import { PathMover } from './migration/path-mover.ts'
import { LinkSockets, type LinkSocketsListener } from './udp/link-sockets.ts'
import { TunnelSocket } from './udp/tunnel-socket.ts'
import { Turns } from './udp/turns.ts'
import { UdpLink } from './udp/udp-link.ts'
import type { LocalChoice } from './udp/udp-port.ts'

const CONNECTION_ID_BYTES = 16
/** RFC 9000 14: no QUIC below it. */
const MIN_UDP_PAYLOAD_BYTES = 1200

export interface ClientLinkOptions extends Omit<QuicConnectOptions, 'local' | 'connectionId'> {
  readonly clock: Clock
  /** What its sockets leave from, and their mark. */
  readonly choice?: Omit<LocalChoice, 'port'> | undefined
  /** Its sockets are about to go. */
  readonly onOver?: (() => void) | undefined
}

/**
 * A client's connection on a socket of its own, connected so that nothing is received from others. The first
 * flight has left when it resolves. With `allowsSecondPath` it moves to other sockets, when it is told to and
 * when its path fails. Rejects with the system's error, or with MM_INVALID_ARGUMENT when the TLS options
 * cannot be used.
 */
export async function openClientLink(engine: DrivenEngine, options: ClientLinkOptions): Promise<UdpLink> {
  const { remote, clock, allowsSecondPath = false } = options
  const turns = new Turns(() => sockets.flush())
  const listener = new LinkListener(remote, turns)
  const sockets: LinkSockets = await LinkSockets.open(remote, listener, options.choice)
  const [local] = sockets.locals
  let connection: DrivenConnection
  try {
    if (local === undefined) throw new Error('a socket without an address')
    const connectionId = randomBytes(CONNECTION_ID_BYTES)
    connection = engine.connect({ ...options, local, connectionId })
  } catch (error) {
    sockets.release()
    throw error
  }
  let mover: PathMover | undefined
  const link: UdpLink = new UdpLink({
    connection,
    local,
    remote,
    clock,
    turns,
    socket: sockets,
    beforeSending: allowsSecondPath ? () => mover?.onTurn() : undefined,
    onOver: () => {
      options.onOver?.()
      mover?.end()
    },
  })
  if (allowsSecondPath) {
    const schedule = (): void => link.schedule()
    const isWaiting = (): boolean => link.owner?.isWaiting?.() === true
    mover = new PathMover({ connection, sockets, local, remote, clock, schedule, isWaiting })
    link.mover = mover
  }
  listener.link = link
  listener.mover = mover
  link.flush()
  return link
}

export interface TunneledLinkOptions
  extends Omit<QuicConnectOptions, 'local' | 'connectionId' | 'allowsSecondPath' | 'maxUdpPayloadBytes'> {
  readonly clock: Clock
  /** It ends with the link. */
  readonly tunnel: DatagramTunnel
  /** The proxy, for messages. */
  readonly proxyName: string
}

/**
 * The same through a tunnel: `remote` is where the proxy stands, and there is no other path to move to. What
 * fits into no datagram of the tunnel would go as part of a stream; so neither side sends longer ones, as far
 * as QUIC allows (RFC 9000 14).
 */
export function openTunneledLink(engine: DrivenEngine, options: TunneledLinkOptions): UdpLink {
  const { remote, clock, tunnel, proxyName } = options
  const socket = new TunnelSocket(tunnel, remote)
  const { local } = socket
  const carried = tunnel.maxDatagramBytes
  const connection = engine.connect({
    ...options,
    allowsSecondPath: false,
    local,
    connectionId: randomBytes(CONNECTION_ID_BYTES),
    maxUdpPayloadBytes: carried === 0 ? undefined : Math.max(MIN_UDP_PAYLOAD_BYTES, carried),
  })
  const turns = new Turns(() => {})
  const link = new UdpLink({ connection, local, remote, clock, turns, socket })
  tunnel.owner = {
    onDatagram: payload => link.receive(payload, remote),
    onClosed: (error, isOrderly) => {
      // What breaks says nothing of the origin.
      const broken = (): Error =>
        new TransportError('MM_PROXY_FAILED', `${proxyName} broke a tunnel off: ${error.message}`)
      link.onPathLost(isOrderly ? error : broken())
    },
  }
  link.flush()
  return link
}

/** Sockets are there before their link. */
class LinkListener implements LinkSocketsListener {
  link: UdpLink | undefined
  mover: PathMover | undefined
  readonly #remote: UdpAddress
  readonly #turns: Turns

  constructor(remote: UdpAddress, turns: Turns) {
    this.#remote = remote
    this.#turns = turns
  }

  onBatchBegin(): void {
    this.#turns.begin()
  }

  onBatchEnd(): void {
    this.#turns.end()
  }

  onDatagram(datagram: Buffer, local: UdpAddress): void {
    this.mover?.onDatagram(local)
    this.link?.receive(datagram, this.#remote, local)
  }

  onError(error: Error, local: UdpAddress): void {
    if (this.mover?.onSocketError(error, local) !== true) this.link?.onSocketError(error)
  }
}
