import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { guardedListener } from '../../base/guard.ts'
import type { UdpAddress } from '../engine.ts'

/**
 * Room in the kernel for what comes while the loop is busy: a burst of a full window. The system may grant
 * less.
 */
const BUFFER_BYTES = 2 * 1024 * 1024

/** Where a socket is to be on this machine; the system chooses what is left out. */
export interface LocalChoice {
  readonly address?: string | undefined
  readonly port?: number | undefined
}

export interface UdpSocketListener {
  /** `from` as text that equals what the socket was given. */
  onDatagram(datagram: Buffer, from: UdpAddress): void
  /** ICMP errors of a connected socket, and whatever else the system has to say. The socket lives on. */
  onError(error: Error): void
}

/**
 * A bound UDP socket. Sending never waits: Node 20 tries at once, without a tick in between, when the socket
 * is connected or its lookup calls back at once, as ours does; only when the kernel has no room does it keep
 * the datagram, and then `isFull` says so. Until then the sender must leave the bytes alone, since Node keeps
 * no copy.
 *
 * An ICMP error reaches a connected socket with the next system call. That of the last datagram of a turn
 * always comes as an event; one that hits a later send is lost, since a send without a callback (which would
 * cost a tick each) drops its errors.
 */
export class UdpSocket {
  readonly local: UdpAddress
  readonly #socket: Socket
  #isOpen = true

  /** Takes over a socket that is bound; connect() and bind() make one. */
  constructor(socket: Socket, listener: UdpSocketListener) {
    this.#socket = socket
    const { address, port } = socket.address()
    this.local = { host: address, port }
    // A connection that cannot go on ends itself (UdpLink): what is thrown here is about a datagram of
    // nobody.
    const onDatagram = (datagram: Buffer, { address, port }: RemoteInfo): void => {
      if (this.#isOpen) listener.onDatagram(datagram, { host: address, port })
    }
    const onError = (error: Error): void => {
      if (this.#isOpen) listener.onError(error)
    }
    socket.on('message', guardedListener('a datagram', onDatagram, NOTHING))
    socket.on('error', guardedListener('an error of a UDP socket', onError, NOTHING))
    try {
      socket.setRecvBufferSize(BUFFER_BYTES)
      socket.setSendBufferSize(BUFFER_BYTES)
    } catch {
      // Some systems refuse more than they allow instead of giving that.
    }
  }

  /**
   * Connected: nobody else is heard, and ICMP errors come. Rejects with the system's error. Does not keep the
   * process alive.
   */
  static connect(
    remote: UdpAddress,
    listener: UdpSocketListener,
    { address, port }: LocalChoice = {},
  ): Promise<UdpSocket> {
    // Node would bind to what is left of the number in 16 bits.
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
      return Promise.reject(new RangeError(`not a port: ${port}`))
    return open(remote, listener, (socket, onReady, guard) => {
      socket.once('connect', onReady)
      const connect = guard(() => socket.connect(remote.port, remote.host))
      if (address === undefined && port === undefined) return connect()
      socket.once('listening', connect)
      socket.bind({ port: port ?? 0, exclusive: true, ...(address === undefined ? {} : { address }) })
    })
  }

  /** For any number of peers. Rejects with the system's error. Keeps the process alive. */
  static async bind(local: UdpAddress, listener: UdpSocketListener): Promise<UdpSocket> {
    const socket = await open(local, listener, (socket, onReady) => {
      socket.once('listening', onReady)
      socket.bind({ address: local.host, port: local.port, exclusive: true })
    })
    socket.ref()
    return socket
  }

  /** To the address that it is connected to. */
  send(bytes: Buffer): void {
    if (this.#isOpen) this.#socket.send(bytes)
  }

  sendTo(bytes: Buffer, to: UdpAddress): void {
    if (this.#isOpen) this.#socket.send(bytes, to.port, to.host)
  }

  /** The kernel has no room: bytes that were given to it are in use, and more would queue up. */
  get isFull(): boolean {
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

function open(
  address: UdpAddress,
  listener: UdpSocketListener,
  start: (socket: Socket, onReady: () => void, guard: (run: () => void) => () => void) => void,
): Promise<UdpSocket> {
  return new Promise((resolve, reject) => {
    const type = isIPv6(address.host) ? 'udp6' : 'udp4'
    const socket = createSocket({ type, lookup: lookupLiteral })
    socket.unref()
    const fail = (error: Error): void => {
      reject(error)
      socket.close()
    }
    const guard = <Args extends readonly unknown[]>(run: (...args: Args) => void) =>
      guardedListener('opening a UDP socket', run, fail)
    const onError = guard(fail)
    socket.once('error', onError)
    const onReady = guard(() => {
      resolve(new UdpSocket(socket, listener))
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
