import { describe, expect, it } from 'vitest'
import type { Connection } from '../../src/base/events/connection.ts'
import { MultiplexedConnection } from '../../src/http/multiplex/connection.ts'
import type { GuestConnection } from '../../src/http/multiplex/guest-connection.ts'
import { SharedStreams } from '../../src/pool/shared-streams.ts'
import { type ContractBench, hello, neverAnswers, requestOf } from './contract-bench.ts'
import { RecordingHandler, RecordingListener } from './recorder.ts'

/** A guest of the connection, whose events are in the one list, `guest` before each. */
function join(bench: ContractBench, connection: Connection): { guest: GuestConnection; log: string[] } {
  if (!(connection instanceof MultiplexedConnection)) throw new Error('it carries one exchange at a time')
  const streams = new SharedStreams({ limit: () => connection.capacity, isExhausted: () => false })
  const { handshake } = connection
  const log: string[] = []
  const guest = connection.join({
    listener: new RecordingListener(log),
    sharedBy: { owner: 'https://a.example', because: 'a test', handshake, isByOriginSet: false },
    share: streams.join(),
    handshake,
    altUsed: undefined,
  })
  if (guest === undefined) throw new Error(`${bench.peer.protocol} takes no guest`)
  return { guest, log }
}

function open(connection: Connection, log: string[] = []): RecordingHandler {
  const handler = new RecordingHandler(log)
  connection.open(requestOf({ authority: 'guest.example' }), handler)
  return handler
}

/** What connections that carry many exchanges do for the pools of other origins. */
export function describeGuests(name: string, bench: ContractBench): void {
  describe(`guests of ${name}`, () => {
    it('share the connection, with exchanges and an end of their own', async () => {
      const authorities: string[] = []
      const connection = await bench.connect(exchange => {
        authorities.push(exchange.authority)
        return hello(exchange)
      })
      const { guest, log } = join(bench, connection)
      expect([guest.id, guest.protocol, guest.endpoint]).toEqual([
        connection.id,
        connection.protocol,
        connection.endpoint,
      ])
      const handler = await open(guest, log).done
      expect(handler.body.toString()).toBe('hello')
      expect(log.filter(entry => entry !== 'capacity-changed')).toEqual([
        'request-start',
        'response-start 200',
        'stream-closed',
        'response-end',
      ])
      expect(bench.exchangeLog).toEqual([])
      expect(authorities).toEqual(['guest.example'])
      await guest.ping()
    })

    it('leave alone, so that their exchanges end, while those of the owner go on', async () => {
      const connection = await bench.connect(neverAnswers)
      const { guest, log } = join(bench, connection)
      const owners = bench.open(connection)
      const guests = open(guest)
      guest.close('idle-timeout')
      expect(guests.error?.code).toBe('MM_CONNECTION_CLOSED')
      expect(log.at(-1)).toBe('closed idle-timeout')
      expect([owners.error, connection.endedBy]).toEqual([undefined, undefined])
      expect(open(guest).error).toMatchObject({ code: 'MM_CONNECTION_CLOSED', processed: 'no' })
      connection.close('shutdown')
      expect(log.filter(entry => entry.startsWith('closed'))).toEqual(['closed idle-timeout'])
    })

    it('finish when they drain, and when the connection does', async () => {
      const connection = await bench.connect(hello)
      const [one, other] = [join(bench, connection), join(bench, connection)]
      const handlers = [open(one.guest), open(other.guest)]
      one.guest.drain('max-age')
      connection.drain('max-age')
      expect(other.log.filter(entry => entry.startsWith('draining'))).toEqual(['draining max-age'])
      for (const handler of handlers) expect((await handler.done).body.toString()).toBe('hello')
      expect(await bench.listener.closed).toBe('max-age')
      expect([one.log.at(-1), other.log.at(-1)]).toEqual(['closed max-age', 'closed max-age'])
      expect(connection).not.toHaveProperty('join', undefined)
    })

    it('are drained by the owner, which goes on', async () => {
      const connection = await bench.connect(hello)
      const { guest, log } = join(bench, connection)
      connection.dismissGuests?.('max-age')
      expect(log.filter(entry => entry !== 'capacity-changed')).toEqual([
        'draining max-age',
        'closed max-age',
      ])
      expect([guest.endedBy, guest.capacity]).toEqual(['max-age', 0])
      expect((await bench.open(connection).done).body.toString()).toBe('hello')
    })

    it('end with the connection, each exchange reported to its own pool first', async () => {
      const connection = await bench.connect(neverAnswers)
      const { guest, log } = join(bench, connection)
      const handler = open(guest, log)
      bench.open(connection)
      connection.close('shutdown')
      expect(handler.error?.code).toBe('MM_TRANSPORT_CLOSED')
      const told = log.filter(entry => entry !== 'capacity-changed')
      expect(told.slice(0, 1)).toEqual(['request-start'])
      expect(told.filter(entry => entry.startsWith('stream'))).toHaveLength(1)
      expect(told.indexOf('closed shutdown')).toBeGreaterThan(
        told.findIndex(entry => entry.startsWith('stream')),
      )
      expect(bench.log.filter(entry => entry.startsWith('closed'))).toEqual(['closed shutdown'])
    })
  })
}
