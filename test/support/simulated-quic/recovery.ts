import type { Congestion } from './congestion.ts'
import type { Frame, PacketRange } from './frame.ts'
import type { PacketKind } from './packet-codec.ts'
import { RoundTrip } from './round-trip.ts'

/** A packet that waits for its acknowledgement. Only such as elicit one are kept. */
export interface SentPacket {
  readonly number: number
  readonly kind: PacketKind
  readonly sentAtMs: number
  readonly bytes: number
  readonly frames: readonly Frame[]
}

const PACKET_THRESHOLD = 3
/** Timers that fire a hair before their time would fire for ever. */
const SLACK_MS = 1e-6

/**
 * Which packets arrived and which are lost (RFC 9002), in one packet number space. Whoever sends asks for
 * what became of them and sends frames of lost ones again.
 */
export class Recovery {
  readonly roundTrip = new RoundTrip()
  readonly congestion: Congestion
  /** In order of their numbers. */
  readonly #sent = new Map<number, SentPacket>()
  #largestAcked = -1
  #lossAtMs = Infinity
  #lastElicitingAtMs = 0
  #timeouts = 0
  #lost = 0

  constructor(congestion: Congestion) {
    this.congestion = congestion
  }

  get lostPackets(): number {
    return this.#lost
  }

  get hasUnacked(): boolean {
    return this.#sent.size > 0
  }

  onSent(packet: SentPacket): void {
    this.#sent.set(packet.number, packet)
    this.#lastElicitingAtMs = packet.sentAtMs
    this.congestion.onSent(packet.bytes)
  }

  onAck(ranges: readonly PacketRange[], now: number): { acked: SentPacket[]; lost: SentPacket[] } {
    const largest = ranges.reduce((most, { last }) => Math.max(most, last), -1)
    const acked = [...this.#sent.values()].filter(({ number }) =>
      ranges.some(({ first, last }) => number >= first && number <= last),
    )
    if (acked.length === 0) return { acked, lost: [] }
    this.#largestAcked = Math.max(this.#largestAcked, largest)
    const newest = acked.at(-1)!
    if (newest.number === largest) this.roundTrip.sample(now - newest.sentAtMs)
    for (const { number } of acked) this.#sent.delete(number)
    this.congestion.onAcked(acked)
    this.#timeouts = 0
    return { acked, lost: this.#detectLost(now) }
  }

  nextTimeoutAt(): number {
    if (this.#lossAtMs !== Infinity) return this.#lossAtMs
    if (this.#sent.size === 0) return Infinity
    return this.#lastElicitingAtMs + this.roundTrip.probeTimeoutMs * 2 ** this.#timeouts
  }

  /** `probes`: packets whose frames are to be sent again though they may still arrive (RFC 9002 6.2.4). */
  onTimeout(now: number): { lost: SentPacket[]; probes: SentPacket[] } {
    if (now + SLACK_MS < this.nextTimeoutAt()) return { lost: [], probes: [] }
    if (this.#lossAtMs !== Infinity) return { lost: this.#detectLost(now), probes: [] }
    this.#timeouts++
    return { lost: [], probes: [...this.#sent.values()].slice(0, 2) }
  }

  /** Takes packets out that will never be acknowledged, without a conclusion for the path. */
  forget(kind: PacketKind): SentPacket[] {
    const forgotten = [...this.#sent.values()].filter(packet => packet.kind === kind)
    for (const { number, bytes } of forgotten) {
      this.#sent.delete(number)
      this.congestion.onForgotten(bytes)
    }
    return forgotten
  }

  #detectLost(now: number): SentPacket[] {
    const delay = this.roundTrip.lossDelayMs
    const lost: SentPacket[] = []
    this.#lossAtMs = Infinity
    for (const packet of this.#sent.values()) {
      if (packet.number > this.#largestAcked) break
      const isOvertaken = packet.number <= this.#largestAcked - PACKET_THRESHOLD
      if (isOvertaken || packet.sentAtMs + delay <= now + SLACK_MS) lost.push(packet)
      else this.#lossAtMs = Math.min(this.#lossAtMs, packet.sentAtMs + delay)
    }
    for (const { number, bytes, sentAtMs } of lost) {
      this.#sent.delete(number)
      this.congestion.onLost(bytes, sentAtMs, now)
    }
    this.#lost += lost.length
    return lost
  }
}
