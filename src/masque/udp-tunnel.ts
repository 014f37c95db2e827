import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../base/clock.ts'
import { guardedListener, guardedMicrotask } from '../base/guard.ts'
import type { HttpDatagrams } from '../base/http/http-datagrams.ts'
import type { DatagramTunnel, DatagramTunnelOwner } from '../base/socket/datagram-tunnel.ts'
import type { StreamSocket } from '../base/socket/stream-socket.ts'
import { CapsuleFault, type CapsuleReader } from '../http/http3/frames/capsule-reader.ts'
import {
  CONTEXT_BYTES,
  datagramCapsules,
  encodeUdpCapsule,
  encodeUdpPayload,
  MAX_UDP_PAYLOAD_BYTES,
  readUdpPayload,
} from './udp-datagrams.ts'

/** The stream of a CONNECT-UDP that was accepted. */
export type UdpTunnelStream = Duplex & Partial<Pick<StreamSocket, 'datagrams' | 'ref' | 'unref'>>

export interface UdpTunnelOptions {
  readonly clock: Clock
  /** Of capsules that wait for the window of the peer; what is beyond is lost. */
  readonly maxQueuedBytes: number
}

/** As DatagramTunnelOwner gets it. */
interface TunnelEndReason {
  readonly error: Error
  readonly isOrderly: boolean
}

/** How long the peer may take to end its side after we have ended ours. */
const LINGER_MS = 1_000
const DURING = 'an event of a UDP tunnel'

/**
 * One tunnel for datagrams (RFC 9298), in either role: datagrams go as such where the connection carries
 * them and they fit, and in capsules on the stream else; those that come are taken either way. It reads
 * always, so that nothing piles up in front of it.
 *
 * - `open`: datagrams go both ways. Valid transitions: over
 * - `over`: the peer, an error or its holder has ended it. Final
 */
export class UdpTunnel implements DatagramTunnel {
  #owner: DatagramTunnelOwner | undefined
  /** Why it is over, where nobody was there to be notified. */
  #missedEnd: TunnelEndReason | undefined
  readonly #stream: UdpTunnelStream
  readonly #datagrams: HttpDatagrams | undefined
  readonly #reader: CapsuleReader
  readonly #options: UdpTunnelOptions
  #isOver = false
  #linger: Timer | undefined
  #dropped = 0

  constructor(stream: UdpTunnelStream, options: UdpTunnelOptions) {
    this.#stream = stream
    this.#options = options
    this.#datagrams = stream.datagrams?.()
    this.#reader = datagramCapsules(datagram => this.#receive(datagram))
    const fail = (error: Error): void => {
      stream.destroy()
      this.#end(error)
    }
    stream.on(
      'data',
      guardedListener(
        DURING,
        (chunk: Buffer) => {
          try {
            if (!this.#isOver) this.#reader.receive(chunk)
          } catch (error) {
            if (!(error instanceof CapsuleFault)) throw error
            fail(error) // RFC 9297 3.3: malformed
          }
        },
        fail,
      ),
    )
    stream.on(
      'end',
      guardedListener(
        DURING,
        () => {
          stream.end()
          this.#end(new Error('the peer ended the tunnel'), true)
        },
        fail,
      ),
    )
    stream.on(
      'error',
      guardedListener(DURING, (error: Error) => this.#end(error), fail),
    )
    stream.on(
      'close',
      guardedListener(
        DURING,
        () => {
          this.#linger?.cancel()
          this.#end(new Error('the connection under the tunnel was closed'))
        },
        fail,
      ),
    )
    stream.resume() // that of HTTP/1.1 comes paused
    if (this.#datagrams !== undefined)
      this.#datagrams.onDatagram = datagram => {
        if (!this.#isOver) this.#receive(datagram)
      }
  }

  get owner(): DatagramTunnelOwner | undefined {
    return this.#owner
  }

  set owner(owner: DatagramTunnelOwner | undefined) {
    this.#owner = owner
    const missed = this.#missedEnd
    if (owner === undefined || missed === undefined) return
    this.#missedEnd = undefined
    guardedMicrotask(DURING, () => owner.onClosed(missed.error, missed.isOrderly))
  }

  get maxDatagramBytes(): number {
    return Math.max(0, (this.#datagrams?.maxBytes ?? 0) - CONTEXT_BYTES)
  }

  /** Payloads that there was no room for, and contents of other contexts. */
  get dropped(): number {
    return this.#dropped
  }

  send(payload: Uint8Array): boolean {
    const isTaken = !this.#isOver && payload.length <= MAX_UDP_PAYLOAD_BYTES && this.#put(payload)
    if (!isTaken) this.#dropped += 1
    return isTaken
  }

  ref(): void {
    this.#stream.ref?.()
  }

  unref(): void {
    this.#stream.unref?.()
  }

  /** What waits is thrown away, since nobody else would end a tunnel whose peer takes nothing. */
  close(): void {
    if (this.#isOver) return
    this.#owner = undefined
    this.#end(undefined)
    const stream = this.#stream
    if (stream.writableLength > 0) {
      stream.destroy()
      return
    }
    stream.end()
    this.#linger = this.#options.clock.setTimer(LINGER_MS, () => stream.destroy())
  }

  #put(payload: Uint8Array): boolean {
    const datagrams = this.#datagrams
    const bytes = CONTEXT_BYTES + payload.length
    if (datagrams !== undefined && bytes <= datagrams.maxBytes)
      return datagrams.send(encodeUdpPayload(payload))
    const stream = this.#stream
    if (!stream.writable || stream.writableLength + bytes > this.#options.maxQueuedBytes) return false
    stream.write(encodeUdpCapsule(payload))
    return true
  }

  #receive(datagram: Buffer): void {
    const payload = readUdpPayload(datagram)
    if (payload === undefined) this.#dropped += 1
    else this.#owner?.onDatagram(payload)
  }

  #end(error: Error | undefined, isOrderly = false): void {
    if (this.#isOver) return
    this.#isOver = true
    if (this.#datagrams !== undefined) this.#datagrams.onDatagram = undefined
    const owner = this.#owner
    this.#owner = undefined
    if (error === undefined) return
    if (owner === undefined) this.#missedEnd = { error, isOrderly }
    else owner.onClosed(error, isOrderly)
  }
}
