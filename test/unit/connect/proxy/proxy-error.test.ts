import { describe, expect, it } from 'vitest'
import { connectRefusal, isProxyFault, socksRefusal } from '../../../../src/connect/proxy/proxy-error.ts'

const PROXY = 'http://p.test:3128'
const TARGET = { host: 'a.test', port: 443 }

describe('the refusal of a proxy', () => {
  it.each([
    [407, 'MM_PROXY_AUTH', true],
    [401, 'MM_PROXY_AUTH', true],
    [403, 'MM_PROXY_REFUSED', false],
    [301, 'MM_PROXY_REFUSED', false],
    [502, 'MM_CONNECT_FAILED', false],
    [504, 'MM_CONNECT_TIMEOUT', false],
  ] as const)('by status %i is %s', (status, code, speaksAgainstProxy) => {
    const error = connectRefusal(PROXY, TARGET, status, 'Reason')
    expect([error.code, isProxyFault(error)]).toEqual([code, speaksAgainstProxy])
    expect(error.message).toContain(PROXY)
    expect(error.message).toContain(`${status} Reason`)
  })

  it.each([
    [1, 'MM_CONNECT_FAILED'],
    [2, 'MM_PROXY_REFUSED'],
    [4, 'MM_CONNECT_FAILED'],
    [5, 'MM_CONNECT_REFUSED'],
    [6, 'MM_CONNECT_TIMEOUT'],
    [8, 'MM_PROXY_REFUSED'],
    [99, 'MM_PROXY_REFUSED'],
  ] as const)('by SOCKS reply %i is %s', (reply, code) => {
    const error = socksRefusal(PROXY, TARGET, reply, 'for a reason')
    expect([error.code, isProxyFault(error)]).toEqual([code, false])
  })
})
