import { PassThrough } from 'node:stream'
import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { fromLegacyHandler, UndiciExchange } from '../../../../src/api/undici/undici-handlers.ts'
import { TransportError } from '../../../../src/base/errors.ts'
import type { DispatchHandle } from '../../../../src/exchange/dispatch.ts'
import { FakeController } from '../fake-controller.ts'

/** Writes down what undici's handler receives. */
function recorder(log: string[], over: Dispatcher.DispatchHandler = {}): Dispatcher.DispatchHandler {
  return {
    onRequestStart: () => void log.push('start'),
    onResponseStarted: () => void log.push('started'),
    onResponseStart: (_controller, status, headers, text) =>
      void log.push(`head ${status} ${text} ${JSON.stringify(headers)}`),
    onResponseData: (_controller, chunk) => void log.push(`data ${chunk.toString()}`),
    onResponseEnd: (_controller, trailers) => void log.push(`end ${JSON.stringify(trailers)}`),
    onResponseError: (_controller, error) => void log.push(`error ${error.message}`),
    onRequestUpgrade: (_controller, status, headers) =>
      void log.push(`upgrade ${status} ${JSON.stringify(headers)}`),
    ...over,
  }
}

function make(over: Dispatcher.DispatchHandler = {}) {
  const log: string[] = []
  const settled: UndiciExchange[] = []
  const exchange = new UndiciExchange(recorder(log, over), one => void settled.push(one))
  const aborts: TransportError[] = []
  const controller = new FakeController()
  const handle: DispatchHandle = {
    // As a dispatched exchange does it: the handler gets the error, synchronously.
    abort: error => {
      aborts.push(error)
      exchange.onResponseError(controller, error)
    },
    lane: undefined,
    connection: undefined,
    reused: false,
    retries: 0,
    wasEarly: false,
    queueMs: 0,
    ttfbMs: 0,
    attempts: [],
  }
  controller.onAbort = error => exchange.onResponseError(controller, error)
  return { log, settled, exchange, aborts, controller, handle }
}

describe('UndiciExchange', () => {
  it('reports an exchange from its start to its end', () => {
    const { log, settled, exchange, controller, handle } = make()
    expect(exchange.announce()).toBe(true)
    exchange.attach(handle)
    exchange.onRequestStart(controller)
    exchange.onInformational(controller, 103, ['link', '</a>'])
    exchange.onResponseStart(controller, 200, ['a', '1', 'a', '2'], 'OK')
    expect(exchange.rawHeaders).toEqual(['a', '1', 'a', '2'])
    exchange.onResponseData(controller, Buffer.from('body'))
    expect(settled).toEqual([])
    exchange.onResponseEnd(controller, ['x-sum', '9'])
    expect(exchange.rawTrailers).toEqual(['x-sum', '9'])
    expect(log).toEqual([
      'start',
      'started',
      'head 103  {"link":"</a>"}',
      'head 200 OK {"a":["1","2"]}',
      'data body',
      'end {"x-sum":"9"}',
    ])
    expect(settled).toEqual([exchange])
  })

  it('gives its handler chunks that may be kept', () => {
    const kept: Buffer[] = []
    const { exchange, controller } = make({ onResponseData: (_controller, chunk) => void kept.push(chunk) })
    const borrowed = Buffer.from('abc')
    exchange.onResponseData(controller, borrowed)
    borrowed.fill(0)
    expect(String(kept[0])).toBe('abc')
  })

  describe('when it is aborted', () => {
    const reason = new Error('enough')

    it('while it is announced, dispatches nothing', () => {
      const { log, settled, exchange } = make({ onRequestStart: controller => controller.abort(reason) })
      expect(exchange.announce()).toBe(false)
      expect([log, settled.length, exchange.aborted, exchange.reason]).toEqual([
        ['error enough'],
        1,
        true,
        reason,
      ])
    })

    it('while it is being dispatched, aborts as soon as there is a handle', () => {
      const { log, exchange, aborts, handle } = make()
      exchange.announce()
      exchange.abort(reason)
      expect(log).toEqual(['start'])
      exchange.attach(handle)
      expect(aborts).toMatchObject([{ code: 'MM_ABORTED', cause: reason }])
      expect(log).toEqual(['start', 'error enough'])
    })

    it('before it gets its connection, aborts when it gets one', () => {
      const { log, exchange, controller } = make()
      exchange.announce()
      exchange.abort(reason)
      exchange.onRequestStart(controller)
      expect([controller.log, log]).toEqual([['abort MM_ABORTED'], ['start', 'error enough']])
    })

    it('aborts once, and not after the end', () => {
      const { log, exchange, aborts, handle, controller } = make()
      exchange.announce()
      exchange.attach(handle)
      exchange.onResponseEnd(controller, [])
      exchange.abort(reason)
      expect([aborts, log]).toEqual([[], ['start', 'end {}']])
      const other = make()
      other.exchange.announce()
      other.exchange.attach(other.handle)
      other.exchange.abort(reason)
      other.exchange.abort(new Error('again'))
      expect([other.aborts.length, other.log]).toEqual([1, ['start', 'error enough']])
    })

    it('reports any reason unchanged', () => {
      let heard: unknown
      const { exchange, handle } = make({ onResponseError: (_controller, error) => void (heard = error) })
      exchange.announce()
      exchange.attach(handle)
      exchange.abort('only text' as unknown as Error) // AbortSignals have any reason
      expect(heard).toBe('only text')
    })

    it('bypasses an interceptor that has replaced abort() by its own', () => {
      const { log, exchange, handle } = make()
      exchange.announce()
      exchange.attach(handle)
      exchange.abort = () => void log.push('replaced')
      exchange.cancel(reason)
      expect(log).toEqual(['start', 'error enough'])
    })
  })

  describe('when it is paused', () => {
    it('pauses from the head of the final response on, whenever it was asked to', () => {
      const { exchange, controller } = make()
      exchange.onRequestStart(controller)
      exchange.pause()
      exchange.onInformational(controller, 103, [])
      expect([controller.log, exchange.paused]).toEqual([[], true])
      exchange.onResponseStart(controller, 200, [], '')
      expect(controller.log).toEqual(['pause'])
      exchange.resume()
      exchange.pause()
      expect(controller.log).toEqual(['pause', 'resume', 'pause'])
    })

    it('does not pause when the pause was taken back before', () => {
      const { exchange, controller } = make()
      exchange.onRequestStart(controller)
      exchange.pause()
      exchange.resume()
      exchange.onResponseStart(controller, 200, [], '')
      expect(controller.log).toEqual(['resume'])
    })
  })

  describe('a handler that throws', () => {
    const broken = (): never => {
      throw new Error('broken')
    }
    it.each(['onResponseStart', 'onResponseData'] as const)('in %s loses its exchange', hook => {
      const { log, exchange, controller, handle, aborts } = make({ [hook]: broken })
      exchange.announce()
      exchange.attach(handle)
      exchange.onRequestStart(controller)
      exchange.onResponseStart(controller, 200, [], '')
      if (hook === 'onResponseData') exchange.onResponseData(controller, Buffer.from('x'))
      expect(aborts).toHaveLength(1)
      expect(log.at(-1)).toBe('error broken')
    })

    it('in onResponseEnd gets its own error, as in undici', () => {
      const { log, exchange, controller, settled } = make({ onResponseEnd: broken })
      exchange.onResponseEnd(controller, [])
      expect([log, settled.length]).toEqual([['error broken'], 1])
    })

    it('in onRequestUpgrade loses the tunnel', () => {
      const { exchange, controller, settled } = make({ onRequestUpgrade: broken })
      const tunnel = new PassThrough().on('error', () => {})
      exchange.onUpgrade(controller, 101, [], tunnel)
      expect([tunnel.destroyed, settled.length]).toEqual([true, 1])
    })
  })

  it('shows the fields of an upgrade, which are not in our lists', () => {
    const { log, exchange, controller } = make()
    exchange.upgrade = 'websocket'
    exchange.onUpgrade(controller, 101, ['a', '1'], new PassThrough())
    expect(log).toEqual(['upgrade 101 {"a":"1","connection":"upgrade","upgrade":"websocket"}'])
    exchange.onUpgrade(controller, 200, ['a', '1'], new PassThrough())
    expect(log.at(-1)).toBe('upgrade 200 {"a":"1"}')
  })

  it('translates the errors of the transport', () => {
    const heard: Error[] = []
    const { exchange } = make({ onResponseError: (_controller, error) => void heard.push(error) })
    exchange.onResponseError(undefined, new TransportError('MM_HEADERS_TIMEOUT', 'slow'))
    exchange.onResponseError(undefined, new TransportError('MM_HEADERS_TIMEOUT', 'again'))
    expect(heard).toMatchObject([{ code: 'UND_ERR_HEADERS_TIMEOUT', message: 'slow' }])
  })
})

describe('fromLegacyHandler', () => {
  it('calls the handlers of undici 6 and of fetch in Node', () => {
    const log: unknown[] = []
    const legacy: Dispatcher.DispatchHandler = {
      onConnect: () => void log.push('connect'),
      onResponseStarted: () => void log.push('started'),
      onHeaders: (status, raw, _resume, text) => {
        log.push([status, raw.map(String), Buffer.isBuffer(raw[0]), text])
        return true
      },
      onData: chunk => log.push(String(chunk)) > 0,
      onComplete: trailers => void log.push((trailers as unknown as Buffer[]).map(String)), // Buffers in truth
      onUpgrade: (status, raw) => void log.push([status, (raw as Buffer[]).map(String)]), // Buffers in truth
      onError: error => void log.push(error.message),
    }
    const exchange = new UndiciExchange(fromLegacyHandler(legacy), () => {})
    const controller = new FakeController()
    exchange.announce()
    exchange.onResponseStart(controller, 200, ['a', '1'], 'OK')
    exchange.onResponseData(controller, Buffer.from('x'))
    exchange.onResponseEnd(controller, ['t', '2'])
    exchange.onUpgrade(controller, 200, ['u', '3'], new PassThrough())
    expect(log).toEqual([
      'connect',
      'started',
      [200, ['a', '1'], true, 'OK'],
      'x',
      ['t', '2'],
      [200, ['u', '3']],
    ])
    expect(controller.log).toEqual([])
    const failing = new UndiciExchange(fromLegacyHandler(legacy), () => {})
    failing.onResponseError(undefined, new TransportError('MM_QUEUE_FULL', 'full'))
    expect(log.at(-1)).toBe('full')
  })

  it('pauses on request, but not for a 1xx', () => {
    let resume = (): void => {}
    const exchange = new UndiciExchange(
      fromLegacyHandler({
        onConnect: () => {},
        onHeaders: (_status, _raw, resumeIt) => {
          resume = resumeIt
          return false
        },
        onData: () => false,
      }),
      () => {},
    )
    const controller = new FakeController()
    exchange.onRequestStart(controller)
    exchange.onInformational(controller, 103, [])
    expect(exchange.paused).toBe(false)
    exchange.onResponseStart(controller, 200, [], '')
    expect(controller.log).toEqual(['pause'])
    resume()
    exchange.onResponseData(controller, Buffer.from('x'))
    expect(controller.log).toEqual(['pause', 'resume', 'pause'])
  })

  it('passes an abort without a reason on as an error', () => {
    const heard: string[] = []
    const exchange = new UndiciExchange(
      fromLegacyHandler({ onConnect: abort => abort(), onError: error => void heard.push(error.message) }),
      () => {},
    )
    expect(exchange.announce()).toBe(false)
    expect(heard).toEqual(['aborted'])
  })
})
