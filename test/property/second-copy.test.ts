import { describe, expect, it } from 'vitest'
import type { ExchangeHandler } from '../../src/base/http/exchange.ts'
import { fc } from '../support/property.ts'
import { volume } from '../support/volume.ts'
import type { FakeController } from '../unit/api/fake-controller.ts'
import { died, FakeExchangeWorld, PATIENCE_MS } from '../unit/exchange/fake-exchange-world.ts'

/** One copy of the request on a connection that keeps its word: after its end it says nothing. */
class Copy {
  readonly id: number
  readonly controller: FakeController
  readonly #handler: ExchangeHandler
  #hasHead = false
  isOver = false

  constructor(id: number, controller: FakeController, handler: ExchangeHandler) {
    this.id = id
    this.controller = controller
    this.#handler = handler
    controller.onAbort = error => this.fail(error)
  }

  fail(error: Parameters<ExchangeHandler['onResponseError']>[1]): void {
    if (this.isOver) return
    this.isOver = true
    this.#handler.onResponseError(this.controller, error)
  }

  inform(): void {
    if (!this.isOver && !this.#hasHead) this.#handler.onInformational(this.controller, 103, [])
  }

  head(status: number): void {
    if (this.isOver || this.#hasHead) return
    this.#hasHead = true
    this.#handler.onResponseStart(this.controller, status, ['x-copy', String(this.id)], '')
  }

  data(): void {
    if (!this.isOver && this.#hasHead) this.#handler.onResponseData(this.controller, Buffer.from([this.id]))
  }

  end(): void {
    if (this.isOver || !this.#hasHead) return
    this.isOver = true
    this.#handler.onResponseEnd(this.controller, [])
  }
}

const ERRORS = [
  died(),
  died('no', 'MM_REFUSED'),
  died('unknown', 'MM_STREAM_RESET'),
  died('unknown', 'MM_PROTOCOL_ERROR'),
] as const
const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('lease' as const), who: fc.nat(1), early: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('refuse' as const), who: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('inform' as const), who: fc.nat(1) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('head' as const),
      who: fc.nat(1),
      status: fc.constantFrom(200, 425),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('data' as const), who: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('end' as const), who: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('break' as const), who: fc.nat(1), how: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('abort' as const), byController: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('wait' as const), bytes: fc.nat(1) }) },
)

/** From where nearly everything is interesting: random steps seldom get there. */
const TWO_ARE_OUT = [
  { do: 'lease', who: 0, early: true },
  { do: 'wait', bytes: 0 },
  { do: 'wait', bytes: 0 },
  { do: 'lease', who: 0, early: true },
] as const

describe('an exchange with a second copy', () => {
  it('has one answer and one end, and leaves nothing behind, whatever its copies do in whatever order', () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 24 }),
        fc.record({
          isUnderWay: fc.boolean(),
          mayBeEarly: fc.boolean(),
          isProven: fc.boolean(),
          budgetMin: fc.nat(3),
          maxRetries: fc.nat(2),
          requestMs: fc.constantFrom(0, 3 * PATIENCE_MS),
          abortsOnStart: fc.nat(6),
        }),
        (steps, { isUnderWay, mayBeEarly, isProven, budgetMin, maxRetries, requestMs, abortsOnStart }) => {
          const world = new FakeExchangeWorld()
          world.way = 'h3'
          world.isChoosing = true
          const { exchange, handler } = world.exchange({ mayBeEarly }, { budgetMin, maxRetries, requestMs })
          const copies: Copy[] = []
          let starts = 0
          const ends = () =>
            handler.log.filter(line => line === 'response-end' || line.startsWith('response-error'))
          handler.onStart = controller => {
            starts += 1
            if (starts !== abortsOnStart) return
            controller.abort(died('no', 'MM_ABORTED'))
            expect(ends(), 'from within').toHaveLength(1)
          }
          const live = () => copies.filter(copy => !copy.isOver)
          for (const action of [...(isUnderWay ? TWO_ARE_OUT : []), ...steps]) {
            if (action.do === 'wait') {
              world.quic.receivedBytes += action.bytes
              world.clock.advance(PATIENCE_MS / 2)
            } else if (action.do === 'abort') {
              const error = died('no', 'MM_ABORTED')
              const isLive = live().some(({ controller }) => controller === handler.controller)
              if (!action.byController) exchange.abort(error)
              else if (isLive) handler.controller?.abort(error)
              if (!action.byController || isLive) expect(ends(), 'at once').toHaveLength(1)
            } else if (action.do === 'lease' || action.do === 'refuse') {
              const waiting = [...world.waiting]
              const [waiter, pool] = waiting[action.who % Math.max(1, waiting.length)] ?? []
              if (waiter === undefined) continue
              if (action.do === 'refuse') {
                world.fail(waiter, died('no', 'MM_CONNECT_REFUSED'))
                continue
              }
              const id = copies.length + 1
              const wasEarly = mayBeEarly && action.early && id === 1
              const isOverHttp3 = pool === ' h3'
              // Its connection takes the request as the exchange is notified, and an abort may come from
              // within.
              world.onOpen = (controller, ofCopy) => void copies.push(new Copy(id, controller, ofCopy))
              if (isOverHttp3) world.leaseHttp3(waiter, { id, wasEarly, isProven })
              else world.lease(waiter, { id, reused: action.early })
            } else {
              const copy = live()[action.who % Math.max(1, live().length)]
              if (action.do === 'break') copy?.fail(ERRORS[action.how]!)
              else if (action.do === 'head') copy?.head(action.status)
              else copy?.[action.do]()
            }
          }
          exchange.abort(died('no', 'MM_ABORTED'))

          const { log } = handler
          expect(ends()).toHaveLength(1)
          expect(log.at(-1)).toBe(ends()[0])
          const heads = log.flatMap((line, at) => (line.startsWith('response-start') ? [at] : []))
          expect(heads.length).toBeLessThanOrEqual(1)
          if (heads[0] !== undefined) expect(log.slice(heads[0])).not.toContain('request-start')
          // The bytes are those of the copy whose head was shown.
          const [, shownBy] = handler.headers
          for (const byte of handler.body) expect(String(byte)).toBe(shownBy)

          expect(live()).toEqual([])
          expect([...world.waiting.values()]).toEqual([])
          expect([world.holders, world.earlyWaiters, world.ended.length]).toEqual([0, 0, 1])
          expect([world.lanes!.tcp.streams, world.lanes!.http3.streams]).toEqual([0, 0])
          world.clock.advance(10 * PATIENCE_MS)
          expect([world.clock.pendingTimers(), world.waiting.size]).toEqual([0, 0])
        },
      ),
      { numRuns: volume(2_000, 5_000) },
    )
  })
})
