import type {
  CarrierStats,
  RawStream,
  SessionLimits,
  StreamDirection,
  WebTransportCarrier,
  WebTransportCarrierOwner,
} from '../../../base/http/web-transport-carrier.ts'
import type { QuicConnection } from '../../../quic/engine.ts'
import type { Http3Settings } from '../frames/settings.ts'
import type { TunnelDatagrams } from '../stream-datagrams.ts'
import { SESSION_GONE } from './code-points.ts'
import type { SessionStream } from './session-stream.ts'

/** What sessions ask of the connection of HTTP/3 that carries them. */
export interface CarryingConnection {
  readonly role: 'client' | 'server'
  readonly quic: QuicConnection
  readonly datagrams: TunnelDatagrams
  readonly ownSettings: Http3Settings
  readonly peerSettings: Http3Settings
  readonly isEnded: boolean
  /** Something was put out from outside of a turn. */
  reportOutput(): void
}

/** What a carrier asks of the streams of its connection. */
export interface SessionCarrierHost {
  open(sessionId: number, direction: StreamDirection): SessionStream | undefined
  onClosed(session: SessionCarrier): void
  /** See onRoom. */
  awaitRoom(session: SessionCarrier): void
}

/** The streams and datagrams of one session, among all that its connection carries. */
export class SessionCarrier implements WebTransportCarrier {
  readonly sessionId: number
  readonly ownLimits: SessionLimits | undefined
  readonly peerLimits: SessionLimits | undefined
  readonly #core: CarryingConnection
  readonly #host: SessionCarrierHost
  readonly #streams = new Set<SessionStream>()
  #owner: WebTransportCarrierOwner | undefined
  /** What came before its owner did. */
  #early: (SessionStream | Buffer)[] = []
  #isDraining = false
  #isClosed = false

  constructor(core: CarryingConnection, host: SessionCarrierHost, sessionId: number) {
    const { webTransport: own } = core.ownSettings
    const { webTransport: peer } = core.peerSettings
    this.#core = core
    this.#host = host
    this.sessionId = sessionId
    // Flow control is on where both sides have asked for it (5.1).
    const isNegotiated = own?.limits !== undefined && peer?.limits !== undefined
    this.ownLimits = isNegotiated ? own.limits : undefined
    this.peerLimits = isNegotiated ? peer.limits : undefined
  }

  attach(owner: WebTransportCarrierOwner): void {
    this.#owner = owner
    const early = this.#early
    this.#early = []
    for (const item of early) {
      if (this.#isClosed) return
      if (Buffer.isBuffer(item)) owner.onDatagram(item)
      else owner.onStream(item)
    }
    if (this.#isDraining) owner.onDraining()
  }

  get maxDatagramBytes(): number {
    return this.#isClosed ? 0 : this.#core.datagrams.maxBytesOf(this.sessionId)
  }

  get stats(): CarrierStats {
    return this.#core.quic.stats()
  }

  streamsLeft(direction: StreamDirection): number {
    return this.#isClosed || this.#core.isEnded ? 0 : this.#core.quic.streamsLeft(direction)
  }

  openStream(direction: StreamDirection): RawStream | undefined {
    return this.#isClosed ? undefined : this.#host.open(this.sessionId, direction)
  }

  sendDatagram(payload: Uint8Array): boolean {
    if (payload.length > this.maxDatagramBytes) return false
    const isTaken = this.#core.datagrams.send(this.sessionId, payload)
    if (!isTaken && !this.#isClosed) this.#host.awaitRoom(this)
    return isTaken
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#early = []
    for (const stream of this.#streams) stream.breakOff(SESSION_GONE)
    this.#host.onClosed(this)
  }

  // What the connection reports

  add(stream: SessionStream): void {
    this.#streams.add(stream)
    if (stream.isLocal) return
    if (this.#owner === undefined) this.#early.push(stream)
    else this.#owner.onStream(stream)
  }

  remove(stream: SessionStream): void {
    this.#streams.delete(stream)
  }

  receiveDatagram(payload: Buffer): void {
    if (this.#owner === undefined) this.#early.push(payload)
    else this.#owner.onDatagram(payload)
  }

  onCredit(): void {
    this.#owner?.onStreamCredit()
  }

  onRoom(): void {
    this.#owner?.onRoom()
  }

  onDraining(): void {
    if (this.#isDraining || this.#isClosed) return
    this.#isDraining = true
    this.#owner?.onDraining()
  }
}
