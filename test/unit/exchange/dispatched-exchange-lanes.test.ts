import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import { ScriptedSource } from '../../contract/scripted-source.ts'
import { died, FakeExchangeWorld } from './fake-exchange-world.ts'

describe('DispatchedExchange among lanes', () => {
  let world: FakeExchangeWorld
  beforeEach(() => {
    world = new FakeExchangeWorld()
    world.isChoosing = true
  })

  describe('over HTTP/3', () => {
    beforeEach(() => {
      world.way = 'h3'
    })

    it('goes to TCP when HTTP/3 gives it no connection: nothing was sent, so that this is no replay', () => {
      const { exchange, handler } = world.exchange({ method: 'POST', body: new ScriptedSource() })
      exchange.onLeaseFailed(died('no', 'MM_CONNECT_TIMEOUT'))
      expect(world.log).toEqual(['acquire h3', 'acquire again'])
      exchange.onResponseEnd(world.lease(exchange), [])
      expect(handler.log).toEqual(['request-start', 'response-end'])
      expect(world.ended).toMatchObject([{ retries: 0, lane: 'tcp' }])
    })

    it('fails with the error of TCP when that gives none either', () => {
      const { exchange, handler } = world.exchange({}, { maxRetries: 0 })
      exchange.onLeaseFailed(died('no', 'MM_CONNECT_TIMEOUT'))
      exchange.onLeaseFailed(died('no', 'MM_DNS_FAILED'))
      expect([handler.error?.code, world.log]).toEqual(['MM_DNS_FAILED', ['acquire h3', 'acquire again']])
    })

    it('fails with the error of HTTP/3 where there is no TCP', () => {
      world.hasFallback = false
      const { exchange, handler } = world.exchange()
      exchange.onLeaseFailed(died('no', 'MM_CONNECT_TIMEOUT'))
      expect([handler.error?.code, world.log]).toEqual(['MM_CONNECT_TIMEOUT', ['acquire h3']])
    })

    it('goes to TCP when its connection breaks: once, for free, and by a method that may be repeated', () => {
      const { exchange, handler } = world.exchange({}, { maxRetries: 0, budgetMin: 0 })
      exchange.onResponseError(world.leaseHttp3(exchange, { reused: true }), died())
      expect(world.log).toEqual(['acquire h3', 'retry http3-failed', 'acquire again'])
      exchange.onResponseError(world.lease(exchange), died())
      expect(handler.error?.code).toBe('MM_CONNECTION_CLOSED')

      const post = world.exchange({ method: 'POST' })
      post.exchange.onResponseError(world.leaseHttp3(post.exchange), died())
      expect(post.handler.error?.code).toBe('MM_CONNECTION_CLOSED')
    })

    it('stays with HTTP/3 when a connection was told to end, as often as that happens', () => {
      const { exchange, handler } = world.exchange({ method: 'POST' }, { maxRetries: 0, budgetMin: 0 })
      for (let connection = 0; connection < 16; connection += 1) {
        const controller = world.leaseHttp3(exchange, { id: connection, reused: true, requestsTaken: 4 })
        exchange.onResponseError(controller, died('no', 'MM_REFUSED'))
      }
      expect(world.log.filter(line => line.startsWith('acquire'))).toEqual([
        'acquire h3',
        ...Array.from({ length: 16 }, () => 'acquire h3 again'),
      ])
      const last = world.leaseHttp3(exchange, { id: 16, reused: true, requestsTaken: 4 })
      exchange.onResponseError(last, died('no', 'MM_REFUSED'))
      expect([handler.error?.code, world.ended[0]?.retries]).toEqual(['MM_REFUSED', 16])
    })

    it('says which alternative it uses (RFC 7838 section 5)', () => {
      const { exchange } = world.exchange({ headers: ['accept', '*/*'] })
      world.leaseHttp3(exchange, { altUsed: 'alt.test:8443' })
      expect(world.opened?.request.headers).toEqual(['accept', '*/*', 'alt-used', 'alt.test:8443'])
      const other = world.exchange({ headers: ['accept', '*/*'] })
      world.leaseHttp3(other.exchange)
      expect(world.opened?.request.headers).toEqual(['accept', '*/*'])
    })
  })

  describe('in a race', () => {
    beforeEach(() => {
      world.way = 'race'
    })

    it('takes the connection of the lane that wins, and reports what was tried', () => {
      const { exchange, handler } = world.exchange()
      world.clock.advance(30)
      const controller = world.winRace(exchange, 'http3', { id: 5 })
      exchange.onResponseStart(controller, 200, [], '')
      exchange.onResponseEnd(controller, [])
      expect([world.log, handler.log]).toEqual([
        ['race'],
        ['request-start', 'response-start 200', 'response-end'],
      ])
      expect(world.ended).toMatchObject([{ lane: 'h3', protocol: 'h3', connectionId: 5, queueMs: 30 }])
      expect(exchange.attempts.map(({ because }) => because)).toEqual(['of the race'])
    })

    it('fails with the error of a race that was lost, or goes to TCP once more where that is worth it', () => {
      const lost = world.exchange()
      lost.exchange.onRaceLost(died('no', 'MM_DNS_FAILED'))
      expect([lost.handler.error?.code, world.log]).toEqual(['MM_DNS_FAILED', ['race']])
      const refused = world.exchange()
      refused.exchange.onRaceLost(died('no', 'MM_CONNECT_REFUSED'))
      expect(world.log.slice(1)).toEqual(['race', 'retry connect-failed', 'acquire again'])
      refused.exchange.onResponseEnd(world.lease(refused.exchange), [])
      expect(world.ended.at(-1)).toMatchObject({ retries: 1, lane: 'tcp', error: undefined })
    })

    it('takes its request back when the caller gives up, and does not after a lane has won', () => {
      const gone = new TransportError('MM_CLIENT_GONE', 'gone')
      const { exchange, handler } = world.exchange()
      exchange.abort(gone)
      expect([world.log, handler.error]).toEqual([['race', 'race aborted'], gone])
      const other = world.exchange()
      const controller = world.winRace(other.exchange, 'tcp')
      other.exchange.abort(gone)
      expect([world.log.at(-1), controller.log]).toEqual(['race', ['abort MM_CLIENT_GONE']])
    })

    it('races again when it is sent again unprocessed, and not when HTTP/3 failed it', () => {
      const { exchange } = world.exchange()
      exchange.onResponseError(world.winRace(exchange, 'http3'), died('no', 'MM_REFUSED'))
      expect(world.log).toEqual(['race', 'retry unprocessed', 'race again'])
      const other = world.exchange()
      other.exchange.onResponseError(world.winRace(other.exchange, 'http3'), died())
      expect(world.log.slice(3)).toEqual(['race', 'retry http3-failed', 'acquire again'])
    })
  })

  it('takes no lane of its own as an upgrade', () => {
    world.way = 'h3'
    world.exchange({ upgrade: 'websocket' })
    expect(world.log).toEqual(['acquire'])
  })

  it('passes no head to a caller that aborted it for what was found there', () => {
    world.readsAltSvc = true
    const { exchange, handler } = world.exchange()
    const controller = world.lease(exchange)
    world.onHead = () => {
      exchange.abort(died('no', 'MM_ABORTED'))
      exchange.onResponseError(controller, died('no', 'MM_ABORTED'))
    }
    exchange.onResponseStart(controller, 200, [], '')
    expect(handler.log).toEqual(['request-start', 'response-error MM_ABORTED no'])
  })

  it('shows heads of responses to a reader of advertisements, where there is one', () => {
    for (const reads of [true, false]) {
      world.readsAltSvc = reads
      const { exchange } = world.exchange()
      exchange.onResponseStart(world.lease(exchange), 200, [], '')
      expect(world.heads).toEqual([200])
    }
  })

  it('shows heads of final responses and Early Hints to a reader of hints, where there is one', () => {
    for (const reads of [true, false]) {
      world.readsHints = reads
      const { exchange, handler } = world.exchange()
      const controller = world.lease(exchange)
      for (const status of [102, 103]) exchange.onInformational(controller, status, [])
      exchange.onResponseStart(controller, 200, [], '')
      expect(world.hinted).toEqual(['early-hints', 'response'])
      expect(handler.log.filter(line => line.startsWith('inf'))).toHaveLength(2)
    }
  })

  it('reports the attempts of its connection, unless it found that open', () => {
    const made = [
      { protocol: 'h2', endpoint: 'e', startedAtMs: 0, outcome: 'connected', because: 'first of 1' },
    ] as const
    const first = world.exchange()
    expect(first.exchange.attempts).toEqual([])
    world.lease(first.exchange, { attempts: made })
    expect(first.exchange.attempts).toEqual(made)
    const second = world.exchange()
    world.lease(second.exchange, { attempts: made, reused: true })
    expect(second.exchange.attempts).toEqual([])
  })

  describe('as a sample', () => {
    it('reports what it took, and how many were under way', () => {
      const one = world.exchange()
      const controller = world.lease(one.exchange)
      const lane = world.lanes!.tcp
      lane.streams += 2 // others, meanwhile
      world.clock.advance(20)
      one.exchange.onResponseStart(controller, 200, [], '')
      one.exchange.onResponseData(controller, Buffer.alloc(1_000))
      world.clock.advance(5)
      controller.stallMs = 4
      one.exchange.onResponseEnd(controller, [])
      expect(world.samples).toEqual([
        {
          lane: 'tcp',
          ttfbMs: 20,
          bodyMs: 5,
          responseBytes: 1_000,
          laneStreams: 2, // 1 when it began, 3 when it ended
          laneConnections: 1,
          stallMs: 4,
          isFirst: true,
          failed: false,
        },
      ])
      expect(lane.streams).toBe(2)
    })

    it('counts against its lane when the peer or the path failed, not when the caller did, or the peer only refused it', () => {
      const end = (error: TransportError): boolean[] => {
        world.samples.length = 0
        const { exchange } = world.exchange({ method: 'POST' }, { maxRetries: 0 })
        exchange.onResponseError(world.lease(exchange), error)
        expect(world.lanes?.tcp.streams).toBe(0)
        return world.samples.map(({ failed }) => failed)
      }
      expect(end(died())).toEqual([true])
      expect(end(died('unknown', 'MM_HEADERS_TIMEOUT'))).toEqual([true])
      expect(end(died('unknown', 'MM_ABORTED'))).toEqual([])
      expect(end(died('unknown', 'MM_CLIENT_GONE')), 'the client of a service').toEqual([])
      expect(end(died('no', 'MM_REFUSED'))).toEqual([])
    })

    it('is none where there is nothing to choose, and of an upgrade', () => {
      const upgrade = world.exchange({ upgrade: 'websocket' })
      upgrade.exchange.onResponseError(world.lease(upgrade.exchange), died())
      world.isChoosing = false
      const { exchange } = world.exchange()
      exchange.onResponseEnd(world.lease(exchange), [])
      expect(world.samples).toEqual([])
    })
  })
})
