import type { Clock } from '../../src/base/clock.ts'
import type { RedisClient } from '../../src/service/fleet/redis-client.ts'
import type { FleetStep } from '../../src/state/shares/fleet-step.ts'
import { FleetStore } from './fleet-store.ts'

export interface SimulatedRedisParts {
  readonly clock: Clock
  readonly random: () => number
  readonly leaseMs: number
  /** One way, at the most. */
  readonly delayMs: number
  /** Of what is sent, in either direction: TCP brings it late, which is the same as never. */
  readonly loss: number
}

/** Redis as the service talks with it, on a virtual network, with a clock of its own. */
export class SimulatedRedis {
  readonly #parts: SimulatedRedisParts
  readonly #store: FleetStore
  readonly #clients = new Set<SimulatedClient>()
  #isDown = false
  #run = 1
  #skewMs = 5e11

  constructor(parts: SimulatedRedisParts) {
    this.#parts = parts
    this.#store = new FleetStore(parts.leaseMs)
  }

  readonly open = (onEnded: (error: unknown) => void): RedisClient => {
    const client = new SimulatedClient(onEnded, (words, answer) => this.#carry(words, answer))
    if (this.#isDown) client.refuse()
    else this.#clients.add(client)
    return client
  }

  /** It is killed. */
  kill(): void {
    this.#isDown = true
    for (const client of this.#clients) client.onEnded(refused())
    this.#clients.clear()
  }

  /** Empty, and with another clock. */
  start(): void {
    this.#isDown = false
    this.#run += 1
    this.#skewMs += 1e9
    this.#store.restart()
  }

  get granted(): number {
    return [...this.#store.hosts.values()].reduce((sum, { granted }) => sum + granted, 0)
  }

  #carry(words: readonly string[], answer: (value: unknown) => void): void {
    const { clock, random, delayMs, loss } = this.#parts
    if (random() < loss) return
    const run = this.#run
    clock.setTimer(random() * delayMs, () => {
      if (this.#isDown || run !== this.#run) return
      const reply = this.#reply(words)
      if (random() >= loss) clock.setTimer(random() * delayMs, () => answer(reply))
    })
  }

  #reply(words: readonly string[]): unknown {
    const [command] = words
    if (command === 'PING') return 'PONG'
    if (command === 'INFO') return `run_id:0000000${this.#run}\r\n`
    const view = this.#store.step(stepOf(words.slice(2)), this.#parts.clock.now() + this.#skewMs)
    const hosts = [...view.hosts].flatMap(([name, { number, granted, wants, until }]) => [
      name,
      [number, granted, wants, until].map(Math.round).join(' '),
    ])
    return [String(Math.round(view.now)), String(Math.round(view.since)), ...hosts]
  }
}

/** The words of scriptArguments(), read back. */
function stepOf([, key = '', member = '', ...rest]: readonly string[]): FleetStep {
  const [number = 0, keeps = 0, wants = 0, claims = 0, ceiling = 0] = rest.map(Number)
  return { of: key, member, number, keeps, wants, claims, ceiling, leaves: rest.at(-1) === '1' }
}

function refused(): Error {
  return Object.assign(new Error('refused'), { code: 'ECONNREFUSED' })
}

class SimulatedClient implements RedisClient {
  readonly onEnded: (error: unknown) => void
  readonly #carry: (words: readonly string[], answer: (value: unknown) => void) => void
  opened: Promise<unknown> = Promise.resolve()

  constructor(
    onEnded: (error: unknown) => void,
    carry: (words: readonly string[], answer: (value: unknown) => void) => void,
  ) {
    this.onEnded = onEnded
    this.#carry = carry
  }

  refuse(): void {
    this.opened = Promise.reject(refused())
  }

  send(words: readonly string[]): Promise<unknown> {
    return new Promise(resolve => this.#carry(words, resolve))
  }

  end(): void {}
}
