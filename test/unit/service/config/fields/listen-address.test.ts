import { describe, expect, it } from 'vitest'
import {
  formatListenAddress,
  parseListenAddress,
} from '../../../../../src/service/config/fields/listen-address.ts'

describe('parseListenAddress', () => {
  it.each([
    ['127.0.0.1:8080', '127.0.0.1', 8080],
    ['[::1]:0', '::1', 0],
    ['localhost:65535', 'localhost', 65_535],
    [':8080', '', 8080],
  ])('reads %s, which is written back unchanged', (text, host, port) => {
    const address = parseListenAddress(text)
    expect(address).toEqual({ host, port })
    expect(formatListenAddress({ host, port })).toBe(text)
  })

  it.each([
    '8080',
    'localhost',
    '127.0.0.1:65536',
    '127.0.0.1:',
    '256.0.0.1:80',
    '::1:80',
    '[localhost]:80',
    'a b:80',
    'http://a:80',
  ])('refuses %s', text => {
    expect(parseListenAddress(text)).toBeUndefined()
  })
})
