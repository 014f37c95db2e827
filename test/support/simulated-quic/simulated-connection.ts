import type { QuicOptions } from '../../../src/base/options/protocol-options.ts'
import type {
  OutgoingDatagram,
  QuicConnection,
  QuicEnd,
  QuicEvent,
  QuicStats,
  StreamDirection,
  StreamRead,
  UdpAddress,
} from '../../../src/quic/engine.ts'
import { Congestion } from './congestion.ts'
import type { EngineTraits } from './engine-traits.ts'
import type { Frame } from './frame.ts'
import { Handshake, type HandshakeSide } from './handshake.ts'
import {
  decodePacket,
  encodePacket,
  headBytes,
  type Packet,
  type PacketHead,
  type PacketKind,
  SIMULATED_VERSION,
} from './packet-codec.ts'
import { isAckEliciting, PacketFiller } from './packet-filler.ts'
import { QuicFault } from './quic-fault.ts'
import { ReceivedPackets } from './received-packets.ts'
import { Recovery, type SentPacket } from './recovery.ts'
import { StreamTable } from './stream-table.ts'
import { type TransportParameters, transportParameters } from './transport-parameters.ts'

export interface SimulatedConnectionOptions {
  readonly traits: EngineTraits
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly protocols: readonly string[]
  readonly quic: QuicOptions
  readonly connectionId: Buffer
  readonly side: HandshakeSide
}

/** Packets that came before their keys and are kept until then; more are dropped, and sent again. */
const MAX_HELD_PACKETS = 16
/** RFC 9000 14.1. */
const MIN_INITIAL_BYTES = 1200
/** Timers that fire a hair before their time would fire for ever. */
const SLACK_MS = 1e-6

/**
 * One connection of the simulated engine: the semantics of RFC 9000, 9001, 9002, 9218 and 9221 on a wire
 * format of its own, without cryptography. What it leaves out: packet number spaces (there is one), coalesced
 * packets, address validation limits, delayed acknowledgements, key updates, stateless resets, a second path,
 * ends of streams without a byte, and the guards of the real engine against hostile peers.
 *
 * - `open`: from its first datagram on, before and after the handshake is complete
 * - `closing`: we ended it; CONNECTION_CLOSE answers what still comes, for three probe timeouts
 * - `draining`: the peer ended it; nothing is sent
 * - `closed`
 *
 * Valid transitions: open -> closing | draining | closed; closing | draining -> closed.
 */
export class SimulatedConnection implements QuicConnection {
  readonly #options: SimulatedConnectionOptions
  readonly #own: TransportParameters
  readonly #streams: StreamTable
  readonly #handshake: Handshake
  readonly #recovery: Recovery
  readonly #received = new ReceivedPackets()
  readonly #events: QuicEvent[] = []
  readonly #out: Buffer
  #phase: 'open' | 'closing' | 'draining' | 'closed' = 'open'
  /** Something came since it looked last. */
  #hasInput = false
  #ready: QuicEvent[] = []
  #ended: QuicEvent | undefined
  #isEndTold = false
  #held: Packet[] = []
  #peerId: Buffer
  #token: Buffer = Buffer.alloc(0)
  #peerParameters: TransportParameters | undefined
  #nextNumber = 0
  #probes = 0
  #isPingDue = false
  #close: Extract<Frame, { type: 'close' }> | undefined
  #isCloseDue = false
  #closeAtMs = Infinity
  #idleAtMs = Infinity
  #isFirstSinceReceived = true
  readonly #datagrams: Frame[] = []
  readonly #counts = { receivedPackets: 0, receivedBytes: 0, sentPackets: 0, sentBytes: 0 }

  constructor(options: SimulatedConnectionOptions) {
    const { quic, traits, side } = options
    this.#options = options
    this.#own = transportParameters(side.role, quic)
    this.#out = Buffer.alloc(Math.max(quic.maxUdpPayloadBytes, MIN_INITIAL_BYTES))
    this.#recovery = new Recovery(new Congestion(quic.maxUdpPayloadBytes, traits.congestionWindowBytes))
    this.#streams = new StreamTable(side.role, quic, this.#own, {
      congestionRoom: () => this.#recovery.congestion.roomBytes,
      emit: event => this.#emit(event),
    })
    this.#peerId = Buffer.alloc(8, options.connectionId)
    this.#handshake = new Handshake(
      side,
      { traits, protocols: options.protocols, own: this.#own },
      {
        onPeerParameters: parameters => this.#setPeerParameters(parameters),
        onEarlyDataRejected: () => this.#repeatEarlyData(),
        emit: event => this.#emit(event),
      },
    )
    this.#handshake.start()
  }

  get role(): 'client' | 'server' {
    return this.#options.side.role
  }

  get isEstablished(): boolean {
    return this.#phase === 'open' && this.#handshake.isComplete
  }

  get isInEarlyData(): boolean {
    return this.#phase === 'open' && this.#handshake.isInEarlyData
  }

  get isClosed(): boolean {
    return this.#phase === 'closed'
  }

  get maxDatagramBytes(): number {
    const most = this.#options.quic.maxUdpPayloadBytes - headBytes(this.#head('one-rtt')) - 3
    return Math.min(this.#peerParameters?.datagramBytes ?? 0, most)
  }

  get receivedBytes(): number {
    return this.#counts.receivedBytes
  }

  /** There is one path. */
  get migrationRefusal(): string {
    return 'a simulated connection does not move'
  }

  /** How long bytes of the stream that had come sat behind a gap. */
  stalledMs(stream: number, now: number): number {
    return this.#streams.stalledMs(stream, now)
  }

  /** Streams that are not over yet, on either side. */
  get openStreams(): number {
    return this.#streams.openStreams
  }

  streamsLeft(direction: StreamDirection): number {
    return this.#maySend ? this.#streams.streamsLeft(direction) : 0
  }

  stats(): QuicStats {
    const { roundTrip, congestion, lostPackets } = this.#recovery
    return {
      ...this.#counts,
      lostPackets,
      rttMs: roundTrip.smoothedMs,
      congestionWindowBytes: congestion.windowBytes,
    }
  }

  receive(datagram: Buffer, from: UdpAddress, to: UdpAddress, now: number): void {
    if (this.#phase === 'closed' || datagram.length === 0) return
    this.#hasInput = true
    this.#counts.receivedPackets++
    this.#counts.receivedBytes += datagram.length
    if (!isSame(from, this.#options.remote) || !isSame(to, this.#options.local)) return
    this.#guard(() => {
      const packet = readPacket(datagram, this.#options.connectionId.length)
      // It was given away: whoever still looks at it shall notice.
      datagram.fill(0xaa)
      if (packet !== undefined && this.#isForUs(packet)) this.#receivePacket(packet, now)
    })
  }

  onTimeout(now: number): void {
    this.#hasInput = true
    if (now + SLACK_MS >= this.#closeAtMs) this.#phase = 'closed'
    if (this.#phase !== 'open') return
    if (now + SLACK_MS >= this.#idleAtMs) {
      this.#end({ cause: 'idle', isApplication: false, code: 0, reason: '' })
      this.#phase = 'closed'
      return
    }
    const { lost, probes } = this.#recovery.onTimeout(now)
    for (const packet of [...lost, ...probes]) this.#sendAgain(packet)
    if (probes.length > 0) this.#probes = 2
  }

  nextTimeoutAt(_now: number): number {
    if (this.#phase === 'closed') return Infinity
    if (this.#phase === 'closing' || this.#phase === 'draining') return this.#closeAtMs
    return Math.min(this.#idleAtMs, this.#recovery.nextTimeoutAt())
  }

  nextDatagram(now: number): OutgoingDatagram | undefined {
    if (this.#phase === 'closing') return this.#nextClose(now)
    if (this.#phase !== 'open') return undefined
    const kind = this.#handshake.nextKind()
    const head = this.#head(kind)
    const filler = new PacketFiller(this.#options.quic.maxUdpPayloadBytes - headBytes(head))
    if (this.#received.isAckDue) filler.put({ type: 'ack', ranges: this.#received.ranges() })
    const { congestion, roundTrip } = this.#recovery
    const mayElicit = this.#probes > 0 || congestion.roomBytes >= this.#options.quic.maxUdpPayloadBytes
    if (mayElicit) this.#fill(filler, kind, now, roundTrip.smoothedMs)
    if (filler.frames.length === 0) return undefined
    this.#received.isAckDue = false
    const bytes = encodePacket(head, filler.frames, this.#out, kind === 'initial' ? MIN_INITIAL_BYTES : 0)
    this.#nextNumber++
    if (filler.isEliciting) {
      this.#recovery.onSent({
        number: head.number,
        kind,
        sentAtMs: now,
        bytes: bytes.length,
        frames: filler.frames,
      })
      this.#probes = Math.max(0, this.#probes - 1)
      if (this.#isFirstSinceReceived) this.#restartIdle(now)
      this.#isFirstSinceReceived = false
    }
    return this.#outgoing(bytes)
  }

  /**
   * Like the real engine it looks once a turn, that is after an input, at what can be read and written. The
   * end comes last.
   */
  nextEvent(): QuicEvent | undefined {
    const event = this.#events.shift()
    if (event !== undefined) return event
    if (this.#hasInput && this.#phase !== 'closed') this.#ready = this.#streams.readyEvents()
    this.#hasInput = false
    const ready = this.#ready.shift()
    if (ready !== undefined || this.#isEndTold) return ready
    this.#isEndTold = this.#ended !== undefined
    return this.#ended
  }

  openStream(direction: StreamDirection): number | undefined {
    return this.#maySend ? this.#streams.open(direction) : undefined
  }

  write(stream: number, bytes: Uint8Array, isLast: boolean): number {
    return this.#maySend ? this.#streams.write(stream, bytes, isLast) : 0
  }

  finish(stream: number): boolean {
    throw new Error(`the end of stream ${stream} needs a byte here`)
  }

  read(stream: number, into: Buffer): StreamRead | undefined {
    return this.#streams.read(stream, into)
  }

  reset(stream: number, code: number): void {
    this.#streams.reset(stream, code)
  }

  stop(stream: number, code: number): void {
    this.#streams.stop(stream, code)
  }

  stopAtOnce(stream: number, code: number): void {
    this.stop(stream, code)
  }

  prioritize(stream: number, urgency: number, incremental: boolean): void {
    this.#streams.prioritize(stream, urgency, incremental)
  }

  sendDatagram(bytes: Uint8Array): boolean {
    const isFull = this.#datagrams.length >= this.#options.quic.maxQueuedDatagrams
    const most = this.maxDatagramBytes
    if (!this.#maySend || isFull || most === 0 || bytes.length > most) return false
    this.#datagrams.push({ type: 'datagram', data: Buffer.from(bytes) })
    return true
  }

  ping(): void {
    this.#isPingDue = true
  }

  close(isApplication: boolean, code: number, reason: string): void {
    if (this.#phase !== 'open') return
    this.#end({ cause: 'local', isApplication, code, reason })
    this.#close = { type: 'close', isApplication, code, reason: reason.slice(0, 200) }
    this.#isCloseDue = true
    // Nobody knows of the connection yet.
    this.#phase = this.#nextNumber + this.#counts.receivedPackets === 0 ? 'closed' : 'closing'
  }

  get #maySend(): boolean {
    return this.isEstablished || this.isInEarlyData
  }

  #isForUs({ destinationId, kind }: Packet): boolean {
    // A client does not know the server's id yet when it sends these.
    if (this.role === 'server' && (kind === 'initial' || kind === 'zero-rtt')) return true
    return destinationId.equals(this.#options.connectionId)
  }

  #receivePacket(packet: Packet, now: number): void {
    if (this.#phase === 'closing') this.#isCloseDue = true
    if (this.#phase !== 'open') return
    if (packet.kind === 'retry' || packet.kind === 'version-negotiation') return this.#onServerRefusal(packet)
    const keys = this.#handshake.keysFor(packet.kind)
    if (keys === 'never') return
    if (keys === 'later') {
      if (this.#held.length < MAX_HELD_PACKETS) this.#held.push(packet)
      return
    }
    if (packet.kind !== 'one-rtt' && packet.kind !== 'zero-rtt') this.#peerId = packet.sourceId
    this.#restartIdle(now)
    this.#isFirstSinceReceived = true
    if (!this.#received.add(packet.number, packet.frames.some(isAckEliciting))) return
    for (const frame of packet.frames) this.#onFrame(frame, now)
  }

  #takeHeld(now: number): void {
    const held = this.#held
    this.#held = []
    for (const packet of held) this.#receivePacket(packet, now)
  }

  #onFrame(frame: Frame, now: number): void {
    if (this.#phase !== 'open') return
    switch (frame.type) {
      case 'ping':
        return
      case 'ack': {
        const { acked, lost } = this.#recovery.onAck(frame.ranges, now)
        for (const { frames } of acked) {
          for (const ackedFrame of frames) {
            if (ackedFrame.type === 'handshake') this.#handshake.stream.onAcked(ackedFrame)
            else this.#streams.onAcked(ackedFrame)
          }
        }
        for (const packet of lost) this.#sendAgain(packet)
        return
      }
      case 'handshake':
        this.#handshake.receive(frame, now)
        return this.#takeHeld(now)
      case 'datagram':
        if (this.#events.length < this.#options.quic.maxQueuedDatagrams) {
          this.#emit({ type: 'datagram', bytes: frame.data })
        }
        return
      case 'close': {
        const { isApplication, code, reason } = frame
        const printable = reason.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)
        this.#end({ cause: 'peer', isApplication, code, reason: printable })
        this.#phase = 'draining'
        this.#closeAtMs = now + 3 * this.#recovery.roundTrip.probeTimeoutMs
        return
      }
      default:
        return this.#streams.receive(frame, now)
    }
  }

  /** What left as 0-RTT was never read: it leaves again, as 1-RTT. */
  #repeatEarlyData(): void {
    const forgotten = this.#recovery.forget('zero-rtt')
    this.#streams.restart()
    for (const packet of forgotten) this.#sendAgain(packet)
  }

  #setPeerParameters(parameters: TransportParameters): void {
    this.#peerParameters = parameters
    this.#streams.setPeerParameters(parameters)
  }

  /**
   * Retry: begin again with the token (RFC 9000 17.2.5). Version negotiation: there is nothing else that we
   * speak.
   */
  #onServerRefusal({ kind, token, sourceId }: Packet): void {
    if (this.role === 'server' || this.#handshake.isComplete) return
    if (kind === 'version-negotiation') {
      this.#end({ cause: 'version', isApplication: false, code: 0, reason: 'no version in common' })
      this.#phase = 'closed'
    } else if (this.#token.length === 0) {
      this.#token = token
      this.#peerId = sourceId
      for (const packet of [...this.#recovery.forget('initial'), ...this.#recovery.forget('zero-rtt')]) {
        this.#sendAgain(packet)
      }
    }
  }

  #fill(filler: PacketFiller, kind: PacketKind, now: number, rttMs: number): void {
    const { stream } = this.#handshake
    if (stream.hasFrame) filler.put(stream.nextFrame(filler.dataRoom))
    if (this.#isPingDue || this.#probes > 0) {
      this.#isPingDue = false
      filler.put({ type: 'ping' })
    }
    if (kind !== 'one-rtt' && kind !== 'zero-rtt') return
    filler.drain(this.#streams.controlFrames(now, rttMs))
    filler.drain(this.#datagrams)
    const streams = new Set<number>()
    while (filler.dataRoom > 0 && streams.size < this.#options.traits.streamsPerPacket) {
      const frame = this.#streams.nextData(filler.dataRoom)
      if (frame === undefined) return
      filler.put(frame)
      streams.add(frame.stream)
    }
  }

  #nextClose(now: number): OutgoingDatagram | undefined {
    if (!this.#isCloseDue || this.#close === undefined) return undefined
    this.#isCloseDue = false
    if (this.#closeAtMs === Infinity) this.#closeAtMs = now + 3 * this.#recovery.roundTrip.probeTimeoutMs
    const kind = this.#handshake.longKind()
    const bytes = encodePacket(this.#head(kind), [this.#close], this.#out)
    this.#nextNumber++
    return this.#outgoing(bytes)
  }

  #head(kind: PacketKind): PacketHead {
    return {
      kind,
      version: SIMULATED_VERSION,
      destinationId: this.#peerId,
      sourceId: this.#options.connectionId,
      token: kind === 'initial' ? this.#token : Buffer.alloc(0),
      number: this.#nextNumber,
    }
  }

  #outgoing(bytes: Buffer): OutgoingDatagram {
    this.#counts.sentPackets++
    this.#counts.sentBytes += bytes.length
    return { bytes, from: this.#options.local, to: this.#options.remote }
  }

  #sendAgain({ frames }: SentPacket): void {
    for (const frame of frames) {
      if (frame.type === 'handshake') this.#handshake.stream.onLost(frame)
      else this.#streams.onLost(frame)
    }
  }

  #restartIdle(now: number): void {
    const ours = this.#own.idleTimeoutMs || Infinity
    const theirs = this.#peerParameters?.idleTimeoutMs || Infinity
    this.#idleAtMs = now + Math.min(ours, theirs)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      if (!(error instanceof QuicFault)) throw error
      this.close(false, error.transportCode, error.message)
    }
  }

  #emit(event: QuicEvent): void {
    if (this.#ended === undefined) this.#events.push(event)
  }

  #end(end: QuicEnd): void {
    this.#ended ??= { type: 'ended', end }
  }
}

function readPacket(datagram: Buffer, idBytes: number): Packet | undefined {
  try {
    return decodePacket(datagram, idBytes)
  } catch (error) {
    throw new QuicFault('frame-encoding', error instanceof Error ? error.message : 'unreadable')
  }
}

function isSame(one: UdpAddress, other: UdpAddress): boolean {
  return one.host === other.host && one.port === other.port
}
