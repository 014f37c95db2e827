import { constants } from 'node:os'
import { describe, expect, it } from 'vitest'
import { DEFAULT_SOCKET_OPTIONS, type SocketOptions } from '../../../../src/base/options/socket-options.ts'
import type { StreamSocket } from '../../../../src/base/socket/stream-socket.ts'
import type { LoadedSocketCalls, SocketCalls } from '../../../../src/connect/native/socket-calls.ts'
import { type SocketSettingFault, SocketSettings } from '../../../../src/connect/tcp/socket-settings.ts'

const { ENOENT, EPERM, EINVAL } = constants.errno

const ALL: SocketOptions = {
  keepAliveDelayMs: 30_000,
  keepAliveIntervalMs: 5_000,
  keepAliveProbes: 3,
  userTimeoutMs: 30_000,
  retransmitMaxMs: 4_000,
  notSentLowWaterBytes: 131_072,
  congestionControl: 'cubic',
  dscp: 0,
}

const SYSTEMS_OWN: SocketOptions = {
  keepAliveDelayMs: 30_000,
  keepAliveIntervalMs: 0,
  keepAliveProbes: 0,
  userTimeoutMs: 0,
  retransmitMaxMs: 0,
  notSentLowWaterBytes: 0,
  congestionControl: '',
  dscp: 0,
}

/** Settings over a kernel of the test's, which refuses what it is told to. */
function setUp(options: Partial<SocketOptions>, { errno = {}, unavailable }: Kernel = {}) {
  const log: string[] = []
  const told: SocketSettingFault[] = []
  let loads = 0
  const result = (name: string): number => errno[name] ?? 0
  const calls: Partial<SocketCalls> = {
    set: (fd, option, value) => {
      log.push(`${fd}: ${option} ${value}`)
      return result(option)
    },
    setCongestionControl: (fd, name) => {
      log.push(`${fd}: ${name}`)
      return result(name)
    },
  }
  const load = (): LoadedSocketCalls => {
    loads += 1
    return unavailable === undefined ? { calls: calls as SocketCalls } : { unavailable } // what is used of them
  }
  const settings = new SocketSettings({ ...SYSTEMS_OWN, ...options }, fault => void told.push(fault), load)
  return { settings, log, told, loads: () => loads }
}

interface Kernel {
  errno?: Record<string, number | undefined>
  unavailable?: string
}

const socket = (fd?: number): StreamSocket =>
  ({ _handle: fd === undefined ? null : { fd } }) as unknown as StreamSocket // what descriptorOf looks at

describe('SocketSettings', () => {
  it('asks for nothing when everything is left to the system', () => {
    const { settings, log, loads } = setUp({}, { unavailable: 'koffi is not installed' })
    settings.apply(socket(7))
    expect([log, settings.faults, loads()]).toEqual([[], [], 0])
  })

  it('sets the defaults of a first connection a turn later, and those of the others at once', async () => {
    const { settings, log, loads } = setUp(DEFAULT_SOCKET_OPTIONS)
    settings.apply(socket(7))
    expect([log, loads()]).toEqual([[], 0])
    settings.apply(socket(8))
    const on = (fd: number) => [
      `${fd}: keepAliveIntervalSeconds 5`,
      `${fd}: keepAliveProbes 2`,
      `${fd}: retransmitMaxMs 5000`,
    ]
    expect(log).toEqual(on(8))
    await new Promise(resolve => setImmediate(resolve))
    expect(log).toEqual([...on(8), ...on(7)])
  })

  it('does not report that a default cannot be set which nobody asked for', () => {
    const options = { ...DEFAULT_SOCKET_OPTIONS, userTimeoutMs: 30_000 }
    const { settings, told } = setUp(options, { unavailable: 'koffi is not installed' })
    settings.apply(socket(7))
    expect(told).toEqual([{ option: 'userTimeoutMs', because: 'koffi is not installed' }])
    expect(settings.faults.map(({ option }) => option)).toEqual([
      'keepAliveIntervalMs',
      'keepAliveProbes',
      'userTimeoutMs',
      'retransmitMaxMs',
    ])
  })

  it('loads no native calls before there is a connection to use them on', () => {
    expect(setUp(ALL).loads()).toBe(0)
  })

  it('sets what differs, on each socket', () => {
    const { settings, log, told } = setUp(ALL)
    settings.apply(socket(7))
    settings.apply(socket(8))
    const on = (fd: number) => [
      `${fd}: keepAliveIntervalSeconds 5`,
      `${fd}: keepAliveProbes 3`,
      `${fd}: userTimeoutMs 30000`,
      `${fd}: retransmitMaxMs 4000`,
      `${fd}: notSentLowWaterBytes 131072`,
      `${fd}: cubic`,
    ]
    expect(log).toEqual([...on(7), ...on(8)])
    expect([settings.faults, told]).toEqual([[], []])
  })

  it.each([
    [1, 1],
    [499, 1],
    [1_499, 1],
    [1_500, 2],
    [32_767_000, 32_767],
  ])('sends keepalive probes every %i ms, as %i s', (keepAliveIntervalMs, seconds) => {
    const { settings, log } = setUp({ keepAliveIntervalMs })
    settings.apply(socket(7))
    expect(log).toEqual([`7: keepAliveIntervalSeconds ${seconds}`])
  })

  it('leaves keepalive alone where it is off', () => {
    const { settings, log } = setUp({ keepAliveDelayMs: 0, keepAliveIntervalMs: 5_000, keepAliveProbes: 3 })
    settings.apply(socket(7))
    expect(log).toEqual([])
  })

  it('leaves a socket alone that has no descriptor any more', () => {
    const { settings, log, told } = setUp(ALL)
    settings.apply(socket())
    settings.apply(socket(-1))
    expect([log, told]).toEqual([[], []])
  })

  it('reports once what cannot be set, and sets the rest', () => {
    const { settings, log, told } = setUp(ALL, { errno: { cubic: ENOENT, userTimeoutMs: EINVAL } })
    for (let fd = 3; fd < 10; fd += 1) settings.apply(socket(fd))
    expect(told).toEqual([
      { option: 'userTimeoutMs', because: 'the kernel refused it (EINVAL)' },
      { option: 'congestionControl', because: 'this kernel has none of that name (ENOENT)' },
    ])
    expect([settings.faults, log.length]).toEqual([told, 42])
  })

  it('does not warn that a kernel is too old for what follows liveness', () => {
    const errno = { retransmitMaxMs: constants.errno.ENOPROTOOPT }
    const { settings, told } = setUp({ retransmitMaxMs: 1_000 }, { errno })
    settings.apply(socket(3))
    settings.apply(socket(4))
    const faults = settings.faults
    expect([faults.length === 0, told]).toEqual([false, []])
    expect(faults).toEqual([{ option: 'retransmitMaxMs', because: 'it takes Linux 6.15 (ENOPROTOOPT)' }])
  })

  it('reports again what fails for another reason', () => {
    const errno: Record<string, number> = { cubic: EPERM }
    const { settings, told } = setUp({ congestionControl: 'cubic' }, { errno })
    settings.apply(socket(3))
    errno['cubic'] = EINVAL
    settings.apply(socket(4))
    expect(told.map(({ because }) => because)).toEqual([
      'the kernel does not permit it to this process (EPERM)',
      'the kernel refused it (EINVAL)',
    ])
  })

  it('knows without a connection that native calls are missing, and reports it with the first', () => {
    const { settings, log, told } = setUp(
      { userTimeoutMs: 5, congestionControl: 'bbr' },
      { unavailable: 'koffi is not installed' },
    )
    const faults = [
      { option: 'userTimeoutMs', because: 'koffi is not installed' },
      { option: 'congestionControl', because: 'koffi is not installed' },
    ]
    expect([settings.faults, told]).toEqual([faults, []])
    settings.apply(socket(3))
    settings.apply(socket(4))
    expect([settings.faults, told, log]).toEqual([faults, faults, []])
  })
})
