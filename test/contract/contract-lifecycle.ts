import { describe, expect, it } from 'vitest'
import { type ContractBench, hello, neverAnswers } from './contract-bench.ts'

/** The connection itself. */
export function describeLifecycle(bench: ContractBench): void {
  describe('the connection itself', () => {
    it('answers a check while it is open and fails it afterwards', async () => {
      const connection = await bench.connect(hello)
      await connection.ping()
      connection.close('shutdown')
      await expect(connection.ping()).rejects.toMatchObject({ code: 'MM_PING_FAILED' })
    })

    it('closes at once when it is drained idle', async () => {
      const connection = await bench.connect(hello)
      connection.drain('max-age')
      expect(bench.exchangeLog).toEqual(['closed max-age'])
    })

    it('lets its exchange end when it is drained', async () => {
      const connection = await bench.connect(hello)
      const handler = bench.open(connection)
      connection.drain('max-age')
      await handler.done
      expect(handler.body.toString()).toBe('hello')
      expect(await bench.listener.closed).toBe('max-age')
    })

    it('fails its exchange when it is closed, and closes once', async () => {
      const connection = await bench.connect(neverAnswers)
      const handler = bench.open(connection)
      connection.close('shutdown')
      connection.close('shutdown')
      expect(handler.error?.code).toBe('MM_TRANSPORT_CLOSED')
      expect(bench.log.filter(entry => entry.startsWith('closed'))).toEqual(['closed shutdown'])
    })

    it('reports when its socket is closed, which is after its own end', async () => {
      const connection = await bench.connect(hello)
      await bench.open(connection).done
      connection.close('idle-timeout')
      expect(bench.log.at(-1)).toBe('closed idle-timeout')
      const gone = connection.whenGone?.()
      expect(gone).toBeInstanceOf(Promise)
      await gone
      expect(connection.whenGone?.()).toBeUndefined()
    })

    it('refuses an exchange when it is closed, as surely unprocessed', async () => {
      const connection = await bench.connect(hello)
      connection.close('idle-timeout')
      const { error } = bench.open(connection)
      expect([error?.code, error?.processed, error?.resendable]).toEqual(['MM_CONNECTION_CLOSED', 'no', true])
      expect(bench.log.at(-2)).toBe('closed idle-timeout')
    })

    it('prints itself in one line', async () => {
      const connection = await bench.connect(neverAnswers)
      const { address, port } = connection.endpoint
      const { protocol } = bench.peer
      // Where several exchanges can be open at once, their number is reported.
      const shown = (state: string, streams: number, requests: number): string =>
        `${protocol}#${connection.id} ${address}:${port} ${state}, ${protocol === 'http/1.1' ? '' : `${streams} streams, `}${requests} requests`
      expect(connection.toString()).toBe(shown('idle', 0, 0))
      bench.open(connection)
      expect(connection.toString()).toBe(shown('active', 1, 1))
      connection.close('shutdown')
      expect(connection.toString()).toBe(shown('closed', 0, 1))
    })
  })
}
