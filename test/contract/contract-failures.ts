import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { type ContractBench, hello, neverAnswers, requestOf, turns } from './contract-bench.ts'
import { RecordingHandler } from './recorder.ts'
import { ScriptedSource } from './scripted-source.ts'

/** Exchanges that do not come to their end. */
export function describeFailures(bench: ContractBench): void {
  describe('an exchange that is given up', () => {
    it('before the response ends at once, with the error of the caller', async () => {
      const connection = await bench.connect(neverAnswers)
      const handler = bench.open(connection)
      const error = new TransportError('MM_ABORTED', 'enough')
      handler.controller?.abort(error)
      expect(handler.error).toBe(error)
      expect(handler.controller?.aborted).toBe(true)
      expect(bench.log).not.toContain('stream-failed')
    })

    it('within the body ends at once, and nothing more is reported', async () => {
      const connection = await bench.connect(exchange => {
        exchange.respond(200)
        exchange.write(Buffer.alloc(200_000))
      })
      const handler = new RecordingHandler(bench.log)
      let chunks = 0
      handler.onChunk = controller => {
        chunks++
        controller.abort(new TransportError('MM_ABORTED', 'enough'))
      }
      connection.open(requestOf(), handler)
      await handler.done
      await turns()
      expect(chunks).toBe(1)
      expect(bench.log.filter(entry => entry.startsWith('response-e'))).toEqual([
        'response-error MM_ABORTED no',
      ])
    })

    it('before anything was written leaves the connection unchanged', async () => {
      const connection = await bench.connect(hello)
      const handler = new RecordingHandler(bench.log)
      handler.onStart = controller => controller.abort(new TransportError('MM_ABORTED', 'at once'))
      connection.open(requestOf(), handler)
      expect(handler.error?.message).toBe('at once')
      expect((await bench.open(connection).done).body.toString()).toBe('hello')
    })

    it('cancels the body that is being sent', async () => {
      const connection = await bench.connect(neverAnswers)
      const source = new ScriptedSource()
      const handler = bench.open(connection, { method: 'POST', body: source })
      handler.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
      expect(source.isCancelled).toBe(true)
    })

    it('after its end does nothing', async () => {
      const connection = await bench.connect(hello)
      const first = await bench.open(connection, {}, 'first').done
      const second = bench.open(connection, {}, 'second')
      first.controller?.abort(new TransportError('MM_ABORTED', 'late'))
      first.controller?.pause()
      await second.done
      expect(second.body.toString()).toBe('hello')
      expect(first.error).toBeUndefined()
    })
  })

  describe('an origin that fails', () => {
    it('before it answered leaves it unknown whether the request was processed', async () => {
      const connection = await bench.connect(exchange => exchange.breakOff())
      const { error } = await bench.open(connection).done
      expect([error?.fault, error?.processed, error?.resendable]).toEqual(['remote', 'unknown', false])
      expect(bench.log).toContain('stream-failed')
      expect(bench.exchangeLog.at(-1)).toMatch(/^response-error/)
    })

    it('within the response is known to have processed the request', async () => {
      const connection = await bench.connect(async exchange => {
        exchange.respond(200, { 'content-length': '10' })
        exchange.write(Buffer.from('half'))
        await turns(3)
        exchange.breakOff()
      })
      const handler = await bench.open(connection).done
      expect(handler.error?.processed).toBe('yes')
      expect(handler.status).toBe(200)
    })

    it('cancels the body that is being sent', async () => {
      const connection = await bench.connect(exchange => exchange.breakOff())
      const source = new ScriptedSource()
      const handler = bench.open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('begin'))
      await handler.done
      expect(source.isCancelled).toBe(true)
    })
  })

  describe('the deadlines of an exchange', () => {
    it('end an exchange whose response does not begin', async () => {
      const connection = await bench.connect(neverAnswers)
      const handler = bench.open(connection, { headersTimeoutMs: 1000, bodyTimeoutMs: 10 })
      bench.clock.advance(999)
      expect(handler.error).toBeUndefined()
      bench.clock.advance(1)
      expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_HEADERS_TIMEOUT', 'unknown'])
      expect(bench.log).toContain('stream-failed')
    })

    it('count for the headers from the last byte of the request', async () => {
      const connection = await bench.connect(neverAnswers)
      const source = new ScriptedSource()
      const handler = bench.open(connection, {
        method: 'POST',
        body: source,
        headersTimeoutMs: 1000,
        bodyTimeoutMs: 5000,
      })
      bench.clock.advance(3000)
      source.sink?.write(Buffer.from('x'))
      bench.clock.advance(3000)
      source.sink?.end([])
      bench.clock.advance(999)
      expect(handler.error).toBeUndefined()
      bench.clock.advance(1)
      expect(handler.error?.code).toBe('MM_HEADERS_TIMEOUT')
    })

    it('count for a large body in memory as for any other', async () => {
      const connection = await bench.connect(neverAnswers)
      const handler = bench.open(connection, {
        method: 'POST',
        body: Buffer.alloc(20_000_000),
        headersTimeoutMs: 1000,
        bodyTimeoutMs: 5000,
      })
      await turns(100)
      bench.clock.advance(4999)
      expect(handler.error).toBeUndefined()
      bench.clock.advance(1)
      expect(handler.error?.code).toBe('MM_BODY_TIMEOUT')
      expect(bench.log).toContain('stream-failed')
    })

    it('end an exchange whose response body stops', async () => {
      const connection = await bench.connect(exchange => {
        exchange.respond(200)
        exchange.write(Buffer.from('begin'))
      })
      const handler = new RecordingHandler(bench.log)
      const begun = new Promise<void>(resolve => void (handler.onChunk = () => resolve()))
      connection.open(requestOf({ headersTimeoutMs: 10_000, bodyTimeoutMs: 1000 }), handler)
      await begun
      bench.clock.advance(1000)
      expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_BODY_TIMEOUT', 'yes'])
    })

    it('do not run while the handler has paused the body', async () => {
      const connection = await bench.connect(exchange => {
        exchange.respond(200)
        exchange.write(Buffer.from('begin'))
      })
      const handler = new RecordingHandler(bench.log)
      handler.onHead = controller => controller.pause()
      connection.open(requestOf({ bodyTimeoutMs: 1000 }), handler)
      await handler.started
      bench.clock.advance(60_000)
      expect(handler.error).toBeUndefined()
      handler.controller?.resume()
      bench.clock.advance(1000)
      expect(handler.error?.code).toBe('MM_BODY_TIMEOUT')
    })

    it('end an exchange whose request body stops', async () => {
      const connection = await bench.connect(neverAnswers)
      const source = new ScriptedSource()
      const handler = bench.open(connection, { method: 'POST', body: source, bodyTimeoutMs: 1000 })
      bench.clock.advance(1000)
      expect(handler.error?.code).toBe('MM_BODY_TIMEOUT')
      expect(source.isCancelled).toBe(true)
      expect(bench.log).not.toContain('stream-failed')
    })

    it('leave nothing behind', async () => {
      const connection = await bench.connect(hello)
      for (let i = 0; i < 3; i++) {
        await bench.open(connection, { headersTimeoutMs: 1000, bodyTimeoutMs: 1000 }).done
      }
      expect(bench.clock.pendingTimers()).toBeLessThanOrEqual(1)
      bench.clock.advance(5000)
      expect(bench.log).not.toContain('stream-failed')
      expect(bench.clock.pendingTimers()).toBe(0)
    })
  })
}
