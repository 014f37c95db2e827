import { describe, expect, it } from 'vitest'
import { protocolVerdicts, type VerdictInput } from '../../../src/api/explain.ts'
import type { HandshakeInfo } from '../../../src/base/events/connection.ts'
import type { Protocol } from '../../../src/base/http/protocol.ts'
import { offeredProtocols } from '../../../src/select/plan.ts'
import { OriginRecord } from '../../../src/select/record/origin-record.ts'

const INPUT: VerdictInput = {
  record: new OriginRecord(),
  allowed: ['h3', 'h2', 'http/1.1'],
  http3Fault: 'HTTP/3 is off',
  isSecure: true,
}
const HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}
const whoSpoke = (protocol: Protocol, tlsVersion: string | undefined): OriginRecord => {
  const record = new OriginRecord()
  const handshake = { ...HANDSHAKE, tlsVersion }
  record.onConnected({ protocol, endpoint: 'e', handshake, offeredTicket: false }, 0)
  return record
}
const verdicts = (over: Partial<VerdictInput> = {}, now = 0) => protocolVerdicts({ ...INPUT, ...over }, now)
/** What the verdicts say that is offered over TCP must be what is. */
const offered = (over: Partial<VerdictInput> = {}): readonly Protocol[] => {
  const { allowed, isSecure, record } = { ...INPUT, ...over }
  return offeredProtocols({ allowed, isSecure, known: record.protocol?.value })
}

describe('the verdicts on protocols', () => {
  it('say of each protocol why it is tried or not', () => {
    const choice = (place: number) => `choice ${place} of 2 that are offered by ALPN; the origin takes one`
    expect(verdicts({ allowed: ['h2', 'http/1.1'] })).toEqual([
      { protocol: 'h3', isTried: false, because: 'not allowed by the configuration' },
      { protocol: 'h2', isTried: true, because: choice(1) },
      { protocol: 'http/1.1', isTried: true, because: choice(2) },
    ])
    expect(verdicts({ allowed: ['h3', 'h2'] })).toEqual([
      { protocol: 'h3', isTried: false, because: 'HTTP/3 is off' },
      {
        protocol: 'h2',
        isTried: true,
        because: 'the only one that is allowed: the origin must agree to it by ALPN',
      },
      { protocol: 'http/1.1', isTried: false, because: 'not allowed by the configuration' },
    ])
  })

  it('follow what is offered by ALPN: what is allowed, in the order of the configuration', () => {
    expect(offered()).toEqual(['h2', 'http/1.1'])
    expect(offered({ allowed: ['http/1.1', 'h2'] })).toEqual(['http/1.1', 'h2'])
    expect(verdicts({ allowed: ['http/1.1', 'h2'] }).map(({ because }) => because)).toEqual([
      'not allowed by the configuration',
      expect.stringContaining('choice 2 of 2'),
      expect.stringContaining('choice 1 of 2'),
    ])
  })

  it('name what was negotiated last', () => {
    expect(verdicts({ record: whoSpoke('http/1.1', 'TLSv1.3') }, 1)[2]).toEqual({
      protocol: 'http/1.1',
      isTried: true,
      because: 'negotiated last time (ALPN)',
    })
  })

  it('try nothing when only HTTP/3 is allowed and the machine cannot speak it', () => {
    expect(verdicts({ allowed: ['h3'] }).some(({ isTried }) => isTried)).toBe(false)
    expect(offered({ allowed: ['h3'] })).toEqual([])
  })

  describe('in cleartext', () => {
    const cleartext = { isSecure: false } as const

    it('choose HTTP/1.1, and say why not h2', () => {
      expect(offered(cleartext)).toEqual(['http/1.1'])
      expect(verdicts(cleartext)).toMatchObject([
        { protocol: 'h3', isTried: false },
        { protocol: 'h2', isTried: false, because: expect.stringContaining('cleartext has no ALPN') },
        { protocol: 'http/1.1', isTried: true, because: expect.stringContaining('every origin speaks') },
      ])
    })

    it('choose h2 by prior knowledge where HTTP/1.1 is not allowed', () => {
      expect(offered({ ...cleartext, allowed: ['h2'] })).toEqual(['h2'])
      expect(verdicts({ ...cleartext, allowed: ['h2'] })[1]).toMatchObject({
        isTried: true,
        because: expect.stringContaining('prior knowledge'),
      })
    })

    it('choose h2 at an origin that is known to speak it', () => {
      const record = whoSpoke('h2', undefined)
      expect(offered({ ...cleartext, record })).toEqual(['h2'])
      expect(verdicts({ ...cleartext, record })[1]).toMatchObject({
        isTried: true,
        because: 'negotiated last time (configuration)',
      })
      expect(offered({ ...cleartext, record, allowed: ['http/1.1'] })).toEqual(['http/1.1'])
    })
  })

  describe('on HTTP/3', () => {
    const ofHttp3 = (over: Partial<VerdictInput>, now = 0) =>
      verdicts({ http3Fault: undefined, ...over }, now)[0]

    it('try it where it is the only one that is allowed', () => {
      expect(ofHttp3({ allowed: ['h3'] })).toEqual({
        protocol: 'h3',
        isTried: true,
        because: 'the only one that is allowed',
      })
    })

    it('do not try it beside others without evidence, and try it once there is some, for as long as that holds', () => {
      const record = new OriginRecord({ host: 'shop.test', port: 443 })
      expect(ofHttp3({ record })).toEqual({
        protocol: 'h3',
        isTried: false,
        because: 'unknown whether the origin speaks it: nobody has looked',
      })
      record.onAltSvc('h3=":443"; ma=60', 'alt-svc', 0, 0)
      expect(ofHttp3({ record })).toEqual({ protocol: 'h3', isTried: true, because: 'not tried yet' })
      record.http3Status('shop.test:443').onHttp3Worked(1_000)
      expect(ofHttp3({ record }, 2_000)).toMatchObject({ isTried: true, because: 'worked 1 s ago' })
      expect(ofHttp3({ record }, 60_001)).toMatchObject({ isTried: false })
    })

    it('say why the machine cannot speak it, and that HTTP/3 has no cleartext', () => {
      const off = 'HTTP/3 is off: @matrixai/quic is not installed'
      const without = { allowed: ['h3'], http3Fault: off } as const
      expect(ofHttp3(without)).toEqual({ protocol: 'h3', isTried: false, because: off })
      const cleartext = ofHttp3({ allowed: ['h3'], isSecure: false })
      expect(cleartext).toMatchObject({
        isTried: false,
        because: expect.stringContaining('needs an https origin'),
      })
    })
  })
})
