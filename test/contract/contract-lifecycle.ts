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
      expect(bench.log).toEqual(['closed max-age'])
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

    it('refuses an exchange when it is closed, as surely unprocessed', async () => {
      const connection = await bench.connect(hello)
      connection.close('idle-timeout')
      const { error } = bench.open(connection)
      expect([error?.code, error?.processed, error?.retryable]).toEqual(['MM_CONNECTION_CLOSED', 'no', true])
      expect(bench.log.at(-2)).toBe('closed idle-timeout')
    })

    it('shows itself in one line', async () => {
      const connection = await bench.connect(neverAnswers)
      const { address, port } = connection.endpoint
      expect(connection.toString()).toBe(
        `${bench.peer.protocol}#${connection.id} ${address}:${port} idle, 0 requests`,
      )
      bench.open(connection)
      expect(connection.toString()).toMatch(/ active, 1 requests$/)
      connection.close('shutdown')
      expect(connection.toString()).toMatch(/ closed, 1 requests$/)
    })
  })
}
