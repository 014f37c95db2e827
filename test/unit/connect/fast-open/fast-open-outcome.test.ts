import { expect, it } from 'vitest'
import { fastOpenOutcome } from '../../../../src/connect/fast-open/fast-open-report.ts'
import { parseTcpInfo, type TcpInfo } from '../../../../src/connect/native/tcp-info.ts'

const NOTHING = parseTcpInfo(Buffer.alloc(256))!
const outcome = (changes: Partial<TcpInfo>) => fastOpenOutcome({ ...NOTHING, ...changes })

it('reads what the kernel says of Fast Open', () => {
  expect(outcome({})).toBeUndefined()
  expect(outcome({ isSynDataAcked: true, retransmittedSegments: 2, retransmittedBytes: 900 })).toBe('used')
  expect(outcome({ fastOpenFailure: 1 })).toBe('no-cookie')
  expect(outcome({ fastOpenFailure: 2 })).toBe('not-taken')
  expect(outcome({ fastOpenFailure: 3, retransmittedSegments: 1 })).toBe('syn-resent')
})

it('tells a SYN that was sent again from data that was', () => {
  expect(outcome({ fastOpenFailure: 1, retransmittedSegments: 1 })).toBe('syn-resent')
  expect(outcome({ fastOpenFailure: 1, retransmittedSegments: 1, retransmittedBytes: 385 })).toBe('no-cookie')
})
