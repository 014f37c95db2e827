import { describe, expect, it } from 'vitest'
import { isLoopbackAddress, isLoopbackHost } from '../../../src/bench/local-origin.ts'

describe('an origin', () => {
  it.each(['127.0.0.1', '127.255.0.3', '::1', '::ffff:127.0.0.1'])('at %s is on this machine', address => {
    expect(isLoopbackAddress(address)).toBe(true)
  })

  it.each(['192.0.2.1', '128.0.0.1', '::2', '2001:db8::127', '1127.0.0.1'])(
    'at %s is not on this machine',
    address => {
      expect(isLoopbackAddress(address)).toBe(false)
    },
  )

  it('at localhost is on this machine, and one whose name cannot be looked up is not', async () => {
    expect(await isLoopbackHost('localhost')).toBe(true)
    expect(await isLoopbackHost('127.0.0.1')).toBe(true)
    expect(await isLoopbackHost('192.0.2.1')).toBe(false)
    expect(await isLoopbackHost('nobody.invalid')).toBe(false)
  })
})
