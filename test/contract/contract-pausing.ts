import { describe, expect, it } from 'vitest'
import { TransportError } from '../../src/base/errors.ts'
import type { ExchangeController } from '../../src/base/http/exchange.ts'
import { until } from '../support/until.ts'
import { type ContractBench, hello, requestOf, turns } from './contract-bench.ts'
import type { OriginScript } from './contract-peer.ts'
import { RecordingHandler } from './recorder.ts'

/** Many small pieces, which mostly come in one read, and trailers. */
const pieces: OriginScript = exchange => {
  exchange.respond(200, { trailer: 'x-sum' })
  for (let i = 0; i < 20; i++) exchange.write(Buffer.from(`piece ${i}. `))
  exchange.end({ 'x-sum': '20' })
}
const PIECES = Array.from({ length: 20 }, (_, i) => `piece ${i}. `).join('')

const sized: OriginScript = exchange => {
  exchange.respond(200, { 'content-length': '5' })
  exchange.write(Buffer.from('hello'))
  exchange.end()
}

/** A handler that notes what it is called with while it has paused, which must be nothing. */
class PausingHandler extends RecordingHandler {
  text = ''
  readonly whilePaused: string[] = []

  override onResponseData(controller: ExchangeController, chunk: Buffer): void {
    if (controller.paused) this.whilePaused.push(`data ${chunk.toString()}`)
    this.text += chunk.toString()
    super.onResponseData(controller, chunk)
  }

  override onResponseEnd(controller: ExchangeController, trailers: readonly string[]): void {
    if (controller.paused) this.whilePaused.push('end')
    super.onResponseEnd(controller, trailers)
  }
}

/** Who pauses gets nothing further, whatever was read already. */
export function describePausing(bench: ContractBench): void {
  const open = async (
    script: OriginScript,
    prepare: (handler: PausingHandler) => void,
    overrides: Parameters<typeof requestOf>[0] = {},
  ) => {
    const connection = await bench.connect(script)
    const handler = new PausingHandler(bench.log)
    prepare(handler)
    connection.open(requestOf(overrides), handler)
    await handler.started
    return { connection, handler }
  }
  const pause = (controller: ExchangeController): void => controller.pause()

  describe('a handler that pauses', () => {
    it.each([
      ['before the response', 'onStart'],
      ['with its head', 'onHead'],
    ] as const)('%s gets the head and nothing behind it until it resumes', async (_title, when) => {
      const { handler } = await open(pieces, made => void (made[when] = pause))
      await turns(50)
      expect([handler.status, handler.text, bench.log.includes('response-end')]).toEqual([200, '', false])
      handler.controller?.resume()
      await handler.done
      expect([handler.text, handler.trailers]).toEqual([PIECES, ['x-sum', '20']])
      expect(handler.whilePaused).toEqual([])
    })

    it('with each piece gets one for each time that it resumes, then the end with its trailers', async () => {
      const { handler } = await open(pieces, made => {
        made.onChunk = controller => {
          controller.pause()
          setImmediate(() => controller.resume())
        }
      })
      await handler.done
      expect([handler.text, handler.trailers]).toEqual([PIECES, ['x-sum', '20']])
      expect(handler.whilePaused).toEqual([])
    })

    it('with its last piece gets no end until it resumes, and the stream stays taken', async () => {
      const { connection, handler } = await open(sized, made => void (made.onChunk = pause))
      await until(() => handler.text === 'hello', 'the body')
      await turns(50)
      expect(bench.exchangeLog).toEqual(['request-start', 'response-start 200'])
      handler.controller?.resume()
      await handler.done
      expect(bench.exchangeLog.slice(2)).toEqual(['stream-closed', 'response-end'])
      expect((await bench.open(connection).done).body.toString()).toBe('hello')
    })

    it('with the head of a response without a body gets its end when it resumes', async () => {
      const empty: OriginScript = exchange => {
        exchange.respond(204)
        exchange.end()
      }
      const { handler } = await open(empty, made => void (made.onHead = pause))
      await turns(50)
      expect(bench.log).not.toContain('response-end')
      handler.controller?.resume()
      await handler.done
      expect(handler.whilePaused).toEqual([])
    })

    it('and resumes within the same call gets everything, in order', async () => {
      const both = (controller: ExchangeController): void => {
        controller.pause()
        controller.resume()
      }
      const { handler } = await open(pieces, made => {
        made.onHead = both
        made.onChunk = both
      })
      await handler.done
      expect([handler.text, handler.trailers]).toEqual([PIECES, ['x-sum', '20']])
    })

    it('and aborts then is notified at once, and of nothing else', async () => {
      const { connection, handler } = await open(pieces, made => void (made.onHead = pause))
      await turns(50)
      handler.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
      handler.controller?.resume()
      await turns(20)
      expect([handler.error?.code, handler.text]).toEqual(['MM_ABORTED', ''])
      expect(bench.log.filter(entry => entry === 'stream-closed')).toHaveLength(1)
      if (connection.capacity > 1) expect((await bench.open(connection).done).status).toBe(200)
    })

    it('and aborts from within the call that follows receives nothing else', async () => {
      const { handler } = await open(pieces, made => void (made.onHead = pause))
      await turns(50)
      handler.onChunk = controller => controller.abort(new TransportError('MM_ABORTED', 'enough'))
      handler.controller?.resume()
      await handler.done
      await turns(20)
      expect([handler.error?.code, handler.text]).toMatchObject(['MM_ABORTED', /^piece 0/])
      expect(bench.log).not.toContain('response-end')
    })

    it('gets the rest of a response that came whole when it resumes, though the origin has closed', async () => {
      const { handler } = await open(pieces, made => void (made.onHead = pause))
      await turns(50)
      await bench.peer.stop()
      await turns(50)
      expect([handler.text, handler.error]).toEqual(['', undefined])
      const seen: string[] = []
      handler.onChunk = (controller, chunk) => {
        seen.push(chunk.toString())
        controller.pause()
        setImmediate(() => controller.resume())
      }
      handler.controller?.resume()
      await handler.done
      expect([seen.join(''), handler.trailers]).toEqual([PIECES, ['x-sum', '20']])
      expect(handler.whilePaused).toEqual([])
    })

    it('may abort what the closed connection has left to it', async () => {
      const { handler } = await open(pieces, made => void (made.onHead = pause))
      await turns(50)
      await bench.peer.stop()
      await turns(50)
      handler.controller?.abort(new TransportError('MM_ABORTED', 'enough'))
      handler.controller?.resume()
      expect([handler.error?.code, handler.text]).toEqual(['MM_ABORTED', ''])
      expect(bench.log.filter(entry => entry.startsWith('stream-'))).toHaveLength(1)
    })

    it('leaves a connection on which the next response comes whole', async () => {
      const { connection, handler } = await open(pieces, made => void (made.onHead = pause))
      setImmediate(() => handler.controller?.resume())
      await handler.done
      const next = await bench.open(connection).done
      expect(next.body.toString()).toBe(PIECES)
    })

    it('does not keep an upgrade from coming', async () => {
      const connection = await bench.connect(exchange => void exchange.acceptUpgrade('first').end())
      const handler = new RecordingHandler(bench.log)
      handler.onStart = pause
      connection.open(requestOf({ upgrade: 'websocket', headers: WEBSOCKET_KEY }), handler)
      await handler.done
      const { tunnel } = handler
      expect(tunnel).toBeDefined()
      const first = await new Promise<string>(resolve =>
        tunnel?.once('data', (chunk: Buffer) => resolve(chunk.toString())),
      )
      expect(first).toBe('first')
      tunnel?.destroy()
    })

    it('is ended by the end of its connection', async () => {
      const { connection, handler } = await open(hello, made => void (made.onHead = pause))
      connection.close('shutdown')
      expect([handler.error?.code, handler.text]).toEqual(['MM_TRANSPORT_CLOSED', ''])
    })
  })
}

const WEBSOCKET_KEY = ['sec-websocket-key', 'dGhlIHNhbXBsZSBub25jZQ==', 'sec-websocket-version', '13']
