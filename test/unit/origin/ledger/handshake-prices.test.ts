import { describe, expect, it } from 'vitest'
import { handshakeCost } from '../../../../src/origin/ledger/handshake-prices.ts'
import { handshake } from '../../../support/ledger-connection.ts'

const EARLY = { kind: 'early_data', earlyData: 'accepted' } as const

describe('handshakeCost', () => {
  it.each([
    ['cleartext', { kind: 'none', tlsVersion: undefined, tlsMs: 0 }, 'http/1.1', 1],
    ['TLS 1.3, full', {}, 'h2', 2],
    ['TLS 1.3, resumed', { kind: 'resumed' }, 'h2', 2],
    ['TLS 1.2, full', { tlsVersion: 'TLSv1.2' }, 'h2', 3],
    ['TLS 1.2, resumed', { tlsVersion: 'TLSv1.2', kind: 'resumed' }, 'h2', 2],
    ['TLS 1.3 with Fast Open', { tfo: 'used', tfoSparedRoundTrip: true }, 'h2', 1],
    [
      'TLS 1.2, resumed, with Fast Open',
      { tlsVersion: 'TLSv1.2', kind: 'resumed', tfo: 'used', tfoSparedRoundTrip: true },
      'h2',
      1,
    ],
    ['Fast Open that did not help', { tfo: 'fallback' }, 'h2', 2],
    ['early data', EARLY, 'h2', 1],
    ['early data that was refused', { kind: 'resumed', earlyData: 'rejected' }, 'h2', 2],
    ['early data with Fast Open', { ...EARLY, tfo: 'used', tfoSparedRoundTrip: true }, 'h2', 0],
    ['QUIC, full', {}, 'h3', 1],
    ['QUIC, resumed', { kind: 'resumed' }, 'h3', 1],
    ['QUIC with early data', EARLY, 'h3', 0],
  ] as const)('counts the round trips of %s', (_name, changes, protocol, roundTrips) => {
    expect(handshakeCost(handshake(changes), protocol).roundTrips).toBe(roundTrips)
  })

  it('says what saved which round trip', () => {
    const avoided = (...[changes, protocol = 'h2']: [Parameters<typeof handshake>[0], ('h2' | 'h3')?]) =>
      handshakeCost(handshake(changes), protocol).avoided
    expect(avoided({})).toEqual({ resumption: 0, fastOpen: 0, earlyData: 0 })
    expect(avoided({ kind: 'resumed' })).toEqual({ resumption: 0, fastOpen: 0, earlyData: 0 })
    expect(avoided({ kind: 'resumed', tlsVersion: 'TLSv1.2' })).toMatchObject({ resumption: 1 })
    expect(avoided({ ...EARLY, tfo: 'used', tfoSparedRoundTrip: true })).toEqual({
      resumption: 0,
      fastOpen: 1,
      earlyData: 1,
    })
    expect(avoided(EARLY, 'h3')).toEqual({ resumption: 0, fastOpen: 0, earlyData: 1 })
  })

  it('counts a round trip more where Fast Open carried a part only', () => {
    expect(handshakeCost(handshake({ tfo: 'used', tfoSparedRoundTrip: true }), 'h2').roundTrips).toBe(1)
    expect(handshakeCost(handshake({ tfo: 'used', tfoSparedRoundTrip: false }), 'h2').roundTrips).toBe(2)
  })

  it('counts the time that a request waited, which accepted early data does not, without name resolution', () => {
    expect(handshakeCost(handshake(), 'h2')).toMatchObject({ seconds: 0.05, elapsedSeconds: 0.05 })
    expect(handshakeCost(handshake(EARLY), 'h2')).toMatchObject({ seconds: 0.02, elapsedSeconds: 0.05 })
    const quic = handshake({ ...EARLY, connectMs: 0 })
    expect(handshakeCost(quic, 'h3')).toMatchObject({ seconds: 0, elapsedSeconds: 0.03 })
  })

  it('passes bytes and CPU on, and leaves out what nobody measured', () => {
    expect(handshakeCost(handshake({ bytes: 4000, cpuMs: 1.5 }), 'h2')).toMatchObject({
      bytes: 4000,
      cpuMs: 1.5,
    })
    expect(handshakeCost(handshake(), 'h2')).toMatchObject({ bytes: undefined, cpuMs: undefined })
  })
})
