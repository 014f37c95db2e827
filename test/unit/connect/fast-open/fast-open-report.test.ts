import { describe, expect, it } from 'vitest'
import type { FastOpenOutcome } from '../../../../src/connect/fast-open/fast-open-breakers.ts'
import {
  fastOpenOutcome,
  fastOpenReport,
  type SynFacts,
} from '../../../../src/connect/fast-open/fast-open-report.ts'
import { parseTcpInfo, type TcpInfo } from '../../../../src/connect/native/tcp-info.ts'
import { fc } from '../../../support/property.ts'

const FACTS: SynFacts = { firstFlightBytes: 400, family: 4, segmentBytes: 1_448 }
const NOT_USED = ['no-cookie', 'not-taken', 'syn-resent', 'stuck', undefined] as const

describe('fastOpenReport', () => {
  it.each<[FastOpenOutcome | undefined, string]>([
    ['no-cookie', 'the kernel had no cookie for the address, and asked for one'],
    ['not-taken', 'the peer took the connection, but not the data of the SYN'],
    ['syn-resent', 'the SYN with data was lost, or something on the way drops it: it was sent again without'],
    ['stuck', 'nothing came until the connect was made without it'],
    [undefined, 'the kernel did not use it'],
  ])('explains %s: %s', (outcome, because) => {
    expect(fastOpenReport(outcome, FACTS)).toEqual({ outcome: 'fallback', because, isSpared: false })
  })

  it('says what the SYN carried', () => {
    expect(fastOpenReport('used', FACTS)).toEqual({
      outcome: 'used',
      because: 'the SYN carried 400 bytes',
      isSpared: true,
    })
    expect(fastOpenReport('used', { ...FACTS, firstFlightBytes: undefined })).toEqual({
      outcome: 'used',
      because: 'the SYN carried data',
      isSpared: true,
    })
  })

  it.each([
    [4, 1_448, 1_420],
    [6, 1_428, 1_400],
    [4, undefined, 1_420],
    [6, undefined, 1_400],
    [4, 1_348, 1_320], // a tunnel
  ] as const)('knows what fits over IPv%i with segments of %s bytes: %i', (family, segmentBytes, budget) => {
    const fitting = fastOpenReport('used', { family, segmentBytes, firstFlightBytes: budget })
    expect(fitting).toEqual({ outcome: 'used', because: `the SYN carried ${budget} bytes`, isSpared: true })
    expect(fastOpenReport('used', { family, segmentBytes, firstFlightBytes: budget + 1 })).toEqual({
      outcome: 'used',
      because: `the SYN carried the beginning of ${budget + 1} bytes: what is beyond ${budget} had to wait for the SYN-ACK, so that no round trip was spared`,
      isSpared: false,
    })
  })

  it('counts a round trip as saved only where it was used, and always has a reason', () => {
    const facts: fc.Arbitrary<SynFacts> = fc.record({
      firstFlightBytes: fc.option(fc.nat(100_000), { nil: undefined }),
      family: fc.constantFrom(4, 6),
      segmentBytes: fc.option(fc.nat(65_535), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.constantFrom('used' as const, ...NOT_USED), facts, (outcome, seen) => {
        const report = fastOpenReport(outcome, seen)
        expect(report.because).not.toBe('')
        expect(report.outcome).toBe(outcome === 'used' ? 'used' : 'fallback')
        if (outcome !== 'used') expect(report.isSpared).toBe(false)
      }),
    )
  })
})

const NOTHING = parseTcpInfo(Buffer.alloc(256))!
const outcome = (changes: Partial<TcpInfo>) => fastOpenOutcome({ ...NOTHING, ...changes })

it('the outcome of Fast Open follows from what the kernel reports', () => {
  expect(outcome({})).toBeUndefined()
  expect(outcome({ isSynDataAcked: true, retransmittedSegments: 2, retransmittedBytes: 900 })).toBe('used')
  expect(outcome({ fastOpenFailure: 1 })).toBe('no-cookie')
  expect(outcome({ fastOpenFailure: 2 })).toBe('not-taken')
  expect(outcome({ fastOpenFailure: 3, retransmittedSegments: 1 })).toBe('syn-resent')
})

it('the outcome of Fast Open tells a SYN that was sent again from data that was', () => {
  expect(outcome({ fastOpenFailure: 1, retransmittedSegments: 1 })).toBe('syn-resent')
  expect(outcome({ fastOpenFailure: 1, retransmittedSegments: 1, retransmittedBytes: 385 })).toBe('no-cookie')
})
