import { describe, expect, it } from 'vitest'
import { earlyDataVerdict } from '../../../../src/quic/quiche/handshake.ts'

const ended = { wasInEarlyData: true, isInEarlyData: false }

describe('earlyDataVerdict', () => {
  it('returns no verdict while early data goes on, or when there was none', () => {
    const done = { isEstablished: true, isResumed: true }
    expect(earlyDataVerdict({ wasInEarlyData: true, isInEarlyData: true, ...done })).toBeUndefined()
    expect(earlyDataVerdict({ wasInEarlyData: false, isInEarlyData: false, ...done })).toBeUndefined()
    expect(earlyDataVerdict({ wasInEarlyData: false, isInEarlyData: true, ...done })).toBeUndefined()
  })

  it('returns accepted when the handshake is complete on the resumed session', () => {
    expect(earlyDataVerdict({ ...ended, isEstablished: true, isResumed: true })).toBe('accepted')
  })

  it.each([
    [false, false],
    [false, true],
    [true, false],
  ])('returns rejected otherwise: established %s, resumed %s', (isEstablished, isResumed) => {
    expect(earlyDataVerdict({ ...ended, isEstablished, isResumed })).toBe('rejected')
  })
})
