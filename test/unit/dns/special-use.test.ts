import { describe, expect, it } from 'vitest'
import { specialUse } from '../../../src/dns/special-use.ts'

describe('specialUse', () => {
  it.each([
    ['8.8.8.8', undefined],
    ['172.32.0.1', undefined],
    ['2606:4700::1111', undefined],
    ['64:ff9b::8.8.8.8', undefined],
    ['10.1.2.3', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.0.1', 'private'],
    ['127.255.255.254', 'loopback'],
    ['169.254.169.254', 'link-local'],
    ['100.64.0.1', 'shared by a carrier (CGNAT)'],
    ['0.0.0.0', 'this network'],
    ['224.0.0.1', 'multicast'],
    ['255.255.255.255', 'reserved'],
    ['198.18.0.1', 'for benchmarks'],
    ['203.0.113.9', 'for documentation'],
    ['192.0.0.8', 'for protocols'],
    ['192.0.0.9', undefined],
    ['::', 'unspecified'],
    ['::1', 'loopback'],
    ['fe80::1', 'link-local'],
    ['fe80::1%eth0', 'link-local'],
    ['fec0::1', 'site-local'],
    ['fd00::1', 'unique local'],
    ['ff02::1', 'multicast'],
    ['2001:db8::1', 'for documentation'],
    ['3fff::1', 'for documentation'],
    ['4000::1', 'reserved'],
    ['::ffff:127.0.0.1', 'loopback'],
    ['::ffff:7f00:1', 'loopback'],
    ['::ffff:8.8.8.8', 'IPv4-mapped'],
    ['::127.0.0.1', 'IPv4-compatible'],
    ['64:ff9b::10.0.0.1', 'private'],
    ['64:ff9b:1::8.8.8.8', 'local NAT64'],
    ['2002:7f00:1::', 'loopback'],
    ['2001:0:a00:1::f7f7:f7f7', 'private'],
    ['2001:0:808:808::f5ff:fffe', 'private'],
    ['0x7f.1', 'no address'],
    ['localhost', 'no address'],
  ])('says of %s: %s', (address, use) => {
    expect(specialUse(address)).toBe(use)
  })
})
