import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { ExchangeRequest } from '../../src/base/http/exchange.ts'
import { headerValue } from '../../src/base/http/headers.ts'
import { type ContractBench, hello, requestOf, turns } from './contract-bench.ts'
import { RecordingHandler } from './recorder.ts'

/** Exchanges that go well, and requests that cannot be sent. */
export function describeExchanges(bench: ContractBench): void {
  describe('an exchange', () => {
    it('reports the response, and frees its stream before the handler is notified of the end', async () => {
      const connection = await bench.connect(hello)
      const exchange = await bench.open(connection).done
      expect(exchange.status).toBe(200)
      expect(headerValue(exchange.headers, 'content-type')).toBe('text/plain')
      expect(exchange.body.toString()).toBe('hello')
      expect(bench.exchangeLog).toEqual([
        'request-start',
        'response-start 200',
        'stream-closed',
        'response-end',
      ])
    })

    it('sends the origin method, path, authority and end-to-end fields', async () => {
      const connection = await bench.connect(exchange => {
        exchange.respond(200, {
          'x-seen': `${exchange.method} ${exchange.path} ${exchange.authority} ${String(exchange.headers['x-mine'])}`,
        })
        exchange.end()
      })
      const seen = await bench.open(connection, {
        method: 'DELETE',
        path: '/a/b?c=d',
        headers: ['x-mine', 'yes'],
      }).done
      expect(headerValue(seen.headers, 'x-seen')).toBe('DELETE /a/b?c=d origin.example yes')
    })

    it('keeps fields that belong to the connection out of the response', async () => {
      const connection = await bench.connect(hello)
      const { headers } = await bench.open(connection).done
      for (const field of ['connection', 'keep-alive', 'transfer-encoding']) {
        expect(headerValue(headers, field)).toBeUndefined()
      }
    })

    it('leaves the connection ready for the next one', async () => {
      const connection = await bench.connect(hello)
      for (let i = 0; i < 5; i++) {
        expect((await bench.open(connection).done).body.toString()).toBe('hello')
      }
      expect(connection.toString()).toContain('5 requests')
    })

    it('can be followed by one that is opened from within onStreamClosed', async () => {
      const connection = await bench.connect(hello)
      const second = new RecordingHandler(bench.log, 'second')
      bench.listener.onFree = () => connection.open(requestOf(), second)
      const first = await bench.open(connection, {}, 'first').done
      await second.done
      expect([first.body.toString(), second.body.toString()]).toEqual(['hello', 'hello'])
      expect(bench.exchangeLog).toEqual([
        'first: request-start',
        'first: response-start 200',
        'stream-closed',
        'second: request-start',
        'first: response-end',
        'second: response-start 200',
        'stream-closed',
        'second: response-end',
      ])
    })

    it('can be followed by one that is opened from within onResponseEnd', async () => {
      const connection = await bench.connect(hello)
      const second = new RecordingHandler(bench.log)
      const first = bench.open(connection)
      first.onEnd = () => connection.open(requestOf(), second)
      await second.done
      expect(second.body.toString()).toBe('hello')
    })

    it('carries informational responses', async () => {
      const connection = await bench.connect(exchange => {
        exchange.earlyHints({ 'x-hint': 'one' })
        exchange.respond(200)
        exchange.end()
      })
      const exchange = await bench.open(connection).done
      expect(exchange.informational.map(([status]) => status)).toEqual([103])
      expect(headerValue(exchange.informational[0]?.[1] ?? [], 'x-hint')).toBe('one')
      expect(exchange.status).toBe(200)
    })

    it('carries the trailers of the response', async () => {
      const connection = await bench.connect(exchange => {
        exchange.respond(200, { trailer: 'x-sum' })
        exchange.write(Buffer.from('abc'))
        exchange.end({ 'x-sum': '42' })
      })
      const exchange = await bench.open(connection).done
      expect(exchange.trailers).toEqual(['x-sum', '42'])
    })

    it.each([
      ['HEAD', 200],
      ['GET', 204],
      ['GET', 304],
    ])('of %s with %i has no body and leaves the connection in step', async (method, status) => {
      const connection = await bench.connect(exchange => {
        if (exchange.path === '/next') void hello(exchange)
        else {
          exchange.respond(status, status === 204 ? {} : { 'content-length': '5' })
          exchange.end()
        }
      })
      const first = await bench.open(connection, { method }).done
      expect([first.status, first.bytes]).toEqual([status, 0])
      const next = await bench.open(connection, { path: '/next' }).done
      expect(next.body.toString()).toBe('hello')
    })
  })

  describe('a request that cannot be sent', () => {
    const bad: [string, Partial<ExchangeRequest>][] = [
      ['a line break in a value', { headers: ['x-a', 'b\r\nx-injected: c'] }],
      ['a line break in the path', { path: '/a\r\nb' }],
      ['a space in the path', { path: '/a b' }],
      ['a method that is no token', { method: 'GE T' }],
      ['a name in upper case', { headers: ['X-A', 'b'] }],
      ['a field of the connection', { headers: ['transfer-encoding', 'chunked'] }],
      [
        "a length that is not the body's",
        { method: 'POST', headers: ['content-length', '3'], body: Buffer.from('four') },
      ],
    ]
    it.each(bad)('is refused and leaves the connection unchanged: %s', async (_title, overrides) => {
      const connection = await bench.connect(hello)
      const handler = bench.open(connection, overrides)
      expect([handler.error?.code, handler.error?.processed]).toEqual(['MM_INVALID_ARGUMENT', 'no'])
      expect(bench.log.at(-2)).toBe('stream-closed')
      expect((await bench.open(connection).done).body.toString()).toBe('hello')
    })
  })

  describe('a tunnel', () => {
    it('gets the bytes behind the response first', async () => {
      const connection = await bench.connect(exchange => {
        const stream = exchange.acceptUpgrade('welcome ')
        stream.on('data', (chunk: Buffer) => void stream.end(chunk.toString().toUpperCase()))
      })
      const handler = await bench.open(connection, { upgrade: 'websocket' }).done
      const { tunnel } = handler
      if (tunnel === undefined) throw new Error(`no tunnel: ${bench.log.join()}`)
      let received = ''
      tunnel.on('data', (chunk: Buffer) => void (received += chunk.toString()))
      tunnel.write('hello')
      await once(tunnel, 'end')
      expect(received).toBe('welcome HELLO')
      tunnel.destroy()
    })

    it('has back-pressure, and what it holds back stays unchanged', async () => {
      const connection = await bench.connect(exchange => {
        const accepted = exchange.acceptUpgrade('')
        for (let i = 0; i < 500; i++) accepted.write(Buffer.alloc(65_536, i))
        accepted.end()
      })
      const { tunnel } = await bench.open(connection, { upgrade: 'websocket' }).done
      if (tunnel === undefined) throw new Error(`no tunnel: ${bench.log.join()}`)
      await turns(100)
      expect(tunnel.readableLength).toBeLessThan(1_000_000)
      const chunks: Buffer[] = []
      for await (const chunk of tunnel) chunks.push(chunk as Buffer)
      const bytes = Buffer.concat(chunks)
      expect(bytes.length).toBe(500 * 65_536)
      for (let i = 0; i < 500; i++) {
        const piece = bytes.subarray(i * 65_536, (i + 1) * 65_536)
        expect(piece.equals(Buffer.alloc(65_536, i))).toBe(true)
      }
    })
  })
}
