import type { ReadableStream, WritableStreamDefaultWriter } from 'node:stream/web'
import { systemClock } from '../base/clock.ts'
import { guarded, guardedPromise } from '../base/guard.ts'
import type { WebTransportSendGroup, WebTransportSession } from '../webtransport/types.ts'
import { AdaptedStream, orderOf, type StreamSides } from './adapted-stream.ts'
import type { PackageQueue, PackageSession, StreamOrder } from './package-contract.ts'

const DURING = 'a session of @fails-components/webtransport'
/** What the package keeps of streams that are not accepted. */
const MAX_UNACCEPTED = 128
/** Of unread datagrams: as many, or as many bytes where its reader wants bytes. */
const MAX_UNREAD = 64
const MAX_UNREAD_BYTES = 65_536
/** Datagrams that wait for QUIC to take them. */
const MAX_UNSENT = 256

type Direction = 'bidirectional' | 'unidirectional'

/** One of our sessions as the package wants it (its NativeHttpWTSession). */
export class AdaptedSession {
  /** The package puts its own session here. */
  jsobj: PackageSession | undefined
  readonly #session: WebTransportSession
  readonly #groups = new Map<bigint, WebTransportSendGroup>()
  readonly #datagrams: WritableStreamDefaultWriter<Uint8Array | ArrayBuffer>
  #unsent = 0
  #lostOutgoing = 0

  constructor(session: WebTransportSession) {
    this.#session = session
    session.datagrams.outgoingHighWaterMark = MAX_UNSENT
    this.#datagrams = session.datagrams.writable.getWriter()
    this.#datagrams.closed.catch(ignore) // `closed` of the session says it
  }

  /** It is open, and the package has taken it: everything that happens to it is reported from now on. */
  begin(): void {
    const session = this.#session
    this.#contain()
    this.#tell(jsobj => jsobj.onReady({ protocol: session.protocol }))
    guardedPromise(
      DURING,
      session.closed.then(
        ({ closeCode, reason }) => this.#onClosed(closeCode, reason),
        (error: Error) => this.#onClosed(0, error.message),
      ),
    )
    session.draining.then(() => this.#tell(jsobj => jsobj.onGoAwayReceived({})), ignore)
    this.#take(session.incomingBidirectionalStreams, sides => this.#onStream('bidirectional', sides))
    this.#take(session.incomingUnidirectionalStreams, readable =>
      this.#onStream('unidirectional', { readable }),
    )
    this.#take(session.datagrams.readable, datagram => this.#onDatagram(datagram))
  }

  /** It was never open. */
  fail(error: Error): void {
    this.#contain()
    this.#tell(jsobj => jsobj.onClose({ errorcode: 0, error: error.message }))
  }

  // What the package calls

  orderBidiStream(order: StreamOrder): boolean {
    return this.#open('bidirectional', order, options => this.#session.createBidirectionalStream(options))
  }

  orderUnidiStream(order: StreamOrder): boolean {
    return this.#open('unidirectional', order, async options => ({
      writable: await this.#session.createUnidirectionalStream(options),
    }))
  }

  writeDatagram(bytes: Uint8Array): { readonly code: 'success' | 'blocked' | 'tooBig' } {
    if (bytes.length > this.getMaxDatagramSize()) return { code: 'tooBig' }
    // The package does not wait, and datagrams are worth no queue without a bound.
    if (this.#unsent >= MAX_UNSENT) {
      this.#lostOutgoing += 1
      return { code: 'blocked' }
    }
    this.#unsent += 1
    const onTaken = (): void => void (this.#unsent -= 1)
    this.#datagrams.write(bytes).then(onTaken, onTaken)
    return { code: 'success' }
  }

  getMaxDatagramSize(): number {
    return this.#session.datagrams.maxDatagramSize
  }

  orderSessionStats(): void {
    this.#session.getStats().then(({ smoothedRtt, datagrams }) => {
      const stats = {
        ...this.#datagramStats(datagrams.expiredOutgoing),
        smoothedRtt,
        estimatedSendRateBps: null,
      }
      this.#tell(jsobj => jsobj.onSessionStats(stats))
    }, ignore) // the session is over, as the package knows
  }

  orderDatagramStats(): void {
    this.#session.getStats().then(({ datagrams }) => {
      const stats = this.#datagramStats(datagrams.expiredOutgoing)
      this.#tell(jsobj => jsobj.onDatagramStats(stats))
    }, ignore)
  }

  notifySessionDraining(): void {
    this.#session.drain()
  }

  close({ code, reason }: { code: number; reason: string }): void {
    this.#session.close({ closeCode: code, reason })
  }

  #datagramStats(expiredOutgoing: number): {
    timestamp: number
    expiredOutgoing: number
    lostOutgoing: number
  } {
    return { timestamp: systemClock.now(), expiredOutgoing, lostOutgoing: this.#lostOutgoing }
  }

  /** False: it was refused at once. There is no call for what is refused later. */
  #open(
    direction: Direction,
    order: StreamOrder,
    create: (options: {
      sendOrder: number
      sendGroup: WebTransportSendGroup | null
      waitUntilAvailable: boolean
    }) => Promise<StreamSides>,
  ): boolean {
    const { sendGroup, waitUntilAvailable = false } = order
    if (!waitUntilAvailable && !this.#session.mayOpen(direction)) return false
    const sendGroupId = sendGroup?._sendGroupId ?? 0n
    const sendOrder = orderOf(order.sendOrder ?? 0)
    const options = { sendOrder, sendGroup: this.#groupOf(sendGroupId), waitUntilAvailable }
    create(options).then(
      sides => this.#handOn(sides, direction, { incoming: false, sendGroupId, sendOrder }),
      ignore, // the session is over
    )
    return true
  }

  #groupOf(id: bigint): WebTransportSendGroup | null {
    if (id === 0n) return null
    const known = this.#groups.get(id)
    if (known !== undefined) return known
    const group = this.#session.createSendGroup()
    this.#groups.set(id, group)
    return group
  }

  #handOn(
    sides: StreamSides,
    direction: Direction,
    how: { readonly incoming: boolean; readonly sendGroupId: bigint; readonly sendOrder: number },
  ): void {
    const stream = new AdaptedStream(sides, id => this.#groupOf(id))
    this.#tell(jsobj => jsobj.onStream({ stream, bidirectional: direction === 'bidirectional', ...how }))
    if (stream.jsobj === undefined) stream.refuse()
    else stream.begin()
  }

  // What the session reports

  #onStream(direction: Direction, sides: StreamSides): void {
    const { jsobj } = this
    const queue = direction === 'bidirectional' ? jsobj?.incomBiDiController : jsobj?.incomUniDiController
    if (isFull(queue, MAX_UNACCEPTED)) new AdaptedStream(sides, () => null).refuse()
    else this.#handOn(sides, direction, { incoming: true, sendGroupId: 0n, sendOrder: 0 })
  }

  #onDatagram(datagram: Uint8Array): void {
    const { jsobj } = this
    const isFullNow =
      isFull(jsobj?.incomDatagramController_, MAX_UNREAD) ||
      isFull(jsobj?.incomDatagramControllerBytes_, MAX_UNREAD_BYTES)
    if (!isFullNow) this.#tell(session => session.onDatagramReceived({ datagram }))
  }

  #onClosed(errorcode: number, error: string): void {
    this.#tell(jsobj => {
      // A session that drains it would take for one that never was.
      if (jsobj.state === 'draining') jsobj.state = 'connected'
      jsobj.onClose({ errorcode, error })
    })
  }

  #take<Item>(items: ReadableStream<Item>, take: (item: Item) => void): void {
    const run = async (): Promise<void> => {
      for await (const item of items) take(item)
    }
    run().catch(ignore) // the end of the session is reported by itself
  }

  /** Who does not look at its promises must not be ended by a peer. */
  #contain(): void {
    const { ready, closed, draining } = this.jsobj ?? {}
    for (const promise of [ready, closed, draining]) promise?.catch(ignore)
  }

  #tell(say: (jsobj: PackageSession) => void): void {
    const { jsobj } = this
    if (jsobj !== undefined) guarded(DURING, () => say(jsobj))
  }
}

function isFull(queue: PackageQueue | undefined, most: number): boolean {
  return (queue?.desiredSize ?? 0) <= -most
}

function ignore(): void {}
