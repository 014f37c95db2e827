import { describe, expect, it } from 'vitest'
import { isOwnServer } from '../../../../src/service/lifecycle/service-proxies.ts'

const SERVERS = [
  { host: '', port: 8080 },
  { host: '127.0.0.1', port: 9901 },
  { host: 'unix:/run/a.sock', port: 0 },
]
const PRESENT = ['192.0.2.7', '::1']

describe('isOwnServer', () => {
  it.each([
    ['192.0.2.7', 8080, true],
    ['127.0.0.9', 8080, true],
    ['::1', 8080, true],
    ['192.0.2.8', 8080, false],
    ['192.0.2.7', 8081, false],
    ['127.0.0.1', 9901, true],
    ['192.0.2.7', 9901, false],
    ['192.0.2.7', 0, false],
  ])('says of %s port %i: %s', (address, port, isOwn) => {
    expect(isOwnServer(address, port, SERVERS, PRESENT)).toBe(isOwn)
  })
})
