import { getSystemErrorName } from 'node:util'
import { guardedImmediate } from '../../base/guard.ts'
import { DEFAULT_SOCKET_OPTIONS, dscpOf, type SocketOptions } from '../../base/options/socket-options.ts'
import { descriptorOf, type StreamSocket } from '../../base/socket/stream-socket.ts'
import {
  type LoadedSocketCalls,
  type SocketCalls,
  type SocketOption,
  socketCalls,
} from '../native/socket-calls.ts'

/** An option that does not take effect. `because` is for people: `explain` prints it. */
export interface SocketSettingFault {
  readonly option: keyof SocketOptions
  readonly because: string
}

/** One system call: an option with its value, as the kernel counts it. */
type Setting = {
  readonly option: keyof SocketOptions
  readonly set: (calls: SocketCalls, fd: number) => number
  /** Nobody has asked for it. */
  readonly isDefault: boolean
}

/**
 * The options of an origin's TCP sockets that Node has no call for. Connections work without them: what
 * cannot be set stays as the system has it. That is in `faults`, and reported once for each option and
 * reason, not for each connection; nor where the value is a default, since nobody has asked for it.
 */
export class SocketSettings {
  readonly #settings: readonly Setting[]
  readonly #load: () => LoadedSocketCalls
  readonly #onFault: (fault: SocketSettingFault) => void
  readonly #faults = new Map<string, SocketSettingFault>()
  #hasBegun = false

  /** Cheap. `onFault` is notified of each fault once, when a connection meets it first. */
  constructor(
    options: SocketOptions,
    onFault: (fault: SocketSettingFault) => void = () => {},
    load: () => LoadedSocketCalls = socketCalls,
  ) {
    this.#settings = settingsOf(options)
    this.#onFault = onFault
    this.#load = load
  }

  /**
   * Sets what is not left to the system. After Node's setKeepAlive, which puts the interval back to a second
   * and the probes to ten. Never throws; a socket without a descriptor is left alone. Defaults of a first
   * connection follow in the next turn, when its first flight has left: to load native calls takes longer
   * than a handshake on a short way.
   */
  apply(socket: StreamSocket): void {
    if (this.#settings.length === 0) return
    const isLater = !this.#hasBegun && this.#settings.every(({ isDefault }) => isDefault)
    this.#hasBegun = true
    if (isLater) guardedImmediate('setting options of a socket', () => this.#set(socket))
    else this.#set(socket)
  }

  #set(socket: StreamSocket): void {
    const loaded = this.#load()
    if ('unavailable' in loaded) {
      for (const setting of this.#settings) this.#note(setting, loaded.unavailable)
      return
    }
    const fd = descriptorOf(socket)
    if (fd === undefined) return
    for (const setting of this.#settings) {
      const errno = setting.set(loaded.calls, fd)
      if (errno !== 0) this.#note(setting, reasonOf(setting.option, errno))
    }
  }

  /**
   * What does not take effect, as far as it is known; without native calls that is known before the first
   * connection.
   */
  get faults(): readonly SocketSettingFault[] {
    if (this.#settings.length === 0) return []
    const loaded = this.#load()
    if ('unavailable' in loaded)
      return this.#settings.map(({ option }) => ({ option, because: loaded.unavailable }))
    return [...this.#faults.values()]
  }

  #note({ option, isDefault }: Setting, because: string): void {
    const key = `${option} ${because}`
    if (this.#faults.has(key)) return
    const fault = { option, because }
    this.#faults.set(key, fault)
    if (!isDefault) this.#onFault(fault)
  }
}

/** Those that are not left to the system. */
function settingsOf(options: SocketOptions): readonly Setting[] {
  const settings: Setting[] = []
  const add = (option: keyof SocketOptions, name: SocketOption, value: number): void => {
    // What follows `liveness` on kernels that mostly do not know it yet is nobody's wish either.
    const isDefault = options[option] === DEFAULT_SOCKET_OPTIONS[option] || option === 'retransmitMaxMs'
    if (value > 0) settings.push({ option, isDefault, set: (calls, fd) => calls.set(fd, name, value) })
  }
  if (options.keepAliveDelayMs > 0) {
    const { keepAliveIntervalMs: intervalMs } = options
    const seconds = intervalMs === 0 ? 0 : Math.max(1, Math.round(intervalMs / 1000))
    add('keepAliveIntervalMs', 'keepAliveIntervalSeconds', seconds)
    add('keepAliveProbes', 'keepAliveProbes', options.keepAliveProbes)
  }
  add('userTimeoutMs', 'userTimeoutMs', options.userTimeoutMs)
  add('retransmitMaxMs', 'retransmitMaxMs', options.retransmitMaxMs)
  add('notSentLowWaterBytes', 'notSentLowWaterBytes', options.notSentLowWaterBytes)
  const dscp = dscpOf(options.dscp)
  // Sockets that connect to the origin are made with it: see openDescriptorSocket(). Tunnels are not.
  if (dscp > 0) settings.push({ option: 'dscp', isDefault: false, set: (calls, fd) => mark(calls, fd, dscp) })
  const { congestionControl: name } = options
  if (name !== '') {
    settings.push({
      option: 'congestionControl',
      isDefault: false,
      set: (calls, fd) => calls.setCongestionControl(fd, name),
    })
  }
  return settings
}

/** The family of the socket nobody knows here; one of IPv4 does not know the option of IPv6. */
function mark(calls: SocketCalls, fd: number, dscp: number): number {
  return calls.set(fd, 'trafficClass6', dscp << 2) === 0 ? 0 : calls.set(fd, 'trafficClass4', dscp << 2)
}

function reasonOf(option: keyof SocketOptions, errno: number): string {
  const name = getSystemErrorName(-errno)
  if (option === 'congestionControl') {
    if (name === 'ENOENT') return 'this kernel has none of that name (ENOENT)'
    // What may be had without CAP_NET_ADMIN stands in net.ipv4.tcp_allowed_congestion_control.
    if (name === 'EPERM') return 'the kernel does not permit it to this process (EPERM)'
  }
  if (option === 'retransmitMaxMs' && name === 'ENOPROTOOPT') return 'it takes Linux 6.15 (ENOPROTOOPT)'
  return `the kernel refused it (${name})`
}
