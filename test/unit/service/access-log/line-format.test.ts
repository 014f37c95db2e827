import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { AccessRecord } from '../../../../src/service/access-log/access-record.ts'
import {
  type LineFormat,
  lineFormat,
  MAX_LINE_LENGTH,
} from '../../../../src/service/access-log/line-format.ts'

const FIELDS: Readonly<Record<string, string>> = { 'user-agent': 'curl/8', 'x-tenant': 'a b' }
const RECORD: AccessRecord = {
  timeMs: Date.UTC(2026, 10, 25, 8, 1, 2, 345),
  client: '192.0.2.1',
  clientPort: 50_000,
  method: 'GET',
  scheme: 'https',
  host: 'shop.example',
  target: '/cart?id=1',
  protocol: 'HTTP/2.0',
  status: 200,
  requestBytes: 0,
  responseBytes: 512,
  requestId: 'abc',
  route: 'routes[0]',
  origin: 'shop',
  originProtocol: 'h3',
  lane: 'h3',
  connection: 7,
  reused: true,
  earlyData: false,
  attempts: 1,
  connects: 0,
  queueMs: 0,
  ttfbMs: 12.34567,
  totalMs: 20,
  error: undefined,
  session: undefined,
  sessionProtocol: undefined,
  closeCode: undefined,
  streams: undefined,
  datagrams: undefined,
  droppedDatagrams: undefined,
  header: name => FIELDS[name],
}

function formatOf(text: string): LineFormat {
  const format = lineFormat(text)
  if (typeof format === 'string') throw new Error(format)
  return format
}

describe('a line of the access log', () => {
  it('as common and combined is what tools for nginx and Apache read', () => {
    const common = '192.0.2.1 - - [25/Nov/2026:08:01:02 +0000] "GET /cart?id=1 HTTP/2.0" 200 512'
    expect(formatOf('common')(RECORD)).toBe(common)
    expect(formatOf('combined')(RECORD)).toBe(`${common} "-" "curl/8"`)
  })

  it('as JSON has every value that exists, and no other', () => {
    expect(JSON.parse(formatOf('json')(RECORD))).toEqual({
      time: '2026-11-25T08:01:02.345Z',
      client: '192.0.2.1',
      clientPort: 50_000,
      method: 'GET',
      scheme: 'https',
      host: 'shop.example',
      target: '/cart?id=1',
      protocol: 'HTTP/2.0',
      status: 200,
      requestBytes: 0,
      responseBytes: 512,
      agent: 'curl/8',
      requestId: 'abc',
      route: 'routes[0]',
      origin: 'shop',
      originProtocol: 'h3',
      lane: 'h3',
      connection: 7,
      reused: true,
      earlyData: false,
      attempts: 1,
      connects: 0,
      queueMs: 0,
      ttfbMs: 12.346,
      totalMs: 20,
    })
  })

  it('as a template has variables, fields of the request, dollars, and a dash for missing values', () => {
    const template = '$client:${clientPort} $path ${header.X-Tenant} ${header.x-none} $error $$1 $ttfbMs'
    expect(formatOf(template)(RECORD)).toBe('192.0.2.1:50000 /cart a b - - $1 12.346')
  })

  it.for([
    ['jsno', /must be json, common, combined or a template/],
    ['$clint', /^\$clint is no variable; there are time, client/],
    ['$client costs $', /^\$ is no variable/],
    ['${header.}', /^\$\{header\.\} is no variable/],
    ['$constructor', /is no variable/],
    ['$client\n$status', /one line/],
    [`$client${'x'.repeat(1_024)}`, /1024 characters/],
  ] as const)('cannot have the format %j', ([format, expected]) => {
    expect(lineFormat(format)).toMatch(expected)
  })

  const hostile = fc.array(fc.integer({ min: 0, max: 0xff }), { maxLength: 3_000, size: 'max' })
  const value = hostile.map(codes => String.fromCharCode(...codes))
  const templates = ['$target $agent $referer $host $method $requestId', '"$agent" ${header.x}'.repeat(20)]
  it.for(['json', 'common', 'combined', ...templates])(
    'is one bounded line of ASCII, whatever a client sends: %s',
    text => {
      const format = formatOf(text)
      fc.assert(
        fc.property(value, value, value, value, (target, host, method, header) => {
          const requestId = header.slice(0, 128)
          const line = format({ ...RECORD, target, host, method, requestId, header: () => header })
          expect(line).toMatch(/^[\x20-\x7e]*$/)
          expect(line.length).toBeLessThanOrEqual(MAX_LINE_LENGTH)
          if (text === 'json') expect(JSON.parse(line)).toMatchObject({ status: 200, totalMs: 20 })
          // Three quoted parts at the most: the request, the referer, the agent.
          if (text === 'combined') expect(line.split('"')).toHaveLength(7)
        }),
        { numRuns: 50 },
      )
    },
  )
})
