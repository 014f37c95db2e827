import { seededRandom } from '../../src/base/seeded-random.ts'
import { type PathFault, PathWatch, type Verdict } from '../../src/quic/migration/path-watch.ts'

export type Traffic = 'exchanges' | 'download' | 'upload'

export interface WatchedPathOptions {
  readonly seed: number
  readonly traffic: Traffic
  /** One way, at a time. */
  readonly delayMs?: (now: number) => number
  /** Whether a packet is lost that is sent now; `random` is 0 to 1. */
  readonly isLost?: (random: () => number, now: number) => boolean
}

interface Packet {
  readonly number: number
  readonly sentAt: number
  /** Part of a request or an upload: sent again when it is lost. */
  readonly isData: boolean
}

const PACE_MS = 5
const ACK_DELAY_MS = 25
const RESPONSE_PACKETS = 8

/**
 * A client whose path is watched, on a virtual clock. Its loss recovery is that of RFC 9002 6 in small: round
 * trips and their variation, packets that are lost when a later one was acknowledged and 9/8 of a round trip
 * have passed, and a doubling probe timeout that sends two. The server acknowledges within 25 ms, thinks up
 * to 300 ms, and sends what is lost of its data again after a doubling time-out of its own.
 */
export class WatchedPath {
  now = 0
  /** When something last came. */
  heardAt = 0
  /** Verdicts as they began: one entry when the kind or the cause changes. */
  readonly verdicts: { at: number; kind: Verdict['kind']; cause: PathFault | undefined; ptoMs: number }[] = []
  readonly counts = { asked: 0, suspected: 0, failed: 0, exchanges: 0 }
  readonly #options: WatchedPathOptions
  readonly #random: () => number
  readonly #watch = new PathWatch()
  #events: { at: number; run: () => void }[] = []
  #inFlight: Packet[] = []
  #lastNumber = 0
  #timeouts = 0
  #timerVersion = 0
  #rttMs = 40
  #variationMs = 20
  #movedAt = 0
  #watchAt = Number.POSITIVE_INFINITY
  /** Packets of the response that the client has, by exchange. */
  #missing = new Set<number>()

  constructor(options: WatchedPathOptions) {
    this.#options = options
    this.#random = seededRandom(options.seed)
  }

  get ptoMs(): number {
    return this.#rttMs + Math.max(4 * this.#variationMs, 1) + ACK_DELAY_MS
  }

  run(untilMs: number): this {
    if (this.#options.traffic === 'exchanges') this.#beginExchange()
    else if (this.#options.traffic === 'upload') this.#upload()
    else this.#download(0)
    this.#sample()
    for (
      let event = this.#events.shift();
      event !== undefined && event.at <= untilMs;
      event = this.#events.shift()
    ) {
      this.now = event.at
      event.run()
    }
    return this
  }

  #at(at: number, run: () => void): void {
    let index = this.#events.length
    while (index > 0 && (this.#events[index - 1]?.at ?? 0) > at) index--
    this.#events.splice(index, 0, { at, run })
  }

  /** To the other side, or not at all. */
  #carry(arrive: () => void): void {
    const { delayMs, isLost } = this.#options
    if (isLost?.(this.#random, this.now) === true) return
    this.#at(this.now + (delayMs?.(this.now) ?? 20) + this.#random() * 2, arrive)
  }

  #beginExchange(): void {
    this.counts.exchanges++
    this.#missing = new Set(Array.from({ length: RESPONSE_PACKETS }, (_, index) => index))
    this.#send(true, this.#answer(this.counts.exchanges))
  }

  /** What the server does when the request comes, which may be more than once. */
  #answer(exchange: number): () => void {
    return () => {
      const thinkMs = this.#random() * 300
      this.#at(this.now + thinkMs, () => {
        if (exchange !== this.counts.exchanges) return
        for (const part of this.#missing) this.#deliver(exchange, part, 100)
      })
    }
  }

  #deliver(exchange: number, part: number, againMs: number): void {
    if (exchange !== this.counts.exchanges || !this.#missing.has(part)) return
    this.#carry(() => this.#onResponse(exchange, part))
    this.#at(this.now + againMs, () => this.#deliver(exchange, part, againMs * 2))
  }

  #onResponse(exchange: number, part: number): void {
    this.#onHeard()
    this.#movedAt = this.now
    if (exchange !== this.counts.exchanges || !this.#missing.delete(part)) return
    if (this.#missing.size === 0) this.#beginExchange()
  }

  #download(part: number): void {
    this.#carry(() => {
      this.#onHeard()
      this.#movedAt = this.now
    })
    this.#at(this.now + PACE_MS, () => this.#download(part + 1))
  }

  #upload(): void {
    // A window of what is not acknowledged yet, as congestion control would have it.
    if (this.#inFlight.length < 30) {
      this.#movedAt = this.now
      this.#send(true)
    }
    this.#at(this.now + PACE_MS, () => this.#upload())
  }

  #send(isData: boolean, onArrival?: () => void): void {
    const packet: Packet = { number: ++this.#lastNumber, sentAt: this.now, isData }
    this.#inFlight.push(packet)
    this.#carry(() => {
      onArrival?.()
      this.#at(this.now + this.#random() * ACK_DELAY_MS, () => this.#carry(() => this.#onAck(packet)))
    })
    this.#armTimer()
  }

  #onAck(packet: Packet): void {
    if (!this.#inFlight.includes(packet)) return this.#onHeard()
    const rttMs = this.now - packet.sentAt
    this.#variationMs += (Math.abs(this.#rttMs - rttMs) - this.#variationMs) / 4
    this.#rttMs += (rttMs - this.#rttMs) / 8
    this.#onHeard()
    const lostBefore = this.now - (9 / 8) * Math.max(this.#rttMs, rttMs)
    const lost = this.#inFlight.filter(({ number, sentAt }) => number < packet.number && sentAt < lostBefore)
    this.#inFlight = this.#inFlight.filter(other => other !== packet && !lost.includes(other))
    if (lost.some(({ isData }) => isData)) this.#sendAgain()
    this.#armTimer()
  }

  #sendAgain(): void {
    const { traffic } = this.#options
    this.#send(true, traffic === 'exchanges' ? this.#answer(this.counts.exchanges) : undefined)
  }

  #onHeard(): void {
    this.heardAt = this.now
    this.#timeouts = 0
    this.#sample()
  }

  #armTimer(): void {
    const version = ++this.#timerVersion
    const last = this.#inFlight.at(-1)
    if (last === undefined) return
    this.#at(last.sentAt + this.ptoMs * 2 ** this.#timeouts, () => {
      if (version !== this.#timerVersion) return
      this.#timeouts++
      this.#sendAgain()
      this.#sendAgain()
      this.#sample()
    })
  }

  #sample(): void {
    const { now, heardAt, ptoMs } = this
    const verdict = this.#watch.onSample(
      {
        heardAt,
        timeoutsInARow: this.#timeouts,
        rttMs: this.#rttMs,
        ptoMs,
        isWaiting: true,
        hasFlowed: now - this.#movedAt <= 3 * this.#rttMs,
      },
      now,
    )
    this.#note(verdict)
    if (verdict.kind === 'ask' || (verdict.kind === 'suspect' && verdict.asks)) {
      this.counts.asked++
      this.#send(false)
    }
    const at = Math.max(this.#watch.nextAt, now)
    if (at === this.#watchAt) return
    this.#watchAt = at
    this.#at(at, () => {
      if (this.#watchAt !== at) return
      this.#watchAt = Number.POSITIVE_INFINITY
      this.#sample()
    })
  }

  #note(verdict: Verdict): void {
    const cause = 'cause' in verdict ? verdict.cause : undefined
    const last = this.verdicts.at(-1)
    if (last?.kind === verdict.kind && last.cause === cause) return
    this.verdicts.push({ at: this.now, kind: verdict.kind, cause, ptoMs: this.ptoMs })
    if (verdict.kind === 'suspect') this.counts.suspected++
    if (verdict.kind === 'failed') this.counts.failed++
  }
}
