import { describe, expect, it } from 'vitest'
import type { AttemptRecord, HandshakeInfo } from '../../../src/base/events/connection.ts'
import { type PlanInput, plan } from '../../../src/select/plan.ts'
import { OriginRecord } from '../../../src/select/record/origin-record.ts'

const INPUT: PlanInput = {
  record: new OriginRecord(),
  offered: ['h2', 'http/1.1'],
  addresses: [
    { address: '2001:db8::1', family: 6 },
    { address: '192.0.2.1', family: 4 },
  ],
  port: 443,
  attemptDelayMs: 250,
}
const HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}
const tried = (endpoint: string, outcome: AttemptRecord['outcome']): AttemptRecord => ({
  protocol: 'h2',
  endpoint,
  startedAtMs: 0,
  outcome,
  because: '',
})
const order = (input: PlanInput, now: number): string[] =>
  plan(input, now).map(({ endpoint }) => endpoint.address)

describe('a plan', () => {
  it('tries each address in order, each one delay after the one before', () => {
    expect(plan(INPUT, 0)).toEqual([
      {
        protocol: 'h2',
        endpoint: { address: '2001:db8::1', family: 6, port: 443, transport: 'tcp' },
        startAfterMs: 0,
        because: 'first of 2',
      },
      {
        protocol: 'h2',
        endpoint: { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' },
        startAfterMs: 250,
        because: 'if no other is connected after 250 ms',
      },
    ])
  })

  it('uses the port of an address that has one', () => {
    const addresses = [{ address: '127.0.0.1', family: 4 as const, port: 8443 }]
    expect(plan({ ...INPUT, addresses }, 0)[0]?.endpoint.port).toBe(8443)
  })

  it('is empty when nothing is left to offer, or no address is known', () => {
    expect(plan({ ...INPUT, offered: [] }, 0)).toEqual([])
    expect(plan({ ...INPUT, addresses: [] }, 0)).toEqual([])
  })

  describe('of HTTP/3', () => {
    const http3: PlanInput = { ...INPUT, offered: ['h3'] }

    it('goes over UDP', () => {
      expect(plan(http3, 0)).toMatchObject([
        { protocol: 'h3', endpoint: { address: '2001:db8::1', transport: 'udp' }, startAfterMs: 0 },
        { protocol: 'h3', endpoint: { address: '192.0.2.1', transport: 'udp' }, startAfterMs: 250 },
      ])
    })

    it('uses the port of the alternative', () => {
      expect(plan({ ...http3, port: 8443 }, 0).map(({ endpoint }) => endpoint.port)).toEqual([8443, 8443])
    })

    it('moves an endpoint back that failed over UDP, and not one that failed over TCP', () => {
      const record = new OriginRecord()
      record.onAttempts([tried('[2001:db8::1]:443', 'failed')], 0)
      expect(order({ ...http3, record }, 1)).toEqual(['2001:db8::1', '192.0.2.1'])
      expect(order({ ...INPUT, record }, 1)).toEqual(['192.0.2.1', '2001:db8::1'])
      record.onAttempts([{ ...tried('[2001:db8::1]:443', 'failed'), protocol: 'h3' }], 0)
      expect(order({ ...http3, record }, 1)).toEqual(['192.0.2.1', '2001:db8::1'])
    })
  })

  it('prefers the protocol that was negotiated last, if it is still offered', () => {
    const record = new OriginRecord()
    record.onConnected({ protocol: 'http/1.1', endpoint: 'e', handshake: HANDSHAKE, offeredTicket: false }, 0)
    const protocols = (input: PlanInput) => plan(input, 1).map(({ protocol }) => protocol)
    expect(protocols({ ...INPUT, record })).toEqual(['http/1.1', 'http/1.1'])
    expect(protocols(INPUT)).toEqual(['h2', 'h2'])
    expect(protocols({ ...INPUT, record, offered: ['h2'] })).toEqual(['h2', 'h2'])
    expect(protocols({ ...INPUT, record, offered: ['h3'] })).toEqual(['h3', 'h3'])
  })

  it.each(['failed', 'cancelled'] as const)(
    'puts an address that %s in a race behind the others for a minute',
    outcome => {
      const record = new OriginRecord()
      record.onAttempts([tried('[2001:db8::1]:443', outcome), tried('192.0.2.1:443', 'connected')], 1000)
      const input = { ...INPUT, record }
      expect(order(input, 60_999)).toEqual(['192.0.2.1', '2001:db8::1'])
      expect(order(input, 61_000)).toEqual(['2001:db8::1', '192.0.2.1'])
      const word = outcome === 'failed' ? 'failed' : 'overtaken'
      expect(plan(input, 4000)[1]?.because).toBe(`if no other is connected after 250 ms; ${word} 3 s ago`)
    },
  )

  it('keeps the order when every address failed', () => {
    const record = new OriginRecord()
    record.onAttempts([tried('192.0.2.1:443', 'failed'), tried('[2001:db8::1]:443', 'failed')], 0)
    expect(order({ ...INPUT, record }, 1)).toEqual(['2001:db8::1', '192.0.2.1'])
  })

  it('trusts an address again that connected after it had failed', () => {
    const record = new OriginRecord()
    record.onAttempts([tried('[2001:db8::1]:443', 'failed')], 0)
    record.onAttempts([tried('[2001:db8::1]:443', 'connected')], 10)
    expect(order({ ...INPUT, record }, 20)).toEqual(['2001:db8::1', '192.0.2.1'])
  })
})
