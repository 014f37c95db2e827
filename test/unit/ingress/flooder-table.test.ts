import { describe, expect, it } from 'vitest'
import { clientNetwork, FlooderTable, isLoopback } from '../../../src/ingress/flooder-table.ts'

const LIMITS = { maxFloodsPerMinute: 3, floodRefusalMs: 10_000, maxFlooders: 2 }
const A = '192.0.2.1'
const B = '192.0.2.2'
const C = '192.0.2.3'

/** A table in which these clients flooded so often at 0. */
function flooded(times: number, ...addresses: string[]): FlooderTable {
  const table = new FlooderTable(LIMITS)
  for (const address of addresses) for (let i = 0; i < times; i++) table.count(address, 0)
  return table
}

describe('FlooderTable', () => {
  it('refuses a client behind one flood more than the limit, and no other', () => {
    const table = new FlooderTable(LIMITS)
    expect([1, 2, 3].map(() => table.count(A, 0))).toEqual([false, false, false])
    expect(table.refuses(A, 0)).toBe(false)
    expect(table.count(A, 0)).toBe(true)
    expect([table.refuses(A, 0), table.refuses(B, 0)]).toEqual([true, false])
  })

  it('refuses it for the time from its last flood on, which is reported once', () => {
    const table = flooded(4, A)
    expect(table.count(A, 9_000)).toBe(false)
    expect([table.refuses(A, 18_999), table.refuses(A, 19_000)]).toEqual([true, false])
    expect(table.count(A, 19_000)).toBe(true)
    expect(table.refuses(A, 28_999)).toBe(true)
  })

  it('allows the rate forever', () => {
    const table = new FlooderTable(LIMITS)
    for (let i = 0; i < 1_000; i++) expect(table.count(A, i * 20_001)).toBe(false)
  })

  it('remembers as many as the limit says, and forgets the one whose last flood is longest ago', () => {
    const table = flooded(4, A, B)
    table.count(A, 0)
    table.count(C, 0)
    expect([A, B].map(address => table.refuses(address, 0))).toEqual([true, false])
    for (let i = 0; i < 4; i++) table.count(C, 0)
    expect([A, C].map(address => table.refuses(address, 0))).toEqual([true, true])
  })

  it.each(['maxFloodsPerMinute', 'floodRefusalMs', 'maxFlooders'] as const)('is off with %s of 0', limit => {
    const table = new FlooderTable({ ...LIMITS, [limit]: 0 })
    for (let i = 0; i < 100; i++) expect(table.count(A, 0)).toBe(false)
    expect(table.refuses(A, 0)).toBe(false)
  })

  it('treats a /64 as one client, and a mapped address as the one within it', () => {
    const table = new FlooderTable(LIMITS)
    for (let i = 0; i < 4; i++) table.count(`2001:db8::${i}`, 0)
    expect([table.refuses('2001:db8::ffff:1', 0), table.refuses('2001:db8:0:1::', 0)]).toEqual([true, false])
    for (let i = 0; i < 4; i++) table.count(`::ffff:${A}`, 0)
    expect(table.refuses(A, 0)).toBe(true)
  })

  it('never refuses loopback', () => {
    for (const address of ['127.0.0.1', '127.9.9.9', '::1', '::ffff:127.0.0.1']) {
      expect(flooded(100, address).refuses(address, 0)).toBe(false)
    }
  })
})

describe('clientNetwork', () => {
  it.each([
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:DB8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1::', '2001:db8:1:0::/64'],
    ['2001:0db8:0001:0002::1', '2001:db8:1:2::/64'],
    ['1::2:3:4:5:6:7', '1:0:2:3::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['', ''],
  ])('names the network of %s', (address, network) => {
    expect(clientNetwork(address)).toBe(network)
  })

  it('recognizes loopback', () => {
    expect(['127.0.0.1', '::1', '10.0.0.1', '2001:db8::1'].map(a => isLoopback(clientNetwork(a)))).toEqual([
      true,
      true,
      false,
      false,
    ])
  })
})
