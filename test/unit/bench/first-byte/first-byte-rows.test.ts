import { describe, expect, it } from 'vitest'
import {
  claimsOf,
  disproof,
  type FirstByteReport,
  TFO_EARLY_HTTP1,
  TFO_EARLY_HTTP2,
  TRANSPORT_ROWS,
  witnessesOf,
} from '../../../../bench/first-byte/first-byte-rows.ts'

const HANDSHAKE = {
  kind: 'early_data',
  earlyData: 'accepted',
  tfo: 'used',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 85 },
} as const
const EARLY: FirstByteReport = {
  ms: 85,
  status: 200,
  body: 'reused=r early=1\n',
  protocol: 'http/1.1',
  handshake: HANDSHAKE,
}
const ALL = claimsOf('resumed earlyData fastOpen')

describe('claimsOf', () => {
  it('reads each claim that is named', () => {
    expect(claimsOf('')).toEqual({ resumed: false, earlyData: false, fastOpen: false })
    expect(claimsOf('resumed fastOpen')).toEqual({ resumed: true, earlyData: false, fastOpen: true })
  })
})

describe('witnessesOf', () => {
  it('collects what the origin, its kernel and our handshake report', () => {
    expect(witnessesOf(EARLY, 1)).toEqual({ origin: ALL, ours: ALL })
    const full = { ...EARLY, body: 'reused=. early=\n', handshake: undefined }
    expect(witnessesOf(full, 0)).toEqual({ origin: claimsOf(''), ours: undefined })
  })

  it('leaves out what nobody reports: a file says nothing of its session, and QUIC has no SYN', () => {
    expect(witnessesOf({ ...EARLY, body: 'x'.repeat(1024) }, undefined).origin).toEqual({})
  })

  it('does not count early data that was rejected', () => {
    const handshake = { ...HANDSHAKE, kind: 'resumed', earlyData: 'rejected', tfo: 'fallback' } as const
    expect(witnessesOf({ ...EARLY, handshake }, 0).ours).toEqual(claimsOf('resumed'))
  })
})

describe('disproof', () => {
  it('finds nothing against what everybody confirms, or nobody denies', () => {
    expect(disproof(ALL, { origin: ALL, ours: ALL })).toBeUndefined()
    expect(disproof(ALL, { origin: {}, ours: ALL })).toBeUndefined()
    expect(disproof(ALL, { origin: ALL, ours: undefined })).toBeUndefined()
  })

  it('names each claim that was not met, and who says so', () => {
    expect(disproof(ALL, { origin: claimsOf('resumed earlyData'), ours: claimsOf('resumed') })).toBe(
      'no early data by our account, no data in the SYN by both accounts',
    )
    expect(disproof(ALL, { origin: claimsOf('fastOpen earlyData'), ours: ALL })).toBe(
      "a full handshake by the origin's account",
    )
  })

  it('names what a row has without claiming it, since its figure would be too good', () => {
    expect(disproof(claimsOf(''), { origin: claimsOf('resumed'), ours: claimsOf('fastOpen') })).toBe(
      "resumed by the origin's account, data in the SYN by our account",
    )
  })
})

describe('TRANSPORT_ROWS', () => {
  it('ask for what they claim, each by a protocol of its own', () => {
    for (const { protocol, options, claims } of TRANSPORT_ROWS) {
      expect(options.protocols).toEqual([protocol])
      expect(options.tfo === 'on').toBe(claims.fastOpen)
      expect(options.earlyData === 'safe').toBe(claims.earlyData)
      expect(options.earlyDataOverTcp === true).toBe(claims.earlyData && protocol !== 'h3')
    }
    const names = TRANSPORT_ROWS.map(({ name }) => name)
    expect(new Set(names).size).toBe(names.length)
    expect(names).toEqual(expect.arrayContaining([TFO_EARLY_HTTP1, TFO_EARLY_HTTP2]))
  })
})
