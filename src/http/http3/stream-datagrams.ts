import type { HttpDatagrams } from '../../base/http/http-datagrams.ts'
import type { QuicConnection } from '../../quic/engine.ts'
import { encodeDatagram } from './frames/datagrams.ts'
import type { Http3Settings } from './frames/settings.ts'
import { varintBytes } from './frames/varint.ts'

/** What they need of their session. */
interface DatagramCarrier {
  readonly quic: QuicConnection
  readonly options: { readonly enableDatagrams: boolean }
  readonly peerSettings: Http3Settings
  readonly isEnded: boolean
  reportOutput(): void
}

/** The datagrams of one tunnel (RFC 9297 2). */
class StreamDatagrams implements HttpDatagrams {
  onDatagram: ((datagram: Buffer) => void) | undefined
  readonly #all: TunnelDatagrams
  readonly #streamId: number

  constructor(all: TunnelDatagrams, streamId: number) {
    this.#all = all
    this.#streamId = streamId
  }

  get maxBytes(): number {
    return this.#all.maxBytesOf(this.#streamId)
  }

  send(datagram: Uint8Array): boolean {
    return this.#all.send(this.#streamId, datagram)
  }
}

/** Those of all request streams of a session. */
export class TunnelDatagrams {
  readonly #carrier: DatagramCarrier
  /** Of tunnels whose holders have asked for them. */
  readonly #byStream = new Map<number, StreamDatagrams>()

  constructor(carrier: DatagramCarrier) {
    this.#carrier = carrier
  }

  of(streamId: number): HttpDatagrams {
    const known = this.#byStream.get(streamId) ?? new StreamDatagrams(this, streamId)
    this.#byStream.set(streamId, known)
    return known
  }

  maxBytesOf(streamId: number): number {
    const { quic, options, peerSettings, isEnded } = this.#carrier
    if (isEnded || !options.enableDatagrams || !peerSettings.h3Datagram) return 0 // RFC 9297 2.1.1
    return Math.max(0, quic.maxDatagramBytes - varintBytes(streamId / 4))
  }

  /** False: it was not taken. */
  send(streamId: number, datagram: Uint8Array): boolean {
    if (datagram.length > this.maxBytesOf(streamId)) return false
    const isTaken = this.#carrier.quic.sendDatagram(encodeDatagram(streamId, datagram))
    if (isTaken) this.#carrier.reportOutput()
    return isTaken
  }

  /** Borrowed. False: nobody has asked for those of the stream. */
  receive(streamId: number, datagram: Buffer): boolean {
    const known = this.#byStream.get(streamId)
    known?.onDatagram?.(datagram)
    return known !== undefined
  }

  onStreamOver(streamId: number): void {
    this.#byStream.delete(streamId)
  }
}
