import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import type { OriginOptions } from '../../../../src/base/options/options.ts'
import {
  type CoalescingSeeker,
  connectionPolicy,
  isNearer,
  judgeCoalescing,
  type OfferedConnection,
} from '../../../../src/origin/coalescing/coalescing-decision.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'

const AT = { address: '192.0.2.1', family: 4, port: 443, transport: 'tcp' } as const
const POLICY = { serverName: undefined, isVerified: true, trust: 'roots', settings: '{}' }
const SEEKER: CoalescingSeeker = {
  origin: parseOrigin('https://b.example'),
  protocol: 'h2',
  endpoints: [{ ...AT, address: '192.0.2.9' }, AT],
  policy: POLICY,
  mayCoalesce: true,
  isAvoided: false,
}
const OFFER: OfferedConnection = {
  owner: parseOrigin('https://a.example'),
  protocol: 'h2',
  endpoint: AT,
  policy: POLICY,
  mayCoalesce: true,
  certificateNames: ['a.example', '*.example', 'b.example'],
  vouchedNames: [],
  originSet: undefined,
}
const judge = (seeker: Partial<CoalescingSeeker> = {}, offer: Partial<OfferedConnection> = {}) => {
  const verdict = judgeCoalescing({ ...SEEKER, ...seeker }, { ...OFFER, ...offer })
  return verdict.kind === 'refused' ? verdict.reason : verdict.kind
}

describe('the permission of a connection to carry another origin', () => {
  it('is given where its address is among those of the origin and its certificate covers the name', () => {
    expect(judgeCoalescing(SEEKER, OFFER)).toEqual({
      kind: 'allowed',
      because:
        'b.example resolves to 192.0.2.1:443 as well, and the certificate of https://a.example covers b.example',
      isByOriginSet: false,
    })
  })

  it('is not asked for where nothing connects the two origins', () => {
    expect(judge({ origin: OFFER.owner })).toBe('unrelated')
    expect(judge({ protocol: 'h3' })).toBe('unrelated')
    expect(judge({ endpoints: [] }, { certificateNames: ['a.example'] })).toBe('unrelated')
    expect(judge({ endpoints: undefined })).toBe('unrelated')
  })

  it('is never given in cleartext', () => {
    expect(judge({ origin: parseOrigin('http://b.example') })).toBe('unrelated')
    expect(judge({}, { owner: parseOrigin('http://a.example') })).toBe('unrelated')
  })

  it.each([
    [{ ...AT, address: '192.0.2.2' }],
    [{ ...AT, port: 8443 }],
    [{ ...AT, transport: 'udp' as const }],
  ])('is refused at another address, port or transport, whatever the certificate covers: %j', endpoint => {
    expect(judge({}, { endpoint })).toBe('address')
  })

  it('is refused where one of both origins forbids it', () => {
    expect(judge({ mayCoalesce: false })).toBe('never')
    expect(judge({}, { mayCoalesce: false })).toBe('never')
  })

  it('is refused for a while after a 421', () => {
    expect(judge({ isAvoided: true })).toBe('avoided')
  })

  it.each([
    ['authorities, client certificate or TLS', { trust: 'others' }],
    ['the name in SNI', { serverName: 'c.example' }],
    ['verification', { isVerified: false }],
    ['other settings of connections', { settings: '{"socket":1}' }],
  ])('is refused where %s differ', (_what, change) => {
    expect(judge({ policy: { ...POLICY, ...change } })).toBe('trust')
    expect(judge({}, { policy: { ...POLICY, ...change } })).toBe('trust')
  })

  it('is refused where neither origin verifies certificates', () => {
    const policy = { ...POLICY, isVerified: false }
    expect(judge({ policy }, { policy })).toBe('trust')
  })

  it('is given where both have chosen the same name for SNI, which the certificate covers', () => {
    const policy = { ...POLICY, serverName: 'a.example' }
    expect(judge({ policy }, { certificateNames: ['a.example'] })).toBe('allowed')
    expect(judge({ policy }, { policy, certificateNames: ['a.example'] })).toBe('allowed')
  })

  it('is refused where the certificate does not cover the name, or none was verified', () => {
    expect(judge({}, { certificateNames: ['a.example'] })).toBe('certificate')
    expect(judge({}, { certificateNames: undefined })).toBe('certificate')
    expect(judge({}, { certificateNames: undefined, vouchedNames: ['b.example'] })).toBe('certificate')
  })

  it('is given where the operator vouches for the name', () => {
    expect(judge({}, { certificateNames: ['a.example'], vouchedNames: ['b.example'] })).toBe('allowed')
  })

  it('is given by an ORIGIN frame at another address, if the certificate covers the name', () => {
    const elsewhere = { endpoint: { ...AT, address: '192.0.2.7' }, originSet: ['https://b.example'] }
    expect(judge({}, elsewhere)).toBe('allowed')
    expect(judge({ endpoints: undefined }, elsewhere)).toBe('allowed')
    expect(judge({}, { ...elsewhere, certificateNames: ['a.example'] })).toBe('certificate')
    expect(judgeCoalescing(SEEKER, { ...OFFER, ...elsewhere })).toMatchObject({ isByOriginSet: true })
  })

  it('is refused where an ORIGIN frame names others, at the same address as well', () => {
    expect(judge({}, { originSet: ['https://c.example'] })).toBe('origin-set')
    expect(judge({}, { originSet: [] })).toBe('origin-set')
    expect(judge({}, { originSet: ['https://b.example:8443'] })).toBe('origin-set')
  })

  it('is explained by the connection that came nearest', () => {
    expect(isNearer('certificate', 'address')).toBe(true)
    expect(isNearer('never', 'busy')).toBe(false)
  })
})

describe('the settings that two origins must have in common', () => {
  const settingsOf = (options: OriginOptions): string => {
    const origin = parseOrigin('https://a.test')
    return connectionPolicy(new SettingsBook({ defaults: options }).settingsFor(origin), 'roots').settings
  }

  it.each<OriginOptions>([
    { pool: { maxConnections: 2 } },
    { reuse: 'safe' },
    { objective: { reuse: 0.5 } },
    { protection: { maxConnections: 4 } },
    { breakers: { maxRequests: 10 } },
    { concurrency: { limit: 'gradient' } },
    { preconnectHints: 'never' },
    { retry: { maxRetries: 1 } },
  ])('do not include those of requests and pools: %j', options => {
    expect(settingsOf(options)).toBe(settingsOf({}))
  })

  it.each<OriginOptions>([
    { socket: { keepAliveIntervalMs: 1234 } },
    { limits: { maxHeaderBytes: 1234 } },
    { http2: { maxFrameBytes: 20_000 } },
    { trusted: true },
  ])('include those of connections: %j', options => {
    expect(settingsOf(options)).not.toBe(settingsOf({}))
  })
})
