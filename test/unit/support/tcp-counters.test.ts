import { describe, expect, it } from 'vitest'
import { addedTo, parseTcpCounters } from '../../support/tcp-counters.ts'

const NETSTAT = `TcpExt: SyncookiesSent TCPFastOpenActive TCPFastOpenActiveFail TCPFastOpenPassive TCPFastOpenPassiveFail TCPFastOpenListenOverflow TCPFastOpenCookieReqd TCPSynRetrans
TcpExt: 9 1 2 3 4 5 6 7
IpExt: InNoRoutes TCPSynRetrans
IpExt: 0 99
`
const COUNTERS = {
  TCPFastOpenActive: 1,
  TCPFastOpenActiveFail: 2,
  TCPFastOpenPassive: 3,
  TCPFastOpenPassiveFail: 4,
  TCPFastOpenListenOverflow: 5,
  TCPFastOpenCookieReqd: 6,
  TCPSynRetrans: 7,
}

describe('parseTcpCounters', () => {
  it('finds each number below its name, in the group of TCP', () => {
    expect(parseTcpCounters(NETSTAT)).toEqual(COUNTERS)
  })

  it('does not read a missing counter as zero', () => {
    expect(() => parseTcpCounters(NETSTAT.replace('TCPSynRetrans', 'Other'))).toThrow('TCPSynRetrans')
    expect(() => parseTcpCounters('')).toThrow('does not count')
  })
})

describe('addedTo()', () => {
  it('returns what came in between', () => {
    const after = parseTcpCounters(NETSTAT.replace('9 1 2 3', '9 1 5 3'))
    expect(addedTo(COUNTERS, after)).toEqual({
      TCPFastOpenActive: 0,
      TCPFastOpenActiveFail: 3,
      TCPFastOpenPassive: 0,
      TCPFastOpenPassiveFail: 0,
      TCPFastOpenListenOverflow: 0,
      TCPFastOpenCookieReqd: 0,
      TCPSynRetrans: 0,
    })
  })
})
