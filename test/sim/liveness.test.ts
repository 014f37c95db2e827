import { describe, expect, it } from 'vitest'
import {
  DEFAULT_HTTP2_OPTIONS,
  DEFAULT_LIVENESS_OPTIONS,
  type LivenessOptions,
} from '../../src/base/options/protocol-options.ts'
import { Http2Session } from '../../src/http/http2/http2-session.ts'
import type { Http2SessionEvents } from '../../src/http/http2/session.ts'
import type { Stream, StreamEvents } from '../../src/http/multiplex/stream.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { FrameSplitter, PREFACE, TYPE } from '../support/http2-wire.ts'
import { Http3Rig } from './http3-rig.ts'

const LATENCY_MS = 20
const { intervalMs, timeoutMs, quietIntervalMs } = DEFAULT_LIVENESS_OPTIONS

const QUIET: StreamEvents = {
  onResponse() {},
  onInformational() {},
  onData: () => true,
  onEnd() {},
  onReset() {},
  onWritable() {},
} as unknown as StreamEvents // what these exchanges have no use for is left out

/** A client and a server of HTTP/2 on a virtual clock, with a link that may go dead. */
class Pair {
  readonly clock = new FakeClock()
  readonly client: Http2Session
  readonly server: Http2Session
  readonly requests: Stream[] = []
  /** When the client put out a PING that asks. */
  readonly pings: number[] = []
  ended: { cause: string; at: number } | undefined
  isDead = false
  readonly #splitter = new FrameSplitter()
  #prefaceLeft = PREFACE.length

  constructor(liveness: Partial<LivenessOptions> = {}) {
    const make = (role: 'client' | 'server'): Http2Session =>
      new Http2Session({
        role,
        // A gRPC server is less patient than this.
        options: { ...DEFAULT_HTTP2_OPTIONS, maxPingsPerSecond: 1 },
        maxHeaderBytes: 16_384,
        maxHeaderCount: 100,
        enableConnectProtocol: false,
        ...(role === 'client' && { liveness: { ...DEFAULT_LIVENESS_OPTIONS, ...liveness } }),
        events: this.#events(role),
      })
    this.client = make('client')
    this.server = make('server')
    this.client.start(0)
    this.server.start(0)
    this.pass(1_000)
  }

  /** Time goes by, with everything that follows from it. */
  pass(ms: number): void {
    const end = this.clock.now() + ms
    for (;;) {
      this.#flush()
      const next = Math.min(this.client.nextTimeoutAt, this.server.nextTimeoutAt, this.#nextArrival, end)
      this.clock.advance(Math.max(0, next - this.clock.now()))
      if (this.#nextArrival <= next) this.#deliver()
      else if (next === end) return
      else
        for (const session of [this.client, this.server])
          if (session.nextTimeoutAt <= next) session.onTimeout(next)
    }
  }

  readonly #arrivals: { at: number; to: Http2Session; bytes: Buffer }[] = []

  get #nextArrival(): number {
    return this.#arrivals[0]?.at ?? Number.POSITIVE_INFINITY
  }

  #deliver(): void {
    const { to, bytes, at } = this.#arrivals.shift()!
    if (!this.isDead) to.receive(bytes, 0, bytes.length, at)
  }

  #flush(): void {
    const now = this.clock.now()
    for (const [from, to] of [
      [this.client, this.server],
      [this.server, this.client],
    ] as const) {
      while (from.outputBytes > 0) {
        const bytes = Buffer.concat(from.takeOutput())
        from.releaseOutput()
        if (from === this.client) this.#watch(bytes)
        this.#arrivals.push({ at: now + LATENCY_MS, to, bytes })
      }
    }
  }

  #watch(bytes: Buffer): void {
    const frames = this.#splitter.receive(bytes.subarray(this.#prefaceLeft))
    this.#prefaceLeft = 0
    for (const { type, flags } of frames)
      if (type === TYPE.PING && flags === 0) this.pings.push(this.clock.now())
  }

  #events(role: 'client' | 'server'): Http2SessionEvents {
    return {
      onOutput() {},
      onSettings() {},
      onGoaway() {},
      onExhausted() {},
      onEnding() {},
      onPong() {},
      onOrigins() {},
      onAltSvc() {},
      onDefence: limit => {
        throw new Error(`a defence of the ${role} took effect: ${limit}`)
      },
      onStreamClosed() {},
      onEnd: ({ cause }) => {
        if (role === 'client') this.ended = { cause, at: this.clock.now() }
      },
      onRequest: stream => {
        this.requests.push(stream)
        return QUIET
      },
    }
  }

  open(): Stream {
    const request = {
      method: 'GET',
      scheme: 'http',
      authority: 'a',
      path: '/',
      protocol: undefined,
      headers: [],
    }
    return this.client.open(request, true, QUIET, this.clock.now())
  }
}

describe('HTTP/2 on a path that goes dead', () => {
  it('is given up intervalMs + timeoutMs after the last byte', () => {
    const pair = new Pair()
    pair.open()
    pair.pass(100)
    pair.requests[0]!.respond(200, [], false)
    pair.pass(3_000)
    const lastByteAt = 1_000 + 100 + LATENCY_MS
    pair.isDead = true
    pair.pass(60_000)
    expect(pair.pings).toEqual([lastByteAt + intervalMs])
    expect(pair.ended).toEqual({ cause: 'silent', at: lastByteAt + intervalMs + timeoutMs })
  })

  it('is forgiven when it comes back in time', () => {
    const pair = new Pair()
    pair.open()
    pair.isDead = true
    pair.pass(intervalMs + timeoutMs - 1_000)
    pair.isDead = false
    pair.requests.length = 0
    pair.server.ping() // stands for what TCP sends again
    pair.pass(120_000)
    expect(pair.ended).toBeUndefined()
  })

  it('is not asked about while nothing is under way', () => {
    const pair = new Pair()
    pair.isDead = true
    pair.pass(10_000_000)
    expect([pair.pings, pair.ended]).toEqual([[], undefined])
  })
})

describe('HTTP/2 with a server that takes its time', () => {
  it('is asked as often as a server of gRPC allows: never twice in five minutes, however long the answer takes', () => {
    const pair = new Pair()
    pair.open()
    pair.pass(3_600_000)
    expect(pair.ended).toBeUndefined()
    expect(pair.pings.length).toBe(1 + Math.floor((3_600_000 - intervalMs) / quietIntervalMs))
    const gaps = pair.pings.slice(1).map((at, i) => at - pair.pings[i]!)
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(300_000)
    pair.requests[0]!.respond(200, [], false)
    pair.pass(intervalMs + 1_000)
    expect(pair.clock.now() - pair.pings.at(-1)!).toBeLessThan(intervalMs)
  })

  it('is found dead in the middle of such a wait after quietIntervalMs at the latest', () => {
    const pair = new Pair({ quietIntervalMs: 7_000 })
    pair.open()
    pair.pass(20_000)
    expect(pair.pings).toEqual([6_000, 13_000, 20_000])
    pair.isDead = true
    pair.pass(60_000)
    expect(pair.ended?.cause).toBe('silent')
    expect(pair.ended!.at).toBeLessThanOrEqual(21_000 + 7_000 + timeoutMs)
  })
})

describe('HTTP/3 on a path that goes dead', () => {
  it('is given up within intervalMs and a quarter, + timeoutMs, of the last packet', async () => {
    const conditions = { latencyMs: LATENCY_MS, lossRate: 0, maxDatagramBytes: 1200 }
    const rig = await Http3Rig.start({ conditions })
    rig.server.onRequest = () => {}
    await rig.settle()
    const exchange = rig.fetch('/')
    await rig.until(() => rig.server.requests.length === 1)
    conditions.lossRate = 1
    await rig.finish([exchange])
    expect(exchange.error).toMatchObject({ code: 'MM_CONNECTION_RESET', processed: 'unknown' })
    expect(exchange.tookMs).toBeGreaterThanOrEqual(intervalMs + timeoutMs - 1)
    expect(exchange.tookMs).toBeLessThan(1.25 * intervalMs + timeoutMs + 10 * LATENCY_MS)
    expect(rig.log.at(-1)).toBe('closed ping-failed')
  })
})
