import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { guardedListener } from '../../base/guard.ts'
import type { UdpAddress } from '../engine.ts'
import { type LocalChoice, SOCKET_BUFFER_BYTES, type UdpSocket, type UdpSocketListener } from './udp-port.ts'

/**
 * A UDP socket of Node's: one datagram per system call. Sending never waits: Node 20 tries at once, without a
 * tick in between, when the socket is connected or its lookup calls back at once, as ours does; only when the
 * kernel has no room does it keep the datagram. Until then its bytes must be left alone, since Node keeps no
 * copy: another room is made.
 *
 * An ICMP error reaches a connected socket with the next system call. That of the last datagram of a turn
 * always comes as an event; one that hits a later send is lost, since a send without a callback (which would
 * cost a tick each) drops its errors.
 */
export class DgramSocket implements UdpSocket {
  readonly local: UdpAddress
  readonly description = 'dgram, one datagram per system call'
  readonly #socket: Socket
  #room: Buffer | undefined
  #isOpen = true

  /** Takes over a socket that is bound. */
  private constructor(socket: Socket, listener: UdpSocketListener) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { host: address, port }
    // A connection that cannot go on ends itself (UdpLink): what is thrown here is about a datagram of
    // nobody.
    const onDatagram = (datagram: Buffer, { address, port }: RemoteInfo): void => {
      if (this.#isOpen) listener.onDatagram(datagram, { host: address, port }, this.local, 0)
    }
    const onError = (error: Error): void => {
      if (this.#isOpen) listener.onError(error)
    }
    socket.on('message', guardedListener('a datagram', onDatagram, NOTHING))
    socket.on('error', guardedListener('an error of a UDP socket', onError, NOTHING))
    try {
      socket.setRecvBufferSize(SOCKET_BUFFER_BYTES)
      socket.setSendBufferSize(SOCKET_BUFFER_BYTES)
    } catch {
      // Some systems refuse more than they allow instead of giving that.
    }
  }

  /** See connectUdp(). */
  static connect(
    remote: UdpAddress,
    listener: UdpSocketListener,
    { address, port }: LocalChoice,
  ): Promise<DgramSocket> {
    return open(remote, start, socket => new DgramSocket(socket, listener))

    function start(socket: Socket, onReady: () => void, guard: Guard): void {
      socket.once('connect', onReady)
      const connect = guard(() => socket.connect(remote.port, remote.host))
      if (address === undefined && port === undefined) return connect()
      socket.once('listening', connect)
      socket.bind({ port: port ?? 0, exclusive: true, ...(address === undefined ? {} : { address }) })
    }
  }

  /** See bindUdp(). */
  static async bind(
    local: UdpAddress,
    listener: UdpSocketListener,
    descriptor?: number,
  ): Promise<DgramSocket> {
    const start = (socket: Socket, onReady: () => void): void => {
      socket.once('listening', onReady)
      if (descriptor === undefined) socket.bind({ address: local.host, port: local.port, exclusive: true })
      else socket.bind({ fd: descriptor, exclusive: true })
    }
    const socket = await open(local, start, bound => new DgramSocket(bound, listener))
    socket.ref()
    return socket
  }

  room(bytes: number): Buffer {
    if (this.#room === undefined || this.#room.length < bytes) this.#room = Buffer.allocUnsafeSlow(bytes)
    return this.#room
  }

  send(datagram: Buffer, to?: UdpAddress): void {
    if (!this.#isOpen) return
    if (to === undefined) this.#socket.send(datagram)
    else this.#socket.send(datagram, to.port, to.host)
    if (this.isFull()) this.#room = undefined
  }

  flush(): void {
    // Each has left with send().
  }

  isFull(): boolean {
    return this.#isOpen && this.#socket.getSendQueueCount() > 0
  }

  ref(): void {
    if (this.#isOpen) this.#socket.ref()
  }

  unref(): void {
    if (this.#isOpen) this.#socket.unref()
  }

  close(): void {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#socket.close()
  }
}

type Guard = <Args extends readonly unknown[]>(run: (...args: Args) => void) => (...args: Args) => void

function open(
  address: UdpAddress,
  start: (socket: Socket, onReady: () => void, guard: Guard) => void,
  wrap: (socket: Socket) => DgramSocket,
): Promise<DgramSocket> {
  return new Promise((resolve, reject) => {
    const type = isIPv6(address.host) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, lookup: lookupLiteral })
    socket.unref()
    const fail = (error: Error): void => {
      reject(error)
      socket.close()
    }
    const guard: Guard = run => guardedListener('opening a UDP socket', run, fail)
    const onError = guard(fail)
    socket.once('error', onError)
    const onReady = guard(() => {
      resolve(wrap(socket))
      socket.removeListener('error', onError)
    })
    start(socket, onReady, guard)
  })
}

const NOTHING = (): void => undefined

type LookupDone = (error: NodeJS.ErrnoException | null, address: string, family: number) => void

/**
 * Addresses are all that comes here. Node's own lookup would answer a tick later, and each datagram would
 * wait for it.
 */
function lookupLiteral(host: string, options: unknown, callback?: LookupDone): void {
  // dgram passes the family as the second argument, or leaves it out.
  const done = typeof options === 'function' ? (options as LookupDone) : callback // as: dgram's own callback
  done?.(null, host, isIPv6(host) ? 6 : 4)
}
