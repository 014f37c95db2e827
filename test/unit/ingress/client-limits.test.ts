import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ClientLimits } from '../../../src/ingress/client-limits.ts'

const OFF = { maxConnectionsPerClient: 0, connectionRatePerClient: 0, requestRatePerClient: 0 }

describe('limits of a client address', () => {
  it('are off by default, and count nothing then', () => {
    const limits = new ClientLimits(OFF)
    expect(limits.areSet).toBe(false)
    for (let count = 0; count < 1000; count += 1) {
      expect(limits.refusalOf('192.0.2.1', 0)).toBeUndefined()
      expect(limits.admits('192.0.2.1', 0)).toBe(true)
    }
  })

  it('bound its connections, and those of nobody else', () => {
    const limits = new ClientLimits({ ...OFF, maxConnectionsPerClient: 2 })
    const open = (address: string) => limits.refusalOf(address, 0)
    expect([open('192.0.2.1'), open('192.0.2.1'), open('192.0.2.1')]).toEqual([
      undefined,
      undefined,
      'maxConnectionsPerClient',
    ])
    expect(open('192.0.2.2')).toBeUndefined()
    limits.onClosed('192.0.2.1')
    expect([open('::ffff:192.0.2.1'), open('192.0.2.1')]).toEqual([undefined, 'maxConnectionsPerClient'])
  })

  it('treat the addresses of one IPv6 network of a customer as one', () => {
    const limits = new ClientLimits({ ...OFF, maxConnectionsPerClient: 1 })
    expect(limits.refusalOf('2001:db8:1:2::3', 0)).toBeUndefined()
    expect(limits.refusalOf('2001:db8:1:2:ffff::4', 0)).toBe('maxConnectionsPerClient')
    expect(limits.refusalOf('2001:db8:1:3::3', 0)).toBeUndefined()
  })

  it('bound new connections by their rate, a burst of ten seconds at once', () => {
    const limits = new ClientLimits({ ...OFF, connectionRatePerClient: 2 })
    let now = 0
    const taken = (): boolean => {
      const isTaken = limits.refusalOf('192.0.2.1', now) === undefined
      if (isTaken) limits.onClosed('192.0.2.1')
      return isTaken
    }
    expect(Array.from({ length: 25 }, taken).filter(Boolean)).toHaveLength(20)
    now = 1000
    expect(Array.from({ length: 25 }, taken).filter(Boolean)).toHaveLength(2)
  })

  it('bound requests by their rate, over all connections of the client and between them', () => {
    const limits = new ClientLimits({ ...OFF, requestRatePerClient: 1 })
    limits.refusalOf('192.0.2.1', 0)
    expect(Array.from({ length: 12 }, () => limits.admits('192.0.2.1', 0)).filter(Boolean)).toHaveLength(10)
    limits.onClosed('192.0.2.1')
    limits.refusalOf('192.0.2.1', 0)
    expect(limits.admits('192.0.2.1', 0)).toBe(false)
    expect(limits.admits('192.0.2.2', 0)).toBe(true)
    expect(limits.admits('192.0.2.1', 1000)).toBe(true)
  })

  it('are never exceeded, and never refuse a client below them, whatever opens and closes', () => {
    const event = fc.record({ client: fc.integer({ min: 1, max: 4 }), opens: fc.boolean() })
    fc.assert(
      fc.property(fc.array(event, { maxLength: 200 }), events => {
        const limits = new ClientLimits({ ...OFF, maxConnectionsPerClient: 3 })
        const open = new Map<number, number>()
        for (const { client, opens } of events) {
          const before = open.get(client) ?? 0
          const address = `192.0.2.${client}`
          if (opens) {
            expect(limits.refusalOf(address, 0) === undefined).toBe(before < 3)
            open.set(client, Math.min(3, before + 1))
          } else if (before > 0) {
            limits.onClosed(address)
            open.set(client, before - 1)
          }
        }
      }),
    )
  })
})
