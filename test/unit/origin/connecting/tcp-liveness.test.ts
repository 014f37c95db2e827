import { describe, expect, it } from 'vitest'
import { parseOrigin } from '../../../../src/base/http/origin.ts'
import { DEFAULT_LIVENESS_OPTIONS } from '../../../../src/base/options/protocol-options.ts'
import { DEFAULT_SOCKET_OPTIONS } from '../../../../src/base/options/socket-options.ts'
import { silenceBoundMs, tcpTimes } from '../../../../src/origin/connecting/tcp-liveness.ts'
import { SettingsBook } from '../../../../src/origin/origin-settings.ts'

const times = (delay: number, interval: number, probes: number, retransmitMaxMs: number) => ({
  keepAliveDelayMs: delay * 1000,
  keepAliveIntervalMs: interval * 1000,
  keepAliveProbes: probes,
  userTimeoutMs: 0,
  retransmitMaxMs,
})

describe('tcpTimes', () => {
  it('are the constants by default', () => {
    expect(DEFAULT_SOCKET_OPTIONS).toMatchObject(tcpTimes(DEFAULT_LIVENESS_OPTIONS, {}))
  })

  it.each([
    [5_000, 15_000, times(10, 5, 2, 5_000), 20_000],
    [1_000, 3_000, times(2, 1, 2, 1_000), 4_000],
    [100, 200, times(1, 1, 2, 1_000), 3_000],
    [2_000, 5_000, times(4, 2, 2, 2_000), 8_000],
    [0, 15_000, times(10, 5, 2, 5_000), 20_000],
    [5_000, 0, times(10, 5, 2, 5_000), 20_000],
  ])('follow liveness: %i + %i', (intervalMs, timeoutMs, expected, boundMs) => {
    const liveness = { intervalMs, timeoutMs }
    const found = tcpTimes(liveness, {})
    expect(found).toEqual(expected)
    expect(silenceBoundMs(liveness, found), 'what keepalive takes in all').toBe(boundMs)
  })

  it('follow the options of keepalive', () => {
    const liveness = { intervalMs: 5_000, timeoutMs: 15_000 }
    const classic = { keepAliveDelayMs: 300_000, keepAliveIntervalMs: 75_000, keepAliveProbes: 9 }
    const patient = tcpTimes(liveness, classic)
    expect([patient.retransmitMaxMs, silenceBoundMs(liveness, patient)]).toEqual([120_000, 975_000])
    const nodes = tcpTimes(liveness, { ...classic, keepAliveIntervalMs: 0, keepAliveProbes: 0 })
    expect([nodes.retransmitMaxMs, silenceBoundMs(liveness, nodes)]).toEqual([77_500, 310_000])
    const without = tcpTimes(liveness, { keepAliveDelayMs: 0 })
    expect([without.retransmitMaxMs, silenceBoundMs(liveness, without)]).toEqual([5_000, 20_000])
  })

  it.each([
    [1, 1, 1, 1],
    [999, 50, 1, 1],
    [1_499, 1_500, 1, 2],
    [32_766_500, 32_767_000, 32_767, 32_767],
  ])('count whole seconds of keepalive, as the kernel does: %i and %i ms', (delay, interval, ...rounded) => {
    const liveness = { intervalMs: 5_000, timeoutMs: 15_000 }
    const found = tcpTimes(liveness, { keepAliveDelayMs: delay, keepAliveIntervalMs: interval })
    const [delaySeconds, intervalSeconds] = rounded
    const { retransmitMaxMs } = found
    expect(found).toEqual(times(delaySeconds, intervalSeconds, 2, retransmitMaxMs))
    expect(silenceBoundMs(liveness, found)).toBe((delaySeconds + 2 * intervalSeconds) * 1_000)
  })

  it('are those of the system without keepalive and liveness, and nobody watches then', () => {
    const liveness = { intervalMs: 5_000, timeoutMs: 0 }
    const found = tcpTimes(liveness, { keepAliveDelayMs: 0 })
    expect([found.retransmitMaxMs, silenceBoundMs(liveness, found)]).toEqual([0, 0])
  })

  it('leave the watch to the kernel where a user timeout is set', () => {
    const liveness = { intervalMs: 5_000, timeoutMs: 15_000 }
    const found = tcpTimes(liveness, { userTimeoutMs: 300_000 })
    expect(found).toEqual({ ...times(10, 5, 2, 5_000), userTimeoutMs: 300_000 })
    expect(silenceBoundMs(liveness, found)).toBe(0)
  })

  it('stay in the range of the kernel', () => {
    const patient = tcpTimes({ intervalMs: 2 ** 31 - 1, timeoutMs: 2 ** 31 - 1 }, {})
    expect(patient).toEqual(times(32_767, 32_767, 2, 120_000))
  })
})

describe('an origin', () => {
  const settingsOf = (defaults: object, own: object) =>
    new SettingsBook({ defaults, origins: { 'http://a.test': own } }).settingsFor(
      parseOrigin('http://a.test'),
    )

  it('has them from its own liveness, and its own socket options come first', () => {
    const { socket, liveness } = settingsOf(
      { liveness: { timeoutMs: 3_000 } },
      { liveness: { intervalMs: 1_000 }, socket: { keepAliveProbes: 3 } },
    )
    expect(liveness).toEqual({ ...DEFAULT_LIVENESS_OPTIONS, intervalMs: 1_000, timeoutMs: 3_000 })
    expect(socket).toMatchObject(times(2, 1, 3, 1_250))
    expect(settingsOf({ socket: { userTimeoutMs: 0 } }, {}).socket.userTimeoutMs).toBe(0)
    const both = settingsOf({ socket: { userTimeoutMs: 0 } }, { socket: { userTimeoutMs: 7 } })
    expect(both.socket.userTimeoutMs).toBe(7)
  })

  it.each([0.5, 1_000.5, 32_767_001, Number.NaN, '1000', null])(
    'reports times that are impossible, without rounding: %s',
    keepAliveDelayMs => {
      expect(() => settingsOf({}, { socket: { keepAliveDelayMs } })).toThrow(
        `socket.keepAliveDelayMs must be a whole number from 0 to 32767000, not ${keepAliveDelayMs}`,
      )
    },
  )
})
