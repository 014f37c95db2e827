import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { type HeaderList, NO_HEADERS } from '../../src/base/http/headers.ts'
import type { TimedExchange } from '../sim/http3-exchange.ts'
import { Http3Rig } from '../sim/http3-rig.ts'
import type { ServedRequest } from '../sim/http3-server.ts'
import { TrailedBody } from '../sim/trailed-body.ts'
import { fc } from '../support/property.ts'

interface Plan {
  readonly requestBytes: number
  readonly responseBytes: number
  readonly requestTrailers: boolean
  readonly responseTrailers: boolean
  readonly hints: boolean
  readonly isHead: boolean
  readonly fields: HeaderList
  /** When, after its head, the client's reader falls asleep for that long; 0: it does not. */
  readonly clientSleepMs: number
  /** The same for the server's reader of the request. */
  readonly serverSleepMs: number
  /** The server answers before it has the whole request. */
  readonly answersEarly: boolean
  /** When the client gives up, from its open on; Infinity: it does not. */
  readonly abortMs: number
  /** When the server breaks off, from the head on. */
  readonly breakMs: number
  readonly startMs: number
}

const size = fc.oneof(fc.constant(0), fc.nat(100), fc.nat(5000), fc.nat(120_000))
const rarelyMs = fc.oneof(
  { weight: 5, arbitrary: fc.constant(Number.POSITIVE_INFINITY) },
  { weight: 1, arbitrary: fc.nat(300) },
)
const sleepMs = fc.oneof(
  { weight: 3, arbitrary: fc.constant(0) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 400 }) },
)
const fields = fc
  .array(
    fc.tuple(fc.constantFrom('x-a', 'x-b', 'authorization', 'x-long'), fc.stringMatching(/^[!-~]{1,30}$/)),
    {
      maxLength: 4,
    },
  )
  .map(list => list.flat())

const plan: fc.Arbitrary<Plan> = fc.record({
  requestBytes: size,
  responseBytes: size,
  requestTrailers: fc.boolean(),
  responseTrailers: fc.boolean(),
  hints: fc.boolean(),
  isHead: fc.nat(9).map(n => n === 0),
  fields,
  clientSleepMs: sleepMs,
  serverSleepMs: sleepMs,
  answersEarly: fc.nat(3).map(n => n === 0),
  abortMs: rarelyMs,
  breakMs: rarelyMs,
  startMs: fc.nat(200),
})

const setting = fc.record({
  seed: fc.nat(1_000_000),
  lossRate: fc.constantFrom(0, 0, 0.02, 0.08),
  reorderRate: fc.constantFrom(0, 0.2),
  streamWindowBytes: fc.constantFrom(2000, 20_000, 262_144),
  connectionWindowBytes: fc.constantFrom(30_000, 4_194_304),
  maxConcurrentStreams: fc.constantFrom(1, 3, 100),
  qpackTableBytes: fc.constantFrom(0, 100, 4096),
  qpackBlockedStreams: fc.constantFrom(0, 1, 16),
  writeAheadBytes: fc.constantFrom(1, 5000, 131_072),
})
type Setting = typeof setting extends fc.Arbitrary<infer Value> ? Value : never

const bodyOf = (bytes: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8) * 3 + seed) & 0xff))
/** What is there is a beginning of what was sent. */
const isBeginning = (part: Buffer, whole: Buffer): boolean => part.equals(whole.subarray(0, part.length))

/** One exchange of the plan at both sides. */
interface Both {
  readonly plan: Plan
  readonly index: number
  exchange: TimedExchange | undefined
  request: ServedRequest | undefined
  hasAnswered: boolean
  hasBroken: boolean
  hasAborted: boolean
}

function serve(rig: Http3Rig, both: Both, request: ServedRequest): void {
  const { plan: planned, index } = both
  both.request = request
  if (planned.breakMs !== Number.POSITIVE_INFINITY) {
    rig.timers.setTimer(planned.breakMs, () => {
      if (both.hasAnswered || request.reset !== undefined) return
      both.hasBroken = true
      request.stream.reset('INTERNAL_ERROR')
    })
  }
  if (planned.serverSleepMs > 0) {
    request.stream.pause()
    rig.timers.setTimer(planned.serverSleepMs, () => request.stream.resume())
  }
  if (planned.answersEarly) answer(both, request, index)
}

function answer(both: Both, request: ServedRequest, index: number): void {
  if (both.hasBroken || both.hasAnswered) return
  both.hasAnswered = true
  const { responseBytes, responseTrailers, hints, isHead, fields: list } = both.plan
  request.answer({
    headers: list,
    body: isHead ? Buffer.alloc(0) : bodyOf(responseBytes, index + 1),
    trailers: responseTrailers && !isHead ? ['x-sum', `${index}`] : NO_HEADERS,
    hints: hints ? ['link', `</${index}.css>`] : NO_HEADERS,
  })
}

function ask(rig: Http3Rig, both: Both): TimedExchange {
  const { requestBytes, requestTrailers, isHead, fields: list, clientSleepMs, abortMs } = both.plan
  const hasBody = !isHead && (requestBytes > 0 || requestTrailers)
  const exchange = rig.fetch(
    `/${both.index}`,
    {
      method: isHead ? 'HEAD' : hasBody ? 'POST' : 'GET',
      headers: list,
      body: hasBody
        ? new TrailedBody(bodyOf(requestBytes, both.index), requestTrailers ? ['x-sum', '1'] : [])
        : null,
    },
    clientSleepMs > 0,
  )
  both.exchange = exchange
  if (clientSleepMs > 0) {
    const wake = (): void => {
      if (exchange.isDone) return
      if (exchange.controller?.paused === true) exchange.controller.resume()
      else rig.timers.setTimer(clientSleepMs, wake)
    }
    rig.timers.setTimer(clientSleepMs, wake)
  }
  if (abortMs !== Number.POSITIVE_INFINITY) {
    rig.timers.setTimer(abortMs, () => {
      if (exchange.isDone) return
      both.hasAborted = true
      exchange.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
    })
  }
  return exchange
}

function check({ plan: planned, index, exchange, request, hasAborted, hasBroken }: Both): void {
  if (exchange === undefined) throw new Error('it was never opened')
  const sent = planned.isHead ? Buffer.alloc(0) : bodyOf(planned.requestBytes, index)
  const answered = planned.isHead ? Buffer.alloc(0) : bodyOf(planned.responseBytes, index + 1)
  // Whoever saw a part saw a right one.
  expect([index, isBeginning(exchange.body, answered)]).toEqual([index, true])
  if (request !== undefined) {
    expect([index, isBeginning(request.body, sent)]).toEqual([index, true])
    // `te: trailers` goes with every request.
    const isOurs = (_: string, i: number, list: HeaderList): boolean => list[i - (i % 2)] !== 'te'
    expect(request.head.headers.filter(isOurs)).toEqual(planned.fields)
  }
  if (hasAborted) {
    expect(exchange.error?.code).toBe('MM_ABORTED')
    return
  }
  if (hasBroken) {
    expect(exchange.error).toBeDefined()
    return
  }
  expect([index, exchange.error?.message]).toEqual([index, undefined])
  expect(exchange.status).toBe(200)
  expect(exchange.body.length).toBe(answered.length)
  expect(exchange.headers).toEqual(planned.fields)
  expect(exchange.trailers).toEqual(planned.responseTrailers && !planned.isHead ? ['x-sum', `${index}`] : [])
  expect(exchange.informational.map(([status]) => status)).toEqual(planned.hints ? [103] : [])
  if (planned.answersEarly) return
  expect([index, request?.isComplete, request?.body.length]).toEqual([index, true, sent.length])
  expect(request?.trailers).toEqual(planned.requestTrailers && !planned.isHead ? ['x-sum', '1'] : [])
}

async function run(plans: readonly Plan[], options: Setting): Promise<void> {
  const { seed, lossRate, reorderRate, ...limits } = options
  const { qpackTableBytes, qpackBlockedStreams, writeAheadBytes, ...windows } = limits
  const quic = { ...windows, maxStreamWindowBytes: windows.streamWindowBytes }
  const http3 = { qpackTableBytes, qpackBlockedStreams, writeAheadBytes }
  const rig = await Http3Rig.start({
    seed,
    conditions: { latencyMs: 10, lossRate, reorderRate, reorderDelayMs: 5, maxDatagramBytes: 1200 },
    clientQuic: quic,
    server: { quic },
    clientHttp3: http3,
    serverHttp3: { ...http3, maxResetsPerSecond: 0 },
  })
  const all = plans.map<Both>((planned, index) => ({
    plan: planned,
    index,
    exchange: undefined,
    request: undefined,
    hasAnswered: false,
    hasBroken: false,
    hasAborted: false,
  }))
  const bothOf = (request: ServedRequest): Both => all[Number(request.head.path.slice(1))]!
  rig.server.onHead = request => serve(rig, bothOf(request), request)
  rig.server.onRequest = request => answer(bothOf(request), request, bothOf(request).index)
  // As the pool does: no more at once than the connection carries.
  const waiting = all.toSorted((one, other) => one.plan.startMs - other.plan.startMs)
  const start = rig.pair.now
  await rig.until(() => {
    for (let next = waiting[0]; next !== undefined; next = waiting[0]) {
      const open = all.filter(({ exchange }) => exchange !== undefined && !exchange.isDone).length
      const isDue = rig.pair.now - start >= next.plan.startMs || open === 0
      if (!isDue || open >= rig.connection.capacity) break
      waiting.shift()
      ask(rig, next)
    }
    return waiting.length === 0 && all.every(({ exchange }) => exchange?.isDone === true)
  })
  for (const both of all) check(both)
  // Nothing is left on either side, and the connection is as good as new.
  await rig.until(() => rig.connection.capacity > 0)
  await rig.settle()
  rig.server.onHead = () => {}
  rig.server.onRequest = request => request.answer({ body: Buffer.from('still here') })
  const last = rig.fetch('/last')
  await rig.finish([last])
  expect(last.body.toString()).toBe('still here')
  await rig.settle()
  expect(rig.server.session).toMatchObject({ openStreams: 0, bufferedBytes: 0 })
  expect(rig.log.filter(line => !line.startsWith('stream'))).toEqual([])
  expect(rig.log).toHaveLength(plans.length + 1)
  expect([rig.server.defences, rig.server.end]).toEqual([[], undefined])
}

describe('two HTTP/3 sessions over a bad network', () => {
  it('agree on every exchange, whatever is sent, given up and stalled', async () => {
    await fc.assert(fc.asyncProperty(fc.array(plan, { minLength: 1, maxLength: 8 }), setting, run), {
      numRuns: 60,
      endOnFailure: false,
    })
  }, 120_000)
})
