import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { Clock } from '../../base/clock.ts'
import type { Direction } from './conditions.ts'

export interface UdpEnd {
  readonly host: string
  readonly port: number
}

/** Datagrams that wait for the socket of a new flow: more than the first flight of any client. */
const MAX_WAITING = 64

/** One client of a UDP relay, and the socket that the server sees in its place, as behind a NAT. */
export class NatFlow {
  readonly client: UdpEnd
  /** Directions in which nothing passes any more. */
  readonly silent = new Set<Direction>()
  usedAt: number
  readonly #target: UdpEnd
  readonly #onAnswer: (datagram: Buffer, flow: NatFlow) => void
  #upstream: Socket | undefined
  #waiting: Buffer[] = []
  /** Sockets of before a rebinding that still listen. */
  readonly #old = new Set<Socket>()
  /** The first socket is open, or cannot be had: then nothing passes. */
  readonly #isReady: Promise<void>
  #isClosed = false

  constructor(
    client: UdpEnd,
    target: UdpEnd,
    now: number,
    onAnswer: (datagram: Buffer, flow: NatFlow) => void,
  ) {
    this.client = client
    this.usedAt = now
    this.#target = target
    this.#onAnswer = onAnswer
    this.#isReady = this.#open(undefined).then(
      socket => this.#use(socket),
      () => this.close(),
    )
  }

  /** What the server sees; undefined: not yet open. */
  get port(): number | undefined {
    return this.#upstream?.address().port
  }

  /** To the server. Losses there are nobody's: it is UDP. */
  send(datagram: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#upstream !== undefined) this.#upstream.send(datagram, this.#target.port, this.#target.host)
    else if (this.#waiting.length < MAX_WAITING) this.#waiting.push(Buffer.from(datagram))
  }

  /**
   * From another port (of another local address) from now on. What comes to the old one is lost, or still
   * passes for `keepsOldMs`.
   */
  async rebind(host: string | undefined, keepsOldMs: number, clock: Clock): Promise<void> {
    await this.#isReady
    // Opened while the old one is open, so that it cannot get the same port.
    const next = await this.#open(host)
    const old = this.#upstream
    this.#use(next)
    if (old === undefined) return
    if (keepsOldMs === 0) {
      old.close()
      return
    }
    this.#old.add(old)
    clock.setTimer(keepsOldMs, () => {
      if (this.#old.delete(old)) old.close()
    })
  }

  close(): void {
    this.#isClosed = true
    this.#waiting = []
    if (this.#upstream !== undefined) this.#upstream.close()
    for (const socket of this.#old) socket.close()
    this.#old.clear()
  }

  #use(socket: Socket): void {
    if (this.#isClosed) {
      socket.close()
      return
    }
    this.#upstream = socket
    for (const datagram of this.#waiting.splice(0)) this.send(datagram)
  }

  async #open(host: string | undefined): Promise<Socket> {
    const socket = await openSocket(0, host, this.#target.host.includes(':') ? 'udp6' : 'udp4')
    socket.on('message', (datagram, { address, port }) => {
      const isServer = port === this.#target.port && address === this.#target.host
      if (isServer && !this.#isClosed) this.#onAnswer(datagram, this)
    })
    return socket
  }
}

/**
 * As large as the system allows: what does not fit while the relay is busy is lost, and looks like the path's
 * doing.
 */
const SOCKET_BUFFER_BYTES = 4_194_304

/**
 * Resolves when it is bound. What ICMP says of datagrams sent is none of a relay's business. Rejects when the
 * address is not to be had.
 */
export async function openSocket(
  port: number,
  host: string | undefined,
  type: 'udp4' | 'udp6',
): Promise<Socket> {
  const socket = createSocket({
    type,
    recvBufferSize: SOCKET_BUFFER_BYTES,
    sendBufferSize: SOCKET_BUFFER_BYTES,
  })
  try {
    socket.bind({ port, ...(host !== undefined && { address: host }), exclusive: true })
    await once(socket, 'listening')
  } catch (error) {
    socket.close()
    throw error
  }
  socket.on('error', () => undefined)
  return socket
}
