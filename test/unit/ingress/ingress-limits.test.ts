import { describe, expect, it } from 'vitest'
import type { BodySource } from '../../../src/base/http/exchange.ts'
import type { HeaderList } from '../../../src/base/http/headers.ts'
import type { IngressExchange } from '../../../src/ingress/ingress-exchange.ts'
import type { UnderscoreRule } from '../../../src/ingress/ingress-limits.ts'
import type { IngressStats } from '../../../src/ingress/ingress-stats.ts'
import { literals } from '../../support/http2-fields.ts'
import { data, FLAG, headers } from '../../support/http2-wire.ts'
import { FakeClient } from './fake-client.ts'
import { FakeHttp2Client } from './fake-http2-client.ts'
import { FakeHttp3Client } from './fake-http3-client.ts'

interface Seen {
  readonly exchanges: readonly IngressExchange[]
  readonly stats: IngressStats
  /** Whether the answer is a 400. */
  readonly isRefused: boolean
}

const trailersOf = (exchange: IngressExchange): HeaderList | undefined => {
  let seen: HeaderList | undefined
  const source = exchange.body as BodySource // the requests below are longer than what is handed over in one piece
  source.attach({ write: () => true, end: trailers => void (seen = trailers), fail: () => {} })
  return seen
}

const CASES: [protocol: string, ask: (rule: UnderscoreRule | undefined) => Promise<Seen>][] = [
  [
    'http/1.1',
    async rule => {
      const client = new FakeClient(rule === undefined ? {} : { underscoredFields: rule })
      client.send(
        'POST / HTTP/1.1\r\nHost: a\r\nX_Forwarded_For: 1.2.3.4\r\nx-kept: 1\r\nContent_Length: 9\r\ntransfer-encoding: chunked\r\n\r\n' +
          '2\r\nok\r\n0\r\nx_sum: 1\r\nx-sum: 2\r\n\r\n',
      )
      return {
        exchanges: client.exchanges,
        stats: client.stats,
        isRefused: client.output.startsWith('HTTP/1.1 400 '),
      }
    },
  ],
  [
    'h2',
    async rule => {
      const client = new FakeHttp2Client(rule === undefined ? {} : { underscoredFields: rule })
      client.send(
        client.ask(1, {
          method: 'POST',
          ends: false,
          fields: [
            ['x_forwarded_for', '1.2.3.4'],
            ['x-kept', '1'],
            ['content_length', '9'],
          ],
        }),
      )
      client.send(
        data(1, 'ok'),
        headers(1, literals(['x_sum', '1'], ['x-sum', '2']), FLAG.END_HEADERS | FLAG.END_STREAM),
      )
      return {
        exchanges: client.exchanges,
        stats: client.stats,
        isRefused: (await client.of(1))[0] === 'HEADERS 400',
      }
    },
  ],
  [
    'h3',
    async rule => {
      const client = FakeHttp3Client.established({
        limits: rule === undefined ? {} : { underscoredFields: rule },
      })
      const asked = client.ask({
        method: 'POST',
        ends: false,
        headers: ['x_forwarded_for', '1.2.3.4', 'x-kept', '1', 'content_length', '9'],
      })
      await client.pass(50)
      asked.stream.write(Buffer.from('ok'), chunk => chunk)
      asked.stream.end(['x_sum', '1', 'x-sum', '2'])
      await client.pass(50)
      return { exchanges: client.exchanges, stats: client.stats, isRefused: asked.statuses[0] === 400 }
    },
  ],
]

describe.each(CASES)('fields with an underscore in their name, over %s', (_protocol, ask) => {
  it.each([undefined, 'drop'] as const)('are left out and counted, in trailers too: %s', async rule => {
    const { exchanges, stats, isRefused } = await ask(rule)
    expect(exchanges[0]?.headers).toEqual(['x-kept', '1'])
    expect(exchanges.map(trailersOf)).toEqual([['x-sum', '2']])
    expect([stats.droppedFields, isRefused]).toEqual([3, false])
  })

  it('are passed on where that is allowed', async () => {
    const { exchanges, stats } = await ask('pass')
    expect(exchanges[0]?.headers).toEqual([
      'x_forwarded_for',
      '1.2.3.4',
      'x-kept',
      '1',
      'content_length',
      '9',
    ])
    expect(exchanges.map(trailersOf)).toEqual([['x_sum', '1', 'x-sum', '2']])
    expect(stats.droppedFields).toBe(0)
  })

  it('end the request with 400 where they are refused', async () => {
    const { exchanges, stats, isRefused } = await ask('refuse')
    expect([exchanges.length, isRefused, stats.badRequests]).toEqual([0, true, { MM_BAD_REQUEST: 1 }])
  })
})
