import { describe, expect, it } from 'vitest'
import type { HandshakeInfo } from '../../../src/connection.ts'
import { HandshakeLedger } from '../../../src/transport/handshake-ledger.ts'

const handshake = (kind: HandshakeInfo['kind'], tlsVersion: string | undefined, ms = 50): HandshakeInfo => ({
  kind,
  tlsVersion,
  earlyData: 'none',
  tfo: 'off',
  timings: { dnsMs: 0, connectMs: ms / 2, tlsMs: ms / 2 },
  attempts: [],
})

describe('HandshakeLedger', () => {
  it.each([
    ['TLSv1.3', 2],
    ['TLSv1.2', 3],
    [undefined, 1],
  ])('prices a reused connection at what a new one costs (%s: %i round trips)', (version, rtts) => {
    const ledger = new HandshakeLedger()
    ledger.onOpened(handshake(version === undefined ? 'none' : 'full', version, 80), 'h2')
    ledger.onReuse()
    ledger.onReuse()
    expect(ledger.rttsSaved).toBe(2 * rtts)
    expect(ledger.secondsSaved).toBeCloseTo(0.16)
  })

  it('counts nothing before a handshake was measured', () => {
    const ledger = new HandshakeLedger()
    ledger.onReuse()
    expect([ledger.rttsSaved, ledger.secondsSaved]).toEqual([0, 0])
  })

  it('takes the shortest of the last eight handshakes as the price', () => {
    const ledger = new HandshakeLedger()
    for (const ms of [100, 40, 900]) ledger.onOpened(handshake('full', 'TLSv1.3', ms), 'h2')
    ledger.onReuse()
    expect(ledger.secondsSaved).toBeCloseTo(0.04)
    for (let i = 0; i < 8; i++) ledger.onOpened(handshake('full', 'TLSv1.3', 200), 'h2')
    ledger.onReuse()
    expect(ledger.secondsSaved).toBeCloseTo(0.24)
  })

  it('prices QUIC at one round trip, and credits accepted early data with a whole handshake', () => {
    const ledger = new HandshakeLedger()
    ledger.onOpened(handshake('full', 'TLSv1.3', 60), 'h3')
    ledger.onReuse()
    expect([ledger.rttsSaved, ledger.secondsSaved]).toEqual([1, 0.06])
    ledger.onOpened({ ...handshake('early_data', 'TLSv1.3'), earlyData: 'accepted' }, 'h3')
    expect([ledger.rttsSaved, ledger.secondsSaved]).toEqual([2, 0.12])
    ledger.onOpened({ ...handshake('resumed', 'TLSv1.3'), earlyData: 'rejected' }, 'h3')
    expect([ledger.rttsSaved, ledger.secondsSaved]).toEqual([2, 0.12])
  })

  it('credits resumption with a round trip in TLS 1.2 only', () => {
    const ledger = new HandshakeLedger()
    ledger.onOpened(handshake('resumed', 'TLSv1.3'), 'h2')
    expect(ledger.rttsSaved).toBe(0)
    ledger.onOpened(handshake('resumed', 'TLSv1.2'), 'h2')
    expect(ledger.rttsSaved).toBe(1)
  })
})
