import type { OutgoingDatagram, UdpAddress } from '../engine.ts'
import { connectUdp } from './open-udp.ts'
import type { LinkSocket } from './udp-link.ts'
import type { LocalChoice, UdpSocket } from './udp-port.ts'

export interface LinkSocketsListener {
  onDatagram(datagram: Buffer, local: UdpAddress): void
  onBatchBegin(): void
  onBatchEnd(): void
  onError(error: Error, local: UdpAddress): void
}

/**
 * The UDP sockets of one client connection: one, and while it moves the one that it came from beside. Each is
 * connected to the peer, so that nothing is received from others and ICMP errors come.
 */
export class LinkSockets implements LinkSocket {
  readonly #remote: UdpAddress
  readonly #listener: LinkSocketsListener
  readonly #choice: LocalChoice
  readonly #all: UdpSocket[] = []
  /** What everything of those that were left is sent from. */
  #inUse: UdpAddress | undefined
  #left: readonly UdpAddress[] = []
  /** Whoever was asked for is kept as alive as the others. */
  #isHeld = false
  #isOver = false
  /** Whose room was given out last. */
  #roomOwner: UdpSocket | undefined

  private constructor(remote: UdpAddress, listener: LinkSocketsListener, choice: LocalChoice) {
    this.#remote = remote
    this.#choice = choice
    this.#listener = listener
  }

  /** `choice` holds for all of them. Rejects with the system's error. */
  static async open(
    remote: UdpAddress,
    listener: LinkSocketsListener,
    choice: LocalChoice = {},
  ): Promise<LinkSockets> {
    const sockets = new LinkSockets(remote, listener, choice)
    await sockets.add({})
    return sockets
  }

  /** The local addresses, in order of their opening. */
  get locals(): readonly UdpAddress[] {
    return this.#all.map(({ local }) => local)
  }

  /**
   * One more. Rejects with the system's error, when everything is over, and for another address than the one
   * that all are to have.
   */
  async add({ address, port }: Pick<LocalChoice, 'address' | 'port'>): Promise<UdpAddress> {
    const { address: only } = this.#choice
    if (only !== undefined && address !== undefined && address !== only)
      throw new Error(`the connection leaves from ${only}, as its egress says`)
    const slot: { local: UdpAddress | undefined } = { local: undefined }
    const socket = await connectUdp(
      this.#remote,
      {
        // The kernel has compared the sender; its text need not be that which we were given (`::1` has many).
        onDatagram: datagram => {
          if (slot.local !== undefined) this.#listener.onDatagram(datagram, slot.local)
        },
        onBatchBegin: () => this.#listener.onBatchBegin(),
        onBatchEnd: () => this.#listener.onBatchEnd(),
        onError: error => {
          if (slot.local !== undefined) this.#listener.onError(error, slot.local)
        },
      },
      { ...this.#choice, address: address ?? only, port },
    )
    if (this.#isOver) {
      socket.close()
      throw new Error('the connection has ended')
    }
    slot.local = socket.local
    if (this.#isHeld) socket.ref()
    this.#all.push(socket)
    return socket.local
  }

  /**
   * The connection sends from there now, and has left where it sent from before. What the engine still has to
   * say of a path that was left goes the way that works: the peer's answer to it is all that shows the engine
   * that what was in flight there is lost.
   */
  use(local: UdpAddress, before: UdpAddress): void {
    this.#inUse = local
    this.#left = [...this.#left.filter(left => !isSame(left, local) && !isSame(left, before)), before]
  }

  close(local: UdpAddress): void {
    const index = this.#all.findIndex(socket => isSame(socket.local, local))
    if (index < 0) return
    const [socket] = this.#all.splice(index, 1)
    socket?.close()
  }

  /**
   * What is sent from a socket that was closed without having been in use is lost, as on a path that is gone.
   */
  send({ bytes, from }: OutgoingDatagram): void {
    const [first] = this.#all
    const socket =
      this.#all.length === 1 && first !== undefined && isSame(first.local, from)
        ? first
        : this.#find(this.#isLeft(from) && this.#inUse !== undefined ? this.#inUse : from)
    // Another one's room: it may be written to again before this one has sent it.
    socket?.send(socket === this.#roomOwner ? bytes : Buffer.from(bytes))
  }

  room(bytes: number): Buffer {
    const inUse = this.#inUse === undefined ? undefined : this.#find(this.#inUse)
    this.#roomOwner = inUse ?? this.#all[0]
    return this.#roomOwner?.room(bytes) ?? Buffer.allocUnsafe(bytes)
  }

  flush(): void {
    for (const socket of this.#all) socket.flush()
  }

  /** For people: how datagrams are moved. */
  get description(): string | undefined {
    return this.#all[0]?.description
  }

  isFull(): boolean {
    for (const socket of this.#all) if (socket.isFull()) return true
    return false
  }

  ref(): void {
    this.#isHeld = true
    for (const socket of this.#all) socket.ref()
  }

  unref(): void {
    this.#isHeld = false
    for (const socket of this.#all) socket.unref()
  }

  release(): void {
    this.#isOver = true
    for (const socket of this.#all) socket.close()
    this.#all.length = 0
  }

  #isLeft(local: UdpAddress): boolean {
    return this.#left.some(left => isSame(left, local))
  }

  #find(local: UdpAddress): UdpSocket | undefined {
    return this.#all.find(socket => isSame(socket.local, local))
  }
}

function isSame(a: UdpAddress, b: UdpAddress): boolean {
  return a.port === b.port && a.host === b.host
}
