import { beforeEach, describe, expect, it } from 'vitest'
import type { AttemptRecord } from '../../../src/base/events/connection.ts'
import type { DispatchedExchange } from '../../../src/exchange/dispatched-exchange.ts'
import { died, FakeExchangeWorld, PATIENCE_MS } from './fake-exchange-world.ts'

const attempt = (because: string): AttemptRecord => ({
  protocol: 'h2',
  endpoint: '192.0.2.1:443',
  startedAtMs: 0,
  outcome: 'connected',
  because,
})
const made = (because: string) => ({ attempts: [attempt(because)] })
const story = (exchange: DispatchedExchange): string =>
  exchange.attempts.map(({ because }) => because).join(', ')

describe('the attempts of an exchange', () => {
  let world: FakeExchangeWorld
  beforeEach(() => {
    world = new FakeExchangeWorld()
    world.isChoosing = true
    world.failedDials.tcp = [attempt('failed tcp')]
    world.failedDials.h3 = [attempt('failed h3')]
  })

  it('are those of its connection, and none while it waits or where that was open', () => {
    const { exchange } = world.exchange()
    expect(story(exchange)).toBe('')
    world.lease(exchange, made('first'))
    expect(story(exchange)).toBe('first')
    const other = world.exchange()
    world.lease(other.exchange, { ...made('of another request'), reused: true })
    expect(story(other.exchange)).toBe('')
  })

  it('report a connection that broke before they report the next one, and are not fewer while that is waited for', () => {
    const { exchange } = world.exchange()
    exchange.onResponseError(world.lease(exchange, made('first')), died('no'))
    expect(story(exchange)).toBe('first')
    world.lease(exchange, made('second'))
    expect(story(exchange)).toBe('first, second')
  })

  it('leave out the connection that was open already, whichever try that was', () => {
    const { exchange } = world.exchange()
    exchange.onResponseError(world.lease(exchange, { ...made('open'), reused: true }), died('no'))
    exchange.onResponseError(world.lease(exchange, made('second')), died('no'))
    world.lease(exchange, { ...made('open too'), reused: true })
    expect(story(exchange)).toBe('second')
  })

  it('report the dials that failed, one after the other, also when it fails with the last of them', () => {
    const { exchange, handler } = world.exchange({}, { maxRetries: 1 })
    world.fail(exchange, died('no', 'MM_CONNECT_REFUSED'))
    world.failedDials.tcp = [attempt('failed again')]
    world.fail(exchange, died('no', 'MM_CONNECT_REFUSED'))
    expect([handler.error?.code, story(exchange)]).toEqual(['MM_CONNECT_REFUSED', 'failed tcp, failed again'])
  })

  it('report a dial that failed after a connection broke, and that connection once', () => {
    const { exchange } = world.exchange({}, { maxRetries: 1 })
    exchange.onResponseError(world.lease(exchange, made('first')), died('no'))
    world.fail(exchange, died('no', 'MM_CONNECT_TIMEOUT'))
    expect(story(exchange)).toBe('first, failed tcp')
  })

  it('have no dial for an exchange that the pool turned away', () => {
    const { exchange } = world.exchange()
    world.fail(exchange, died('no', 'MM_QUEUE_TIMEOUT'))
    expect(story(exchange)).toBe('')
  })

  it('have no dial of the lane where it failed in the pool of upgrades', () => {
    const { exchange } = world.exchange({ upgrade: 'websocket' })
    exchange.onResponseError(world.lease(exchange, made('of the lane')), died('no', 'MM_UPGRADE_UNAVAILABLE'))
    world.fail(exchange, died('no', 'MM_CONNECT_TIMEOUT'))
    expect(story(exchange)).toBe('of the lane')
  })

  it('report HTTP/3 that gave no connection before they report TCP', () => {
    world.way = 'h3'
    const { exchange } = world.exchange()
    world.fail(exchange, died('no', 'MM_CONNECT_TIMEOUT'))
    world.lease(exchange, made('over TCP'))
    expect(story(exchange)).toBe('failed h3, over TCP')
  })

  it('report a race that was won, and the connection that came after it', () => {
    world.way = 'race'
    const { exchange } = world.exchange()
    const controller = world.winRace(exchange, 'http3', made('of the winner, which the race tells'))
    expect(story(exchange)).toBe('of the race')
    exchange.onResponseError(controller, died())
    world.lease(exchange, made('over TCP'))
    expect(story(exchange)).toBe('of the race, over TCP')
  })

  it('report a race that was lost, and not its dials once more', () => {
    world.way = 'race'
    const { exchange } = world.exchange()
    exchange.onRaceLost(died('no', 'MM_CONNECT_REFUSED'))
    world.lease(exchange, made('over TCP'))
    expect(story(exchange)).toBe('of the race, over TCP')
  })

  it('report both copies when the second one has answered, and the first one alone before', () => {
    world.way = 'h3'
    const { exchange } = world.exchange()
    world.leaseHttp3(exchange, made('over HTTP/3'))
    world.clock.advance(PATIENCE_MS)
    const second = world.lease(world.second!, made('over TCP'))
    expect(story(exchange)).toBe('over HTTP/3')
    world.opened!.handler.onResponseStart(second, 200, [], '')
    expect(story(exchange)).toBe('over HTTP/3, over TCP')
  })
})
