import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { Connection } from '../../../src/base/events/connection.ts'
import type { DialTurns } from '../../../src/origin/connecting/dial-turns.ts'
import { EventLoopReference } from '../../../src/origin/event-loop-reference.ts'
import { OriginExchanges } from '../../../src/origin/exchange-origin.ts'
import type { OriginHints } from '../../../src/origin/hints/origin-hints.ts'
import { HandshakeLedger } from '../../../src/origin/ledger/handshake-ledger.ts'
import { SettingsBook } from '../../../src/origin/origin-settings.ts'
import type { UpgradeRoute } from '../../../src/origin/upgrade-route.ts'
import { FakeLanes } from './lanes/fake-lanes.ts'

const died = new TransportError('MM_CONNECTION_CLOSED', 'it died')

function setUp() {
  const world = new FakeLanes()
  const { origin, record, clock, lanes, events } = world
  const ledger = new HandshakeLedger(clock.now())
  const dials: string[] = []
  const exchanges = new OriginExchanges({
    origin,
    settings: new SettingsBook({ defaults: { retry: { budgetMin: 0, budgetRatio: 0.5 } } }).settingsFor(
      origin,
    ),
    record,
    lanes,
    upgrades: {} as UpgradeRoute, // not asked here
    hints: {} as OriginHints, // not asked here
    ledger,
    economy: { onRequest: () => {} },
    hold: new EventLoopReference(),
    dialTurns: { onRequest: (key: string) => void dials.push(key) } as unknown as DialTurns, // what it receives
    clock,
    observer: event => void events.push(event),
    isObserved: () => true,
    hasMoved: () => false,
    onMisdirected: () => {},
  })
  return { world, exchanges, dials, clock, record }
}

describe('the exchanges of an origin', () => {
  it('pay into the retry budget as they start', () => {
    const { exchanges, dials, clock } = setUp()
    exchanges.onStarted(clock.now())
    expect(exchanges.retryBudget.withdraw(clock.now())).toBe(false)
    exchanges.onStarted(clock.now())
    expect(exchanges.retryBudget.withdraw(clock.now())).toBe(true)
    expect(dials).toEqual(['https://shop.test', 'https://shop.test'])
    exchanges.onFinished()
    exchanges.onFinished()
  })

  it('want early data while one waits that may leave in it', () => {
    const { exchanges } = setUp()
    exchanges.onEarlyWaiter(1)
    expect(exchanges.wantsEarlyData).toBe(true)
    exchanges.onEarlyWaiter(-1)
    expect(exchanges.wantsEarlyData).toBe(false)
  })

  it('are counted and reported when they are sent again', () => {
    const { exchanges, world } = setUp()
    exchanges.onRetry('unprocessed', died)
    expect(exchanges.retries).toBe(1)
    expect(world.take('exchange-retried')).toMatchObject([{ reason: 'unprocessed', error: died }])
  })

  it('prefer other endpoints after a new connection that gave no answer', () => {
    const { exchanges, record, clock } = setUp()
    const endpoint = { address: '192.0.2.1', port: 443, family: 4 }
    exchanges.onUnanswered({ protocol: 'h2', endpoint } as Connection, died) // what it looks at
    const facts = record.facts(clock.now()).map(({ fact, evidence }) => `${fact} ${evidence}`)
    expect(facts.join('\n')).toContain('192.0.2.1:443')
  })

  it('are not waited for after the close of the origin', () => {
    const { exchanges, clock } = setUp()
    exchanges.answers.add({ isAwaited: true, onOverdue: () => {} }, 2_000)
    exchanges.close()
    expect(clock.pendingTimers()).toBe(0)
  })
})
