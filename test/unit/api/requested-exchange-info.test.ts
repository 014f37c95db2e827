import { describe, expect, it } from 'vitest'
import { exchangeInfo } from '../../../src/api/requested-exchange.ts'
import type { Connection, HandshakeInfo } from '../../../src/base/events/connection.ts'
import type { DispatchHandle } from '../../../src/exchange/dispatch.ts'

describe('exchangeInfo', () => {
  const handshake: HandshakeInfo = {
    kind: 'resumed',
    earlyData: 'accepted',
    tfo: 'used',
    tlsVersion: 'TLSv1.3',
    timings: { dnsMs: 1, connectMs: 2, tlsMs: 3 },
    attempts: [
      {
        protocol: 'http/1.1',
        endpoint: '[::1]:443',
        startedAtMs: 0,
        outcome: 'connected',
        because: 'only one',
      },
    ],
  }
  const connection = {
    id: 7,
    protocol: 'http/1.1',
    endpoint: { address: '::1', family: 6, port: 443, transport: 'tcp' },
    handshake,
  } as Connection // the fields that are looked at
  const handle = (reused: boolean, wasEarly = false, attempts = handshake.attempts): DispatchHandle => ({
    abort: () => {},
    lane: 'tcp',
    connection,
    reused,
    retries: 2,
    wasEarly,
    queueMs: 4,
    ttfbMs: 5,
    attempts,
  })

  it('reports to the first exchange of a connection how long the handshake took', () => {
    expect(exchangeInfo(handle(false), [{ status: 103, headers: {} }], 6)).toEqual({
      protocol: 'http/1.1',
      connectionId: 7,
      reused: false,
      resumed: true,
      earlyData: 'none',
      tfo: 'used',
      remoteAddress: '[::1]:443',
      attempts: handshake.attempts,
      retries: 2,
      informational: [{ status: 103, headers: {} }],
      timings: { queueMs: 4, dnsMs: 1, connectMs: 2, tlsMs: 3, ttfbMs: 5, totalMs: 6 },
    })
  })

  it('reports the outcome of early data to exchanges that left in it, with no wait for the handshake', () => {
    const timings = { queueMs: 4, dnsMs: 1, connectMs: 2, tlsMs: 0 }
    expect(exchangeInfo(handle(false, true), [], 6)).toMatchObject({ earlyData: 'accepted', timings })
    expect(exchangeInfo(handle(true, true), [], 6)).toMatchObject({ earlyData: 'accepted', reused: true })
  })

  it('reports no handshake to exchanges that found their connection open', () => {
    expect(exchangeInfo(handle(true, false, []), [], 6)).toMatchObject({
      connectionId: 7,
      reused: true,
      earlyData: 'none',
      tfo: 'off',
      attempts: [],
      timings: { queueMs: 4, dnsMs: 0, connectMs: 0, tlsMs: 0, ttfbMs: 5, totalMs: 6 },
    })
  })

  it('has empty values for an exchange that never had a connection', () => {
    expect(exchangeInfo(undefined, [], 0)).toMatchObject({
      connectionId: 0,
      reused: false,
      remoteAddress: '',
      attempts: [],
      retries: 0,
    })
  })
})
