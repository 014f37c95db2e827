import { beforeEach, describe, expect, it } from 'vitest'
import { TransportError } from '../../../src/base/errors.ts'
import type { HandshakeInfo } from '../../../src/base/events/connection.ts'
import type { Protocol } from '../../../src/base/http/protocol.ts'
import { DEFAULT_POOL_OPTIONS } from '../../../src/base/options/options.ts'
import { UpgradeRoute, upgradePoolOptions } from '../../../src/origin/upgrade-route.ts'
import type { Pool } from '../../../src/pool/pool.ts'
import { OriginRecord } from '../../../src/select/record/origin-record.ts'

const HANDSHAKE: HandshakeInfo = {
  kind: 'full',
  earlyData: 'none',
  tfo: 'off',
  tlsVersion: 'TLSv1.3',
  timings: { dnsMs: 0, connectMs: 0, tlsMs: 0 },
  attempts: [],
}
const main = { name: 'main' } as unknown as Pool // only handed through
const detour = { name: 'detour' } as unknown as Pool // see above

describe('UpgradeRoute', () => {
  let record: OriginRecord
  let made: number
  beforeEach(() => {
    record = new OriginRecord()
    made = 0
  })
  const route = (hasDetour = true, pool: Pool | undefined = detour): UpgradeRoute =>
    new UpgradeRoute({
      record,
      main,
      hasDetour,
      makePool: () => {
        made++
        return pool
      },
    })
  const speaks = (protocol: Protocol): void =>
    record.onConnected({ protocol, endpoint: 'e', handshake: HANDSHAKE, offeredTicket: false }, 0)

  it('leads to the lanes of all requests, as long as nothing else is known', () => {
    expect(route().first()).toBe(main)
    speaks('h2')
    expect(route().first()).toBe(main)
    record.onExtendedConnect(true, 0)
    expect(route().first()).toBe(main)
    expect([made, route().pool]).toEqual([0, undefined])
  })

  it('bypasses whichever pool its connection came from, but not itself', () => {
    const http3 = { name: 'h3' } as unknown as Pool // only handed through
    const way = route()
    expect([way.next(http3), way.next(detour)]).toEqual([detour, undefined])
  })

  it('bypasses h2 connections that offer no extended CONNECT, after the first one at once', () => {
    const upgrades = route()
    expect([upgrades.next(main), upgrades.next(detour), upgrades.pool, made]).toEqual([
      detour,
      undefined,
      detour,
      1,
    ])
    speaks('h2')
    record.onExtendedConnect(false, 0)
    expect([upgrades.first(), made]).toEqual([detour, 1])
    speaks('http/1.1')
    expect(upgrades.first(), 'it speaks HTTP/1.1 by itself now').toBe(main)
  })

  it('leads nowhere else where HTTP/1.1 is not allowed, or nothing else is', () => {
    speaks('h2')
    record.onExtendedConnect(false, 0)
    expect([route(false).first(), route(false).next(main), made]).toEqual([main, undefined, 0])
  })

  it('stays where it is when the pools of the origin are closing', () => {
    speaks('h2')
    record.onExtendedConnect(false, 0)
    const upgrades = new UpgradeRoute({ record, main, hasDetour: true, makePool: () => undefined })
    expect([upgrades.first(), upgrades.next(main)]).toEqual([main, undefined])
  })

  it('names the reason when the origin speaks no HTTP/1.1 either', () => {
    const mismatch = new TransportError('MM_ALPN_MISMATCH', 'chose no protocol')
    const refused = new TransportError('MM_CONNECT_REFUSED', 'refused')
    expect(route().failure(mismatch, detour)).toMatchObject({
      code: 'MM_UPGRADE_UNAVAILABLE',
      processed: 'no',
      cause: mismatch,
    })
    expect(route().failure(mismatch, main)).toBe(mismatch)
    expect(route().failure(refused, detour)).toBe(refused)
  })

  it('is never warm, and leaves a connection to requests where there may be two', () => {
    expect(upgradePoolOptions({ ...DEFAULT_POOL_OPTIONS, warm: 3, maxConnections: 8 })).toEqual({
      ...DEFAULT_POOL_OPTIONS,
      warm: 0,
      maxConnections: 7,
    })
    for (const most of [0, 1]) {
      const { maxConnections } = upgradePoolOptions({ ...DEFAULT_POOL_OPTIONS, maxConnections: most })
      expect(maxConnections).toBe(most)
    }
  })
})
