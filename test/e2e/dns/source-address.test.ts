import { Socket } from 'node:dgram'
import { afterEach, expect, it, vi } from 'vitest'
import { orderByRoutes } from '../../../src/dns/destination-order.ts'
import { collectFaults, DEFECT, fail } from '../../support/collected-faults.ts'

const LOOPBACK = [
  { address: '127.0.0.1', family: 4 },
  { address: '::1', family: 6 },
] as const

afterEach(() => vi.restoreAllMocks())

it('the addresses of a name are ordered by the routes of this machine', async () => {
  const ordered = await orderByRoutes(LOOPBACK)
  expect(ordered.map(({ address }) => address).sort()).toEqual(['127.0.0.1', '::1'])
})

it('a defect in the event that reports a source costs the order, and not the addresses or the process', async () => {
  const heard = collectFaults()
  vi.spyOn(Socket.prototype, 'address').mockImplementation(fail)
  expect(await orderByRoutes(LOOPBACK)).toHaveLength(2)
  // A machine without IPv6 has no source for it, and no event.
  expect(new Set(heard())).toEqual(new Set([`asking for a source address: ${String(DEFECT)}`]))
})
