import type { Duplex } from 'node:stream'
import { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web'
import type { Clock, Timer } from '../base/clock.ts'
import { asTransportError, TransportError } from '../base/errors.ts'
import { guardedListener } from '../base/guard.ts'
import type {
  RawStream,
  StreamDirection,
  WebTransportCarrier,
  WebTransportCarrierOwner,
} from '../base/http/web-transport-carrier.ts'
import { CapsuleFault } from '../http/http3/frames/capsule-reader.ts'
import { type Capsule, capsuleReader, encodeCapsule, limitCapsules } from './capsules.ts'
import { SessionDatagrams } from './datagrams.ts'
import { promiseParts } from './promise-parts.ts'
import { ReceiveSide, type ReceiveStreamHost } from './receive-stream.ts'
import { SendOrders } from './send-orders.ts'
import { SendSide, type SendStreamHost } from './send-stream.ts'
import { SessionFlow } from './session-flow.ts'
import type {
  CarriedSession,
  WebTransportBidirectionalStream,
  WebTransportCloseInfo,
  WebTransportReceiveStream,
  WebTransportSendGroup,
  WebTransportSendStream,
  WebTransportSendStreamOptions,
  WebTransportSession,
  WebTransportStats,
} from './types.ts'
import { WebTransportError } from './web-transport-error.ts'

/**
 * Streams of the peer that wait to be accepted; what comes beyond is refused. Each holds a window in QUIC at
 * most.
 */
const MAX_INCOMING = 1024
/** How long the peer has to end its side of a session that was closed. */
const LINGER_MS = 5_000
const DURING = 'a session of WebTransport'

/** What a session begins with. */
export interface SessionStart {
  /** The stream of its CONNECT. */
  readonly tunnel: Duplex
  readonly carrier: WebTransportCarrier
  readonly protocol: string
  readonly headers: WebTransportSession['headers']
}

/**
 * - `connecting`: its CONNECT has no answer yet. Valid transitions: open, closed
 * - `open`: streams and datagrams go both ways. Valid transitions: closed
 * - `closed`: by either side, or lost. Final
 */
type State =
  | { readonly kind: 'connecting' }
  | { readonly kind: 'open'; readonly start: SessionStart }
  | { readonly kind: 'closed'; readonly error: WebTransportError }

/** A session in either role, over the tunnel of its CONNECT and the carrier of its streams. */
export class OpenSession
  implements CarriedSession, WebTransportCarrierOwner, ReceiveStreamHost, SendStreamHost
{
  readonly ready: Promise<void>
  readonly closed: Promise<WebTransportCloseInfo>
  readonly draining: Promise<void>
  readonly incomingBidirectionalStreams: ReadableStream<WebTransportBidirectionalStream>
  readonly incomingUnidirectionalStreams: ReadableStream<WebTransportReceiveStream>
  readonly datagrams: SessionDatagrams
  readonly orders = new SendOrders()
  readonly #clock: Clock
  readonly #isServer: boolean
  /** Closed while it is connecting. */
  readonly #onGivenUp: (error: TransportError) => void
  readonly #ready = promiseParts<void>()
  readonly #closed = promiseParts<WebTransportCloseInfo>()
  readonly #draining = promiseParts<void>()
  readonly #capsules = capsuleReader(capsule => this.#onCapsule(capsule))
  readonly #receiving = new Set<ReceiveSide>()
  readonly #sending = new Set<SendSide>()
  /** Streams that wait for the flow control of the session. */
  #waitingToSend = new Set<SendSide>()
  /** Who waits for a stream. */
  readonly #waitingToOpen = new Set<() => void>()
  #acceptBidirectional: ReadableStreamDefaultController<WebTransportBidirectionalStream> | undefined
  #acceptUnidirectional: ReadableStreamDefaultController<WebTransportReceiveStream> | undefined
  #flow = new SessionFlow(undefined, undefined)
  #state: State = { kind: 'connecting' }
  /** What was agreed on stays to be read when it is over. */
  #start: SessionStart | undefined
  #linger: Timer | undefined

  constructor(options: { clock: Clock; isServer: boolean; onGivenUp?: (error: TransportError) => void }) {
    const { clock } = options
    this.#clock = clock
    this.#isServer = options.isServer
    this.#onGivenUp = options.onGivenUp ?? (() => {})
    this.ready = this.#ready.promise
    this.closed = this.#closed.promise
    this.draining = this.#draining.promise
    this.datagrams = new SessionDatagrams(clock)
    this.incomingBidirectionalStreams = new ReadableStream<WebTransportBidirectionalStream>(
      {
        start: controller => void (this.#acceptBidirectional = controller),
        cancel: () => void (this.#acceptBidirectional = undefined),
      },
      { highWaterMark: 0 },
    )
    this.incomingUnidirectionalStreams = new ReadableStream<WebTransportReceiveStream>(
      {
        start: controller => void (this.#acceptUnidirectional = controller),
        cancel: () => void (this.#acceptUnidirectional = undefined),
      },
      { highWaterMark: 0 },
    )
  }

  // The driver's side

  /** It was accepted. */
  begin(start: SessionStart): void {
    const { tunnel, carrier } = start
    if (this.#state.kind !== 'connecting') {
      tunnel.on('error', () => {}).destroy() // it was given up meanwhile
      return
    }
    this.#state = { kind: 'open', start }
    this.#start = start
    this.#flow = new SessionFlow(carrier.ownLimits, carrier.peerLimits)
    const onFault = (error: TransportError): void => this.#onLost(error)
    tunnel.on(
      'data',
      guardedListener(DURING, (bytes: Buffer) => this.#onBytes(bytes), onFault),
    )
    tunnel.on(
      'end',
      guardedListener(DURING, () => this.#onTunnelEnd(), onFault),
    )
    tunnel.on(
      'error',
      guardedListener(DURING, (error: Error) => this.#onLost(error), onFault),
    )
    tunnel.on(
      'close',
      guardedListener(DURING, () => this.#onTunnelClosed(), onFault),
    )
    carrier.attach(this)
    this.datagrams.begin(carrier)
    this.#ready.resolve()
    this.#wakeOpeners()
  }

  /** It cannot be opened. */
  fail(cause: TransportError): void {
    if (this.#state.kind === 'connecting') this.#end(asSessionError(cause), undefined)
  }

  // W3C

  get protocol(): string {
    return this.#start?.protocol ?? ''
  }

  get reliability(): 'pending' | 'supports-unreliable' {
    return this.#state.kind === 'connecting' ? 'pending' : 'supports-unreliable'
  }

  get headers(): WebTransportSession['headers'] {
    return this.#start?.headers ?? {}
  }

  async createBidirectionalStream(
    options: WebTransportSendStreamOptions = {},
  ): Promise<WebTransportBidirectionalStream> {
    return this.#twoSided(await this.#open('bidirectional', options), options)
  }

  async createUnidirectionalStream(
    options: WebTransportSendStreamOptions = {},
  ): Promise<WebTransportSendStream> {
    const raw = await this.#open('unidirectional', options)
    const sending = this.#sendSide(raw, options)
    raw.owner = sideOwner(sending, undefined)
    return sending.writable
  }

  mayOpen(direction: StreamDirection): boolean {
    const state = this.#state
    if (state.kind !== 'open' || !this.#flow.mayOpen(direction)) return false
    return state.start.carrier.streamsLeft(direction) > 0
  }

  drain(): void {
    this.#say({ type: 'drain' })
  }

  createSendGroup(): WebTransportSendGroup {
    return this.orders.newGroup()
  }

  close({ closeCode = 0, reason = '' }: Partial<WebTransportCloseInfo> = {}): void {
    const state = this.#state
    if (!Number.isInteger(closeCode) || closeCode < 0 || closeCode > 0xffff_ffff)
      throw new TransportError(
        'MM_INVALID_ARGUMENT',
        `closeCode must be from 0 to 2^32 - 1, not ${closeCode}`,
      )
    if (state.kind === 'closed') return
    if (state.kind === 'connecting') {
      const error = new WebTransportError('MM_ABORTED', 'the session was closed before it was open')
      this.#end(error, undefined)
      this.#onGivenUp(error)
      return
    }
    state.start.tunnel.write(encodeCapsule({ type: 'close', closeCode, reason }))
    this.#end(closedError('closed here', closeCode, reason), { closeCode, reason })
  }

  get lostDatagrams(): CarriedSession['lostDatagrams'] {
    return this.datagrams.lost
  }

  abort(error: TransportError): void {
    this.#onLost(error)
  }

  async getStats(): Promise<WebTransportStats> {
    const { start } = this.#opened()
    const { sentBytes, sentPackets, lostPackets, receivedBytes, receivedPackets, rttMs } = start.carrier.stats
    return {
      bytesSent: sentBytes,
      packetsSent: sentPackets,
      packetsLost: lostPackets,
      bytesReceived: receivedBytes,
      packetsReceived: receivedPackets,
      smoothedRtt: rttMs,
      datagrams: this.datagrams.figures,
    }
  }

  // What the carrier reports

  onStream(raw: RawStream): void {
    const isBidirectional = raw.direction === 'bidirectional'
    if (!this.#flow.onPeerOpened(raw.direction)) {
      this.#onLost(
        new TransportError('MM_PROTOCOL_ERROR', `the peer opened more ${raw.direction} streams than it may`),
      )
      return
    }
    const accept = isBidirectional ? this.#acceptBidirectional : this.#acceptUnidirectional
    if (accept === undefined || (accept.desiredSize ?? 0) <= -MAX_INCOMING) {
      raw.stop(0)
      raw.reset(0)
      this.#flow.onPeerEnded(raw.direction)
      return
    }
    if (isBidirectional) this.#acceptBidirectional?.enqueue(this.#twoSided(raw, {}))
    else {
      const receiving = this.#receiveSide(raw)
      raw.owner = sideOwner(undefined, receiving)
      this.#acceptUnidirectional?.enqueue(receiving.readable)
    }
  }

  onDatagram(payload: Buffer): void {
    this.datagrams.receive(payload)
  }

  onStreamCredit(): void {
    this.#wakeOpeners()
  }

  onRoom(): void {
    this.datagrams.onRoom()
  }

  /** The connection goes: a server says so to each session, whose client may have other sessions in mind. */
  onDraining(): void {
    if (this.#isServer) this.drain()
    this.#draining.resolve()
  }

  // What streams report: ReceiveStreamHost, SendStreamHost

  onReceived(bytes: number): boolean {
    if (this.#flow.onReceived(bytes)) {
      this.#announceLimits()
      return true
    }
    this.#onLost(new TransportError('MM_PROTOCOL_ERROR', 'the peer sent more than the session allows'))
    return false
  }

  onReceiveEnded(stream: ReceiveSide, isCounted: boolean): void {
    this.#receiving.delete(stream)
    if (!isCounted) this.#flow.onUncounted()
    this.#announceLimits()
  }

  get sendRoom(): number {
    return this.#flow.sendRoom
  }

  onSent(bytes: number): void {
    this.#flow.onSent(bytes)
  }

  awaitRoom(stream: SendSide): void {
    this.#waitingToSend.add(stream)
  }

  onSendEnded(stream: SendSide): void {
    this.#sending.delete(stream)
    this.#waitingToSend.delete(stream)
  }

  // Streams

  async #open(direction: StreamDirection, options: WebTransportSendStreamOptions): Promise<RawStream> {
    this.orders.groupOf(options.sendGroup)
    if (this.#state.kind === 'connecting') await this.ready
    for (;;) {
      const { start } = this.#opened()
      const raw = this.#flow.mayOpen(direction) ? start.carrier.openStream(direction) : undefined
      if (raw !== undefined) {
        this.#flow.onOpened(direction)
        return raw
      }
      if (options.waitUntilAvailable !== true) {
        const message = `the peer allows no further ${direction} stream now`
        throw new WebTransportError('MM_REFUSED', message, { source: 'session' })
      }
      await new Promise<void>(resolve => this.#waitingToOpen.add(resolve))
    }
  }

  #twoSided(raw: RawStream, options: WebTransportSendStreamOptions): WebTransportBidirectionalStream {
    const sending = this.#sendSide(raw, options)
    const receiving = this.#receiveSide(raw)
    raw.owner = sideOwner(sending, receiving)
    return { readable: receiving.readable, writable: sending.writable }
  }

  #sendSide(raw: RawStream, { sendOrder, sendGroup }: WebTransportSendStreamOptions): SendSide {
    const sending = new SendSide(raw, this, sendOrder, this.orders.groupOf(sendGroup))
    this.#sending.add(sending)
    return sending
  }

  #receiveSide(raw: RawStream): ReceiveSide {
    const receiving = new ReceiveSide(raw, {
      onReceived: bytes => this.onReceived(bytes),
      onReceiveEnded: (side, isCounted) => {
        if (!raw.isLocal) this.#flow.onPeerEnded(raw.direction)
        this.onReceiveEnded(side, isCounted)
      },
    })
    this.#receiving.add(receiving)
    return receiving
  }

  #wakeOpeners(): void {
    const waiting = [...this.#waitingToOpen]
    this.#waitingToOpen.clear()
    for (const wake of waiting) wake()
  }

  // The tunnel

  #onBytes(bytes: Buffer): void {
    if (this.#state.kind !== 'open') return // what still comes is late
    try {
      this.#capsules.receive(bytes)
    } catch (error) {
      if (!(error instanceof CapsuleFault)) throw error
      this.#onLost(new TransportError('MM_PROTOCOL_ERROR', error.message))
    }
  }

  #onCapsule(capsule: Capsule): void {
    if (this.#state.kind !== 'open') throw new CapsuleFault('a capsule behind the one that ends the session')
    switch (capsule.type) {
      case 'close': {
        const { closeCode, reason } = capsule
        this.#end(closedError('closed by the peer', closeCode, reason), { closeCode, reason })
        break
      }
      case 'drain':
        this.#draining.resolve()
        break
      case 'max-data': {
        this.#flow.onMaxData(capsule.value)
        const waiting = this.#waitingToSend
        this.#waitingToSend = new Set()
        for (const stream of waiting) stream.onWritable()
        break
      }
      case 'max-streams':
        this.#flow.onMaxStreams(capsule.direction, capsule.value)
        this.#wakeOpeners()
        break
    }
  }

  /** An end without a word is one with code 0 (6). */
  #onTunnelEnd(): void {
    if (this.#state.kind !== 'open') return
    if (this.#capsules.isWithinCapsule) {
      this.#onLost(new TransportError('MM_PROTOCOL_ERROR', 'the session ended within a capsule'))
    } else this.#end(closedError('closed by the peer', 0, ''), { closeCode: 0, reason: '' })
  }

  #onTunnelClosed(): void {
    this.#linger?.cancel()
    this.#onLost(new TransportError('MM_CONNECTION_CLOSED', 'the connection of the session has ended'))
  }

  #say(capsule: Capsule): void {
    if (this.#state.kind === 'open' && this.#state.start.tunnel.writable)
      this.#state.start.tunnel.write(encodeCapsule(capsule))
  }

  #announceLimits(): void {
    const moved = this.#flow.nextLimits()
    if (moved !== undefined) for (const capsule of limitCapsules(...moved)) this.#say(capsule)
  }

  // The end

  #opened(): Extract<State, { kind: 'open' }> {
    const state = this.#state
    if (state.kind === 'open') return state
    if (state.kind === 'closed') throw state.error
    throw new WebTransportError('MM_WEBTRANSPORT_CLOSED', 'the session is not open yet')
  }

  /** It ends without having been closed. */
  #onLost(cause: unknown): void {
    const state = this.#state
    if (state.kind !== 'open') return
    this.#end(asSessionError(asTransportError(cause, 'MM_CONNECTION_CLOSED')), undefined)
    state.start.tunnel.destroy()
  }

  /** `info` undefined: it was lost, or never was. */
  #end(error: WebTransportError, info: WebTransportCloseInfo | undefined): void {
    const state = this.#state
    if (state.kind === 'closed') return
    this.#state = { kind: 'closed', error }
    if (state.kind === 'open') {
      const { tunnel, carrier } = state.start
      carrier.close()
      if (info !== undefined) {
        tunnel.end()
        this.#linger = this.#clock.setTimer(LINGER_MS, () => tunnel.destroy())
      }
    }
    for (const stream of this.#receiving) stream.end(error)
    for (const stream of this.#sending) stream.end(error)
    this.datagrams.end(error, info === undefined)
    this.#endAccepting(info === undefined ? error : undefined)
    this.#wakeOpeners()
    this.#ready.reject(error)
    if (info === undefined) this.#closed.reject(error)
    else this.#closed.resolve(info)
  }

  #endAccepting(error: WebTransportError | undefined): void {
    for (const accept of [this.#acceptBidirectional, this.#acceptUnidirectional]) {
      if (error === undefined) accept?.close()
      else accept?.error(error)
    }
    this.#acceptBidirectional = undefined
    this.#acceptUnidirectional = undefined
  }
}

function sideOwner(sending: SendSide | undefined, receiving: ReceiveSide | undefined): RawStream['owner'] {
  return {
    onReadable: () => receiving?.onReadable(),
    onReset: code => receiving?.onReset(code),
    onWritable: () => sending?.onWritable(),
    onStopped: code => sending?.onStopped(code),
  }
}

function closedError(how: string, closeCode: number, reason: string): WebTransportError {
  const because = reason === '' ? '' : `: ${reason}`
  return new WebTransportError(
    'MM_WEBTRANSPORT_CLOSED',
    `the session was ${how} with code ${closeCode}${because}`,
  )
}

function asSessionError(cause: TransportError): WebTransportError {
  if (cause instanceof WebTransportError) return cause
  return new WebTransportError(cause.code, cause.message, { source: 'session', cause })
}
