import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { TransportError } from '../../../../src/base/errors.ts'
import type { Endpoint } from '../../../../src/base/http/endpoint.ts'
import type { Departure } from '../../../../src/connect/local/departure.ts'
import { PortBudget } from '../../../../src/connect/local/port-budget.ts'
import type { LoadedSocketCalls, SocketCalls } from '../../../../src/connect/native/socket-calls.ts'
import { egressSettings } from '../../../../src/origin/egress/egress-settings.ts'
import { LocalRoute } from '../../../../src/origin/egress/local-route.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const NATIVE: LoadedSocketCalls = { calls: {} as SocketCalls } // as: that they are there is all
const V4: Endpoint = { address: '198.51.100.1', family: 4, port: 443, transport: 'tcp' }
const V6: Endpoint = { address: '2001:db8:9::1', family: 6, port: 443, transport: 'tcp' }

function world(addresses: readonly string[], { stickyMs = 1_000, ports = 100, loaded = NATIVE } = {}) {
  const egress = egressSettings({ out: { addresses, stickyMs } }).get('out')
  if (egress?.kind !== 'addresses') throw new Error('no addresses')
  const clock = new FakeClock()
  let at = 0
  const route = new LocalRoute({
    egress,
    ports: new PortBudget({ share: 1, readRange: () => ({ first: 1, last: ports, count: ports }) }),
    clock,
    random: () => ((at += 1) * 0.37) % 1,
    loadCalls: () => loaded,
  })
  return { route, clock }
}

function left(from: Departure | TransportError): Departure {
  if (from instanceof TransportError) throw from
  return from
}

describe('the route from local addresses', () => {
  it('leaves from one address of each family for a window, and from the next one then', () => {
    const { route, clock } = world(['192.0.2.7', '192.0.2.8', '2001:db8::7'])
    const seen = [0, 700, 700, 700, 700].map(ms => {
      clock.advance(ms)
      return [V4, V6].map(to => left(route.leave(to)).local?.address)
    })
    expect(new Set(seen.map(([v4]) => v4))).toEqual(new Set(['192.0.2.7', '192.0.2.8']))
    expect(new Set(seen.map(([, v6]) => v6))).toEqual(new Set(['2001:db8::7']))
  })

  it('keeps tickets apart by address, and knows from where it leaves before it does', () => {
    const { route } = world(['192.0.2.7', '192.0.2.8'], { stickyMs: 0, ports: 1 })
    const { place, local } = route.next(V4)
    const first = left(route.leave(V4))
    expect([first.place, first.local]).toEqual([place, local])
    const second = left(route.leave(V4))
    expect(second.place).not.toBe(first.place)
    expect(second.local).not.toEqual(first.local)
  })

  it('passes over an address whose ports are used up, and refuses by name when all are', () => {
    const { route } = world(['192.0.2.7', '192.0.2.8'], { stickyMs: 0, ports: 2 })
    const leases = Array.from({ length: 4 }, () => left(route.leave(V4)))
    expect(leases.map(({ local }) => String(local?.address)).sort()).toEqual([
      '192.0.2.7',
      '192.0.2.7',
      '192.0.2.8',
      '192.0.2.8',
    ])
    expect(route.leave(V4)).toMatchObject({
      code: 'MM_PORTS_EXHAUSTED',
      message: expect.stringMatching(/from 192\.0\.2\.[78] to 198\.51\.100\.1:443 are used up: 2 conn/),
    })
    left(route.leave({ ...V4, port: 8443 }))
    leases[3]?.port.release()
    expect(left(route.leave(V4)).local?.address).toBe(leases[3]?.local?.address)
  })

  it('counts the ports of an address for all peers where a bind takes them', () => {
    const { route } = world(['192.0.2.7'], { ports: 1, loaded: { unavailable: 'koffi is not installed' } })
    left(route.leave(V4))
    expect(route.leave({ ...V4, port: 8443 })).toMatchObject({ code: 'MM_PORTS_EXHAUSTED' })
    expect(route.unavailable).toEqual([
      {
        feature: 'egress.out: ports for each destination of an address',
        because: 'koffi is not installed',
      },
    ])
  })

  it('counts UDP ports for all peers, and apart from those of TCP', () => {
    const { route } = world(['192.0.2.7'], { ports: 1 })
    left(route.leave(V4))
    left(route.leave({ ...V4, transport: 'udp' }))
    expect(route.leave({ ...V4, port: 1, transport: 'udp' })).toMatchObject({
      message: expect.stringContaining('the local UDP ports from 192.0.2.7 are used up'),
    })
  })

  it('leaves alone an address that this machine does not have, for a while', () => {
    const { route, clock } = world(['192.0.2.7', '192.0.2.8'], { stickyMs: 0 })
    const first = left(route.leave(V4))
    const { error, mayLeaveAgain } = first.onFailed('gone')
    expect(error).toMatchObject({ code: 'MM_LOCAL_ADDRESS', fault: 'local' })
    expect(error.message).toBe(
      `198.51.100.1:443 cannot be reached from ${first.local?.address} (egress out): this machine does not have that address`,
    )
    expect(mayLeaveAgain).toBe(true)
    const other = left(route.leave(V4))
    expect(other.local).not.toEqual(first.local)
    other.onConnected()
    expect(route.figures(0)).toMatchObject({
      name: 'out',
      kind: 'addresses',
      members: expect.arrayContaining([
        expect.objectContaining({
          name: first.local?.address,
          isCurrent: false,
          failed: { MM_LOCAL_ADDRESS: 1 },
        }),
        { name: other.local?.address, isCurrent: true, opened: 1, udpTunnels: 0, failed: {}, backoffMs: 0 },
      ]),
    })
    expect(route.facts(clock.now())).toContainEqual(
      expect.objectContaining({ fact: `${first.local?.address} fails` }),
    )
  })

  it('does not leave again from an address that is the only one', () => {
    const { route } = world(['192.0.2.7'])
    expect(left(route.leave(V4)).onFailed('gone').mayLeaveAgain).toBe(false)
  })

  it('draws an address of a prefix for each window, and another one when it fails', () => {
    const { route, clock } = world(['2001:db8:7::/64'])
    const one = left(route.leave(V6))
    expect(one.local).toMatchObject({ isFree: true, address: expect.stringMatching(/^2001:db8:7:/) })
    expect(left(route.leave(V6)).local).toEqual(one.local)
    clock.advance(2_000)
    const two = left(route.leave(V6))
    expect(two.local).not.toEqual(one.local)
    expect(two.onFailed('gone').mayLeaveAgain).toBe(true)
    expect(left(route.leave(V6)).local).not.toEqual(two.local)
  })

  it('says what a prefix takes where native calls cannot be made', () => {
    const { route } = world(['2001:db8:7::/64'], { loaded: { unavailable: 'koffi is not installed' } })
    expect(left(route.leave(V6)).onFailed('gone').error.message).toContain(
      'set net.ipv6.ip_nonlocal_bind, since IP_FREEBIND cannot be set: koffi is not installed',
    )
    expect(route.unavailable.map(({ feature }) => feature)).toContain(
      'egress.out: addresses of a prefix that this machine does not have',
    )
  })

  it('leaves out addresses of the other family, and fails by name where there are no others', () => {
    const { route } = world(['192.0.2.7'])
    const addresses = [V4, V6].map(({ address, family }) => ({ address, family }))
    expect(route.fitting('a.test', addresses)).toEqual([addresses[0]])
    expect(route.facts(0)).toContainEqual({
      fact: 'the IPv6 addresses of the origin are left out',
      evidence: 'egress out has no IPv6 address to leave from',
    })
    expect(() => route.fitting('a.test', addresses.slice(1))).toThrow(
      expect.objectContaining({
        code: 'MM_LOCAL_ADDRESS',
        message: 'a.test has IPv6 addresses only, and egress out has none to leave from',
      }),
    )
    expect(route.leave(V6)).toMatchObject({ code: 'MM_LOCAL_ADDRESS' })
    expect(route.fitting('a.test', [])).toEqual([])
  })

  it('never hands out more ports of an address than there are, whatever fails', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom('leave', 'release', 'gone', 'wait'), fc.nat(9)), { maxLength: 60 }),
        steps => {
          const { route, clock } = world(['192.0.2.7', '192.0.2.8', '192.0.2.9'], { ports: 2 })
          const held: Departure[] = []
          for (const [step, index] of steps) {
            if (step === 'wait') clock.advance(index * 300)
            else if (step === 'leave') {
              const departure = route.leave(V4)
              if (departure instanceof TransportError) expect(held.length).toBe(6)
              else held.push(departure)
            } else {
              const [departure] = held.splice(index % Math.max(1, held.length), 1)
              if (step === 'gone') departure?.onFailed('gone')
              departure?.port.release()
            }
            for (const { local } of held) {
              const same = held.filter(other => other.local?.address === local?.address)
              expect(same.length).toBeLessThanOrEqual(2)
            }
          }
        },
      ),
    )
  })
})
