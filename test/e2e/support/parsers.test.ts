import { describe, expect, it } from 'vitest'
import { bodyOf } from '../../support/body-files.ts'
import { parseCurlWriteOut } from '../../support/curl.ts'
import { parseReflection } from '../../support/nginx.ts'
import { parseProcessStat } from '../../support/process-tree.ts'
import { parseWrkReport, wrkFailures } from '../../support/wrk.ts'

const WRK_REPORT = `Running 2s test @ http://127.0.0.1:8080/1k
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   812.31us    1.20ms   1.02s    91.29%
    Req/Sec    79.05k     3.31k   82.00k    85.00%
  Latency Distribution
     50%  660.00us
     75%    1.10ms
     90%    2.50ms
     99%    1.05s 
  157262 requests in 2.00s, 192.86MB read
  Socket errors: connect 1, read 2, write 3, timeout 4
  Non-2xx or 3xx responses: 5
Requests/sec:  78604.10
Transfer/sec:     96.40MB
`

describe('parseWrkReport', () => {
  it('reads counts, errors by kind and latencies in milliseconds', () => {
    const result = parseWrkReport(WRK_REPORT)
    expect(result).toMatchObject({
      requests: 157_262,
      seconds: 2,
      requestsPerSecond: 78_631,
      errors: { connect: 1, read: 2, write: 3, timeout: 4 },
      badStatus: 5,
    })
    expect(result.bytesRead).toBeCloseTo(192.86 * 1024 * 1024, 0)
    expect(wrkFailures(result)).toBe(15)
    const { mean, max, p50, p75, p90, p99 } = result.latencyMs
    expect([mean, max, p50, p75, p90, p99].map(ms => Number(ms.toFixed(3)))).toEqual([
      0.812, 1020, 0.66, 1.1, 2.5, 1050,
    ])
  })

  it('takes missing error lines as none', () => {
    const clean = WRK_REPORT.split('\n').filter(line => !/Socket errors|Non-2xx/.test(line))
    expect(wrkFailures(parseWrkReport(clean.join('\n')))).toBe(0)
  })

  it('refuses what is no report', () => {
    expect(() => parseWrkReport('unable to connect to 127.0.0.1:1')).toThrow(/unable to connect/)
  })
})

describe('parseProcessStat', () => {
  it('counts fields from the last parenthesis, whatever the name holds', () => {
    const stat = parseProcessStat(
      '4242 (a) R (b c) S 17 4242 4242 0 -1 4194560 500 600 0 0 70 80 90 100 20 0 1 0 123456 10000 250',
    )
    expect(stat).toEqual({
      pid: 4242,
      parent: 17,
      state: 'S',
      userTicks: 70,
      systemTicks: 80,
      childrenUserTicks: 90,
      childrenSystemTicks: 100,
      startTicks: 123_456,
    })
  })
})

describe('parseCurlWriteOut', () => {
  it('takes messages, facts and headers apart', () => {
    const facts = JSON.stringify({
      http_code: 200,
      http_version: '1.1',
      size_download: 7,
      time_connect: 0.1,
      time_appconnect: 0.2,
      time_starttransfer: 0.3,
      time_total: 0.4,
    })
    const headers = '{"set-cookie":["a=1",\n"b=2"]}'
    expect(parseCurlWriteOut(`curl: (18) short\n\n--- curl write-out ---\n${facts}\n${headers}`)).toEqual({
      status: 200,
      httpVersion: '1.1',
      headers: { 'set-cookie': ['a=1', 'b=2'] },
      bytes: 7,
      seconds: { connect: 0.1, tls: 0.2, firstByte: 0.3, total: 0.4 },
      message: 'curl: (18) short',
    })
  })
})

describe('parseReflection', () => {
  it('keeps colons in values and empty values', () => {
    expect(parseReflection('host: [::1]:80\nvia: \n')).toEqual({ host: '[::1]:80', via: '' })
  })
})

describe('bodyOf', () => {
  it('is the same every time and differs from place to place', () => {
    expect(bodyOf(1024).equals(bodyOf(2048).subarray(0, 1024))).toBe(true)
    const words = new Set<number>()
    const body = bodyOf(102_400)
    for (let i = 0; i < body.length; i += 4) words.add(body.readUInt32LE(i))
    expect(words.size).toBe(25_600)
  })
})
