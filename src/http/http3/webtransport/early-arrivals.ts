import type { SessionStream } from './session-stream.ts'

/** What came for sessions that are not there yet. */
export interface EarlyLimits {
  /** Streams, over all sessions of the connection. Nothing of them is read: QUIC holds a window of each. */
  readonly maxStreams: number
  /** Datagrams, likewise; the oldest makes room. */
  readonly maxDatagrams: number
}

interface EarlyDatagram {
  readonly sessionId: number
  readonly payload: Buffer
}

/**
 * Streams and datagrams that overtook the request for their session, or its answer
 * (draft-ietf-webtrans-http3 4.6): they wait, within bounds, for it to be accepted or refused.
 */
export class EarlyArrivals {
  readonly #limits: EarlyLimits
  readonly #streams = new Map<number, SessionStream[]>()
  #streamCount = 0
  #datagrams: EarlyDatagram[] = []
  #droppedDatagrams = 0

  constructor(limits: EarlyLimits) {
    this.#limits = limits
  }

  get droppedDatagrams(): number {
    return this.#droppedDatagrams
  }

  /** False: too many wait already. */
  addStream(stream: SessionStream): boolean {
    if (this.#streamCount >= this.#limits.maxStreams) return false
    this.#streamCount += 1
    const waiting = this.#streams.get(stream.sessionId)
    if (waiting === undefined) this.#streams.set(stream.sessionId, [stream])
    else waiting.push(stream)
    return true
  }

  /** The payload is kept as it is. */
  addDatagram(sessionId: number, payload: Buffer): void {
    if (this.#datagrams.length >= this.#limits.maxDatagrams) {
      this.#datagrams.shift() // bounded: a handful
      this.#droppedDatagrams += 1
    }
    if (this.#limits.maxDatagrams > 0) this.#datagrams.push({ sessionId, payload })
  }

  /** A stream is over before its session came. */
  remove(stream: SessionStream): void {
    const waiting = this.#streams.get(stream.sessionId)
    const index = waiting?.indexOf(stream) ?? -1
    if (waiting === undefined || index === -1) return
    waiting.splice(index, 1)
    this.#streamCount -= 1
    if (waiting.length === 0) this.#streams.delete(stream.sessionId)
  }

  /** Whatever becomes of the session: what waits for it waits no longer. */
  take(sessionId: number): {
    readonly streams: readonly SessionStream[]
    readonly datagrams: readonly Buffer[]
  } {
    const streams = this.#streams.get(sessionId) ?? []
    this.#streams.delete(sessionId)
    this.#streamCount -= streams.length
    const datagrams: Buffer[] = []
    if (this.#datagrams.length > 0) {
      const others: EarlyDatagram[] = []
      for (const datagram of this.#datagrams) {
        if (datagram.sessionId === sessionId) datagrams.push(datagram.payload)
        else others.push(datagram)
      }
      this.#datagrams = others
    }
    return { streams, datagrams }
  }
}
