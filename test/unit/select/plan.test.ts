import { describe, expect, it } from 'vitest'
import type { AttemptRecord, HandshakeInfo } from '../../../src/connection.ts'
import { OriginRecord } from '../../../src/select/origin-record.ts'
import { type PlanInput, plan } from '../../../src/select/plan.ts'

const INPUT: PlanInput = {
  record: new OriginRecord(),
  allowed: ['h3', 'h2', 'http/1.1'],
  built: ['h2', 'http/1.1'],
  isSecure: true,
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
  plan(input, now).attempts.map(({ endpoint }) => endpoint.address)

describe('a plan', () => {
  it('tries each address in order, each one delay after the one before', () => {
    expect(plan(INPUT, 0).attempts).toEqual([
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
    expect(plan({ ...INPUT, addresses }, 0).attempts[0]?.endpoint.port).toBe(8443)
  })

  it('says of every protocol why it is tried or not', () => {
    const choice = (place: number) => `choice ${place} of 2 that are offered by ALPN; the origin takes one`
    expect(plan({ ...INPUT, allowed: ['h2', 'http/1.1'] }, 0).protocols).toEqual([
      { protocol: 'h3', isTried: false, because: 'not allowed by the configuration' },
      { protocol: 'h2', isTried: true, because: choice(1) },
      { protocol: 'http/1.1', isTried: true, because: choice(2) },
    ])
    expect(plan({ ...INPUT, allowed: ['h3', 'h2'] }, 0).protocols).toEqual([
      { protocol: 'h3', isTried: false, because: 'not built in this version' },
      {
        protocol: 'h2',
        isTried: true,
        because: 'the only one that is allowed: the origin must agree to it by ALPN',
      },
      { protocol: 'http/1.1', isTried: false, because: 'not allowed by the configuration' },
    ])
  })

  it('offers by ALPN what is allowed and built, in the order of the configuration', () => {
    expect(plan(INPUT, 0).offered).toEqual(['h2', 'http/1.1'])
    expect(plan({ ...INPUT, allowed: ['http/1.1', 'h2'] }, 0).offered).toEqual(['http/1.1', 'h2'])
  })

  describe('in cleartext', () => {
    const cleartext: PlanInput = { ...INPUT, isSecure: false }

    it('speaks HTTP/1.1, and says why not h2', () => {
      expect(plan(cleartext, 0)).toMatchObject({
        offered: ['http/1.1'],
        attempts: [{ protocol: 'http/1.1' }, { protocol: 'http/1.1' }],
        protocols: [
          { protocol: 'h3', isTried: false },
          { protocol: 'h2', isTried: false, because: expect.stringContaining('cleartext has no ALPN') },
          { protocol: 'http/1.1', isTried: true, because: expect.stringContaining('every origin speaks') },
        ],
      })
    })

    it('speaks h2 by prior knowledge where HTTP/1.1 is not allowed', () => {
      const { offered, protocols } = plan({ ...cleartext, allowed: ['h2'] }, 0)
      expect(offered).toEqual(['h2'])
      expect(protocols[1]).toMatchObject({
        isTried: true,
        because: expect.stringContaining('prior knowledge'),
      })
    })

    it('speaks h2 to an origin that is known to', () => {
      const record = new OriginRecord()
      record.onConnected(
        {
          protocol: 'h2',
          endpoint: 'e',
          handshake: { ...HANDSHAKE, tlsVersion: undefined },
          offeredTicket: false,
        },
        0,
      )
      expect(plan({ ...cleartext, record }, 0).offered).toEqual(['h2'])
      expect(plan({ ...cleartext, record, allowed: ['http/1.1'] }, 0).offered).toEqual(['http/1.1'])
    })
  })

  it('is empty when nothing that is allowed is built', () => {
    expect(plan({ ...INPUT, allowed: ['h3'] }, 0)).toMatchObject({ attempts: [], offered: [] })
  })

  describe('with HTTP/3', () => {
    const http3: PlanInput = { ...INPUT, built: ['h3', 'h2', 'http/1.1'], allowed: ['h3'] }
    const ofHttp3 = (input: PlanInput) => plan(input, 0).protocols[0]

    it('tries it over UDP where it is the only one that is allowed', () => {
      const { attempts, offered } = plan(http3, 0)
      expect(offered).toEqual(['h3'])
      expect(attempts).toMatchObject([
        { protocol: 'h3', endpoint: { address: '2001:db8::1', transport: 'udp' }, startAfterMs: 0 },
        { protocol: 'h3', endpoint: { address: '192.0.2.1', transport: 'udp' }, startAfterMs: 250 },
      ])
      expect(ofHttp3(http3)).toMatchObject({
        isTried: true,
        because: expect.stringContaining('the only one'),
      })
    })

    it('does not try it beside others, for want of evidence', () => {
      const input: PlanInput = { ...http3, allowed: ['h3', 'h2'] }
      expect(plan(input, 0)).toMatchObject({
        offered: ['h2'],
        attempts: [{ protocol: 'h2' }, { protocol: 'h2' }],
      })
      expect(ofHttp3(input)).toEqual({
        protocol: 'h3',
        isTried: false,
        because: expect.stringContaining('no evidence yet that the origin speaks it'),
      })
    })

    it('says why the machine cannot speak it, and that it has no cleartext', () => {
      const off = 'HTTP/3 is off: @matrixai/quic is not installed'
      const without: PlanInput = { ...http3, built: ['h2', 'http/1.1'], http3Fault: off }
      expect(plan(without, 0).attempts).toEqual([])
      expect(ofHttp3(without)).toEqual({ protocol: 'h3', isTried: false, because: off })
      const cleartext: PlanInput = { ...http3, isSecure: false }
      expect(plan(cleartext, 0)).toMatchObject({ attempts: [], offered: [] })
      expect(ofHttp3(cleartext)?.because).toContain('needs an https origin')
    })

    it('puts an endpoint back that failed over UDP, not one that failed over TCP', () => {
      const record = new OriginRecord()
      record.onAttempts([tried('[2001:db8::1]:443', 'failed')], 0)
      expect(order({ ...http3, record }, 1)).toEqual(['2001:db8::1', '192.0.2.1'])
      expect(order({ ...INPUT, record }, 1)).toEqual(['192.0.2.1', '2001:db8::1'])
      record.onAttempts([{ ...tried('[2001:db8::1]:443', 'failed'), protocol: 'h3' }], 0)
      expect(order({ ...http3, record }, 1)).toEqual(['192.0.2.1', '2001:db8::1'])
    })
  })

  it('expects the protocol that was negotiated last, if it may still be used', () => {
    const record = new OriginRecord()
    record.onConnected({ protocol: 'http/1.1', endpoint: 'e', handshake: HANDSHAKE, offeredTicket: false }, 0)
    const input: PlanInput = { ...INPUT, record }
    expect(plan(input, 1).attempts[0]?.protocol).toBe('http/1.1')
    expect(plan(input, 1).protocols[2]).toMatchObject({ because: 'negotiated last time (ALPN)' })
    expect(plan({ ...input, record: new OriginRecord() }, 1).attempts[0]?.protocol).toBe('h2')
    expect(plan({ ...input, allowed: ['h2'] }, 1).attempts[0]?.protocol).toBe('h2')
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
      expect(plan(input, 4000).attempts[1]?.because).toBe(
        `if no other is connected after 250 ms; ${word} 3 s ago`,
      )
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
