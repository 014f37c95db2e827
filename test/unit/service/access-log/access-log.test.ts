import { describe, expect, it } from 'vitest'
import { parseOrigin, TransportError } from '../../../../src/index.ts'
import { accessLines } from '../../../../src/service/access-log/access-log.ts'
import type { EndedExchange } from '../../../../src/service/forwarding/forwarded-exchange.ts'
import { FakeIngressExchange } from '../fake-ingress-exchange.ts'

const ENDED: EndedExchange = {
  client: new FakeIngressExchange(),
  route: 'routes[0]',
  origin: parseOrigin('https://origin.example'),
  originProtocol: 'h2',
  status: 200,
  durationMs: 3,
  handle: undefined,
  requestId: 'id',
  requestBytes: 0,
  responseBytes: 5,
  error: undefined,
}

function setUp(sample: number, draws: number[] = []) {
  const lines: string[] = []
  const onEnded = accessLines(
    { format: '$client $method $target $status $route $origin $requestId $totalMs $error', sample },
    {
      write: line => lines.push(line),
      originName: () => 'shop',
      random: () => draws.shift() ?? 0.999,
      wallNow: () => 0,
    },
  )
  return { lines, onEnded }
}

describe('the access log', () => {
  it('has a line for each request', () => {
    const { lines, onEnded } = setUp(1)
    onEnded(ENDED)
    expect(lines).toEqual(['192.0.2.1 GET /x?y=1 200 routes[0] shop id 3 -\n'])
  })

  it('has the share of the requests that is configured', () => {
    const { lines, onEnded } = setUp(0.25, [0.25, 0.24, 0.9, 0])
    for (let i = 0; i < 4; i++) onEnded({ ...ENDED, status: 201 + i })
    expect(lines.map(line => line.split(' ')[3])).toEqual(['202', '204'])
  })

  it('always has the requests that failed', () => {
    const { lines, onEnded } = setUp(0)
    onEnded(ENDED)
    onEnded({ ...ENDED, status: 404 })
    onEnded({ ...ENDED, status: 502 })
    onEnded({ ...ENDED, error: new TransportError('MM_CONNECTION_RESET', 'broken') })
    expect(lines.map(line => line.split(' ').slice(3).join(' '))).toEqual([
      '502 routes[0] shop id 3 -\n',
      '200 routes[0] shop id 3 MM_CONNECTION_RESET\n',
    ])
  })

  it('has 499 for a client that went away before there was an answer, as nginx does', () => {
    const { lines, onEnded } = setUp(0)
    onEnded({ ...ENDED, status: 0, error: new TransportError('MM_CLIENT_GONE', 'gone') })
    expect(lines).toEqual(['192.0.2.1 GET /x?y=1 499 routes[0] shop id 3 MM_CLIENT_GONE\n'])
  })

  it('names clients of a dual-stack socket by their IPv4 address', () => {
    const { lines, onEnded } = setUp(1)
    onEnded({
      ...ENDED,
      client: Object.assign(new FakeIngressExchange(), { remoteAddress: '::ffff:192.0.2.7' }),
    })
    expect(lines[0]).toMatch(/^192\.0\.2\.7 /)
  })
})
