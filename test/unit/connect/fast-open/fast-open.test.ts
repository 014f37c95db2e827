import { describe, expect, it } from 'vitest'
import { FastOpen } from '../../../../src/connect/fast-open/fast-open.ts'
import type { LoadedSocketCalls, SocketCalls } from '../../../../src/connect/native/socket-calls.ts'
import { FakeClock } from '../../../../src/testing/fake-clock.ts'

const calls = { close() {} } as unknown as SocketCalls // nothing is called here
const A = '192.0.2.1'

function machine(loaded: LoadedSocketCalls = { calls }, setting: () => number | undefined = () => 3) {
  const clock = new FakeClock(5_000)
  return { clock, fastOpen: new FastOpen({ clock, calls: loaded, setting }) }
}

describe('FastOpen', () => {
  it.each<[string, LoadedSocketCalls, number | undefined]>([
    ['koffi is not installed', { unavailable: 'koffi is not installed' }, 3],
    ['net.ipv4.tcp_fastopen cannot be read', { calls }, undefined],
    ['net.ipv4.tcp_fastopen is 2, which forbids Fast Open to clients (0x1 is not set)', { calls }, 2],
  ])('is used nowhere when %s', (unavailable, loaded, setting) => {
    const { fastOpen } = machine(loaded, () => setting)
    expect([fastOpen.unavailable, fastOpen.calls]).toEqual([unavailable, undefined])
    expect(fastOpen.verdict(A)).toEqual({ use: false, because: unavailable })
  })

  it('reads the setting once, with the first use', () => {
    let reads = 0
    const { fastOpen } = machine({ calls }, () => {
      reads++
      return 1
    })
    expect(reads).toBe(0)
    expect([fastOpen.verdict(A).use, fastOpen.verdict(A).use]).toEqual([true, true])
    expect([fastOpen.calls, fastOpen.unavailable, reads]).toEqual([calls, undefined, 1])
  })

  it('asks the breaker of the address, by its clock', () => {
    const { fastOpen, clock } = machine()
    fastOpen.onOutcome(A, 'stuck')
    expect(fastOpen.verdict(A).use).toBe(false)
    expect(fastOpen.verdict('192.0.2.2').use).toBe(true)
    clock.advance(60_000)
    expect([fastOpen.verdict(A).use, fastOpen.verdict(A).use]).toEqual([true, false])
    fastOpen.onNetworkChanged()
    expect([fastOpen.verdict(A).use, fastOpen.verdict(A).use]).toEqual([true, true])
  })

  it('reports what it knows of addresses, without using up a trial', () => {
    const { fastOpen, clock } = machine()
    fastOpen.onOutcome(A, 'syn-resent')
    fastOpen.onOutcome('2001:db8::1', 'used')
    clock.advance(2_000)
    expect(fastOpen.facts([A, '192.0.2.9', '2001:db8::1'])).toEqual([
      {
        fact: 'TCP Fast Open is not used to 192.0.2.1',
        evidence: 'left alone for another 58 s after 1 failure: the SYN had to be sent again without data',
      },
      { fact: 'TCP Fast Open is used to 2001:db8::1', evidence: 'worked 2 s ago' },
    ])
    clock.advance(58_000)
    expect(fastOpen.facts([A])).toMatchObject([{ fact: 'TCP Fast Open is used to 192.0.2.1' }])
    expect(fastOpen.verdict(A).use).toBe(true)
  })
})
