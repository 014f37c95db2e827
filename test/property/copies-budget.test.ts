import { describe, expect, it } from 'vitest'
import { DEFAULT_HEDGE_OPTIONS } from '../../src/base/options/hedge-options.ts'
import { Hedging } from '../../src/origin/hedging/hedging.ts'
import { RetryBudget } from '../../src/origin/retry-budget.ts'
import { fc } from '../support/property.ts'
import { died, FakeExchangeWorld } from '../unit/exchange/fake-exchange-world.ts'

const HEDGE_RATIO = 0.1
const RETRY = { budgetRatio: 0.2, budgetMin: 2 }
/** What a replay is paid for; the others are free, and once per request or connection. */
const PAID = ['status', 'try-timeout', 'connect-failed', 'unanswered']

const step = fc.oneof(
  { weight: 4, arbitrary: fc.constant('request' as const) },
  { weight: 6, arbitrary: fc.constant('lease' as const) },
  { weight: 2, arbitrary: fc.constant('refuse' as const) },
  { weight: 3, arbitrary: fc.constant('503' as const) },
  { weight: 2, arbitrary: fc.constant('200' as const) },
  { weight: 2, arbitrary: fc.constant('break' as const) },
  { weight: 3, arbitrary: fc.constant('wait' as const) },
)

describe('retries and hedged requests', () => {
  it('stay within their budgets, whatever fails in whatever order', () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 20, maxLength: 200 }), steps => {
        const world = new FakeExchangeWorld()
        const startedAt = world.clock.now()
        const hedging = Hedging.of(
          { ...DEFAULT_HEDGE_OPTIONS, quantile: 0.95, budgetRatio: HEDGE_RATIO },
          world.clock,
        )!
        for (let i = 0; i < 100; i += 1) hedging.onAnswered(1, startedAt)
        world.hedging = hedging
        world.retryBudget = new RetryBudget(RETRY, startedAt)
        const open: NonNullable<FakeExchangeWorld['opened']>[] = []
        let requests = 0
        for (const action of steps) {
          const next = open[0]
          if (action === 'request') {
            requests += 1
            world.retryBudget.deposit()
            world.exchange({}, { statuses: [503], maxRetries: 3, perTryTimeoutMs: 50 })
          } else if (action === 'lease' || action === 'refuse') {
            const [waiter] = world.waiting.keys()
            if (waiter === undefined) continue
            if (action === 'refuse') world.fail(waiter, died('no', 'MM_CONNECT_REFUSED'))
            else {
              world.lease(waiter)
              open.push(world.opened!)
            }
          } else if (action === 'wait') world.clock.advance(30)
          else if (next !== undefined) {
            open.shift()
            const { handler, controller } = next
            if (controller.aborted) continue
            if (action === 'break') handler.onResponseError(controller, died())
            else {
              handler.onResponseStart(controller, Number(action), ['content-length', '0'], '')
              if (!controller.aborted) handler.onResponseEnd(controller, [])
            }
          }
        }
        const tenths = (world.clock.now() - startedAt) / 10_000
        const copies = world.log.filter(line => line.startsWith('acquire second')).length
        expect(copies).toBeLessThanOrEqual(1 + tenths + HEDGE_RATIO * requests)
        const paid = world.log.filter(line => PAID.some(reason => line === `retry ${reason}`)).length
        expect(paid).toBeLessThanOrEqual(RETRY.budgetMin * (1 + tenths) + RETRY.budgetRatio * requests)
      }),
    )
  })
})
