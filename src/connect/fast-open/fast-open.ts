import type { Clock } from '../../base/clock.ts'
import { FAST_OPEN_BITS, fastOpenSetting } from '../native/fast-open-setting.ts'
import { type LoadedSocketCalls, type SocketCalls, socketCalls } from '../native/socket-calls.ts'
import { FastOpenBreakers, type FastOpenOutcome, type FastOpenVerdict } from './fast-open-breakers.ts'

export type { FastOpenOutcome, FastOpenVerdict }

export interface FastOpenOptions {
  readonly clock: Clock
  /** Default: those of this machine, looked up with the first use. */
  readonly calls?: LoadedSocketCalls
  /**
   * net.ipv4.tcp_fastopen, read once with the first use; undefined: it cannot be read. Default: as the kernel
   * has it.
   */
  readonly setting?: () => number | undefined
}

/**
 * When connects use TCP Fast Open (RFC 7413): where this machine can, and nothing on the way to the address
 * speaks against it.
 */
export class FastOpen {
  readonly #options: FastOpenOptions
  readonly #book = new FastOpenBreakers()
  #loaded: LoadedSocketCalls | undefined

  constructor(options: FastOpenOptions) {
    this.#options = options
  }

  /**
   * Why no connect of this machine can use it, for people: no native calls, or the kernel forbids it.
   * Undefined: it can.
   */
  get unavailable(): string | undefined {
    const machine = this.#machine()
    return 'unavailable' in machine ? machine.unavailable : undefined
  }

  /** What a connect with it is made with. Undefined where it is unavailable. */
  get calls(): SocketCalls | undefined {
    const machine = this.#machine()
    return 'calls' in machine ? machine.calls : undefined
  }

  /**
   * For a connect to this IP address that begins now; onOutcome() belongs to it. After a failure one connect
   * at a time is let through, so that who asks for any other reason keeps Fast Open from being used: facts()
   * is for people.
   */
  verdict(address: string): FastOpenVerdict {
    const { unavailable } = this
    if (unavailable !== undefined) return { use: false, because: unavailable }
    return this.#book.take(address, this.#options.clock.now())
  }

  /** What became of a connect that verdict() let use it. */
  onOutcome(address: string, outcome: FastOpenOutcome): void {
    this.#book.onOutcome(address, outcome, this.#options.clock.now())
  }

  /** Everything that was learned of the way to any address is void. */
  onNetworkChanged(): void {
    this.#book.onNetworkChanged()
  }

  /** For `explain`: where it worked, and where it is left alone. Nothing where it is unavailable. */
  facts(addresses: readonly string[]): readonly { readonly fact: string; readonly evidence: string }[] {
    const now = this.#options.clock.now()
    return addresses.flatMap(address => {
      const known = this.#book.tell(address, now)
      if (known === undefined) return []
      const { isLeftAlone, because } = known
      const fact = `TCP Fast Open is ${isLeftAlone ? 'not used' : 'used'} to ${address}`
      return [{ fact, evidence: because }]
    })
  }

  #machine(): LoadedSocketCalls {
    this.#loaded ??= look(this.#options.calls ?? socketCalls(), this.#options.setting ?? fastOpenSetting)
    return this.#loaded
  }
}

function look(loaded: LoadedSocketCalls, setting: () => number | undefined): LoadedSocketCalls {
  if ('unavailable' in loaded) return loaded
  const value = setting()
  if (value === undefined) return { unavailable: 'net.ipv4.tcp_fastopen cannot be read' }
  if ((value & FAST_OPEN_BITS.client) !== 0) return loaded
  return {
    unavailable: `net.ipv4.tcp_fastopen is ${value}, which forbids Fast Open to clients (0x1 is not set)`,
  }
}
