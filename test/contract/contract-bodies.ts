import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import { headerValue } from '../../src/base/http/headers.ts'
import { until } from '../support/until.ts'
import { type ContractBench, echo, hello, neverAnswers, requestOf, turns } from './contract-bench.ts'
import type { OriginScript } from './contract-peer.ts'
import { RecordingHandler } from './recorder.ts'
import { RepeatingSource, ScriptedSource } from './scripted-source.ts'

/** Bodies in both directions, and back-pressure. */
export function describeBodies(bench: ContractBench): void {
  describe('a request body', () => {
    it.each([
      ['an empty one in memory', Buffer.alloc(0)],
      ['a small one in memory', Buffer.from('small')],
      ['a large one in memory', Buffer.alloc(1_000_000, 'x')],
    ])('arrives whole: %s', async (_title, body) => {
      const connection = await bench.connect(echo)
      const exchange = await bench.open(connection, { method: 'POST', body }).done
      expect(headerValue(exchange.headers, 'x-length')).toBe(String(body.length))
      expect(exchange.body.equals(body)).toBe(true)
    })

    it('of unknown length arrives whole, with its trailers', async () => {
      const connection = await bench.connect(echo)
      const source = new RepeatingSource(Buffer.alloc(10_000, 'a'), 100, { trailers: ['x-sum', '7'] })
      const exchange = await bench.open(connection, { method: 'POST', body: source }).done
      expect(exchange.body.length).toBe(1_000_000)
      expect(headerValue(exchange.headers, 'x-trailer')).toBe('7')
      expect(source.isCancelled).toBe(false)
    })

    it('of known length arrives whole', async () => {
      const connection = await bench.connect(echo)
      const source = new RepeatingSource(Buffer.alloc(100, 'b'), 30, { length: 3000 })
      const exchange = await bench.open(connection, { method: 'PUT', body: source }).done
      expect(exchange.body.toString()).toBe('b'.repeat(3000))
    })

    it('that ends at once is an empty one', async () => {
      const connection = await bench.connect(echo)
      const source = new RepeatingSource(Buffer.alloc(1), 0)
      const exchange = await bench.open(connection, { method: 'POST', body: source }).done
      expect(exchange.body.length).toBe(0)
    })

    it('is not read faster than the origin reads', async () => {
      let release: () => void = () => undefined
      const released = new Promise<void>(resolve => void (release = resolve))
      const connection = await bench.connect(async exchange => {
        await released
        await echo(exchange)
      })
      const source = new RepeatingSource(Buffer.alloc(65_536, 'c'), 300)
      const exchange = bench.open(connection, { method: 'POST', body: source })
      await turns(200)
      const before = source.sent
      expect(before).toBeLessThan(200)
      release()
      const { body } = await exchange.done
      expect(body.length).toBe(300 * 65_536)
      expect(source.resumes).toBeGreaterThan(0)
    })

    it('that is longer than announced fails the exchange and never reaches the origin as such', async () => {
      const connection = await bench.connect(neverAnswers)
      const source = new RepeatingSource(Buffer.alloc(10), 2, { length: 15 })
      const { error } = await bench.open(connection, { method: 'POST', body: source }).done
      expect([error?.code, error?.processed]).toEqual(['MM_BODY_LENGTH', 'unknown'])
      expect(source.isCancelled).toBe(true)
      expect(bench.log).not.toContain('stream-failed')
    })

    it('that is shorter than announced fails the exchange', async () => {
      const connection = await bench.connect(neverAnswers)
      const source = new RepeatingSource(Buffer.alloc(10), 1, { length: 15 })
      const { error } = await bench.open(connection, { method: 'POST', body: source }).done
      expect(error?.code).toBe('MM_BODY_LENGTH')
    })

    it('that fails at its source fails the exchange with its error', async () => {
      const connection = await bench.connect(neverAnswers)
      const failure = new TransportError('MM_BODY_FAILED', 'the disk is gone')
      const source = new RepeatingSource(Buffer.alloc(10), 3, { failure })
      const { error } = await bench.open(connection, { method: 'POST', body: source }).done
      expect([error?.code, error?.message, error?.processed]).toEqual([
        'MM_BODY_FAILED',
        'the disk is gone',
        'unknown',
      ])
      expect(bench.log).not.toContain('stream-failed')
    })

    it('whose source throws in resume() fails its exchange, and no other', async () => {
      let release: () => void = () => undefined
      const released = new Promise<void>(resolve => void (release = resolve))
      const connection = await bench.connect(async exchange => {
        await released
        await exchange.body().then(
          () => hello(exchange),
          () => undefined, // it breaks off
        )
      })
      const source = new RepeatingSource(Buffer.alloc(65_536, 'c'), 300)
      source.onResume = () => {
        throw new Error('a defect')
      }
      const exchange = bench.open(connection, { method: 'POST', body: source })
      const other = connection.capacity > 1 ? bench.open(connection) : undefined
      release()
      const { error } = await exchange.done
      expect([error?.code, error?.message, error?.processed]).toEqual([
        'MM_BODY_FAILED',
        'a defect',
        'unknown',
      ])
      expect(source.isCancelled).toBe(true)
      expect((await other?.done)?.error).toBeUndefined()
      expect(bench.log).not.toContain('stream-failed')
    })

    it('whose source throws in cancel() lets the exchange end as it would', async () => {
      const connection = await bench.connect(neverAnswers)
      const source = new ScriptedSource()
      source.onCancel = () => {
        throw new Error('a defect')
      }
      const exchange = bench.open(connection, { method: 'POST', body: source })
      exchange.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
      expect([exchange.error?.code, source.isCancelled]).toEqual(['MM_ABORTED', true])
      expect(bench.log).toContain('stream-closed')
    })

    it('is cancelled when the final response is complete before it', async () => {
      const connection = await bench.connect(exchange => {
        exchange.respond(200, { 'content-length': '2' })
        exchange.write(Buffer.from('no'))
        exchange.end()
      })
      const source = new ScriptedSource()
      const exchange = bench.open(connection, { method: 'POST', body: source })
      source.sink?.write(Buffer.from('begin'))
      await exchange.done
      expect([exchange.status, exchange.body.toString()]).toEqual([200, 'no'])
      expect(source.isCancelled).toBe(true)
      source.sink?.write(Buffer.from('late'))
      source.sink?.end([])
    })
  })

  describe('the flow of a response', () => {
    const big = Buffer.alloc(65_536, 'd')
    const flood: OriginScript = async exchange => {
      exchange.respond(200)
      for (let i = 0; i < 200; i++) if (!exchange.write(big)) await exchange.drained()
      exchange.end()
    }

    it('stops when the handler pauses it and goes on when it is resumed', async () => {
      const connection = await bench.connect(flood)
      const handler = new RecordingHandler(bench.log)
      handler.onChunk = controller => {
        if (handler.bytes < 100_000) controller.pause()
      }
      connection.open(requestOf(), handler)
      await handler.started
      await until(() => handler.bytes > 0, 'the first chunk')
      await turns(100)
      const stoppedAt = handler.bytes
      expect(stoppedAt).toBeGreaterThan(0)
      expect(stoppedAt).toBeLessThanOrEqual(4 * 65_536)
      expect(handler.controller?.paused).toBe(true)
      await turns(100)
      expect(handler.bytes).toBe(stoppedAt)
      handler.onChunk = () => undefined
      handler.controller?.resume()
      await handler.done
      expect(handler.bytes).toBe(200 * 65_536)
    })

    it('lends its chunks, and what is kept stays unchanged', async () => {
      const connection = await bench.connect(async exchange => {
        exchange.respond(200)
        for (let i = 0; i < 100; i++) {
          if (!exchange.write(Buffer.alloc(30_000 + i, i))) await exchange.drained()
        }
        exchange.end()
      })
      const handler = new RecordingHandler(bench.log)
      const kept: Buffer[] = []
      const copies: Buffer[] = []
      handler.onChunk = (controller, chunk) => {
        copies.push(Buffer.from(chunk))
        kept.push(controller.keep(chunk))
      }
      connection.open(requestOf(), handler)
      await handler.done
      expect(handler.bytes).toBe(3_004_950)
      expect(Buffer.concat(kept).equals(Buffer.concat(copies))).toBe(true)
    })

    it('leaves the connection usable when it was paused to its end', async () => {
      const connection = await bench.connect(hello)
      const handler = new RecordingHandler(bench.log)
      handler.onHead = controller => controller.pause()
      connection.open(requestOf(), handler)
      await handler.started
      handler.controller?.resume()
      await handler.done
      expect((await bench.open(connection).done).body.toString()).toBe('hello')
    })
  })
}
