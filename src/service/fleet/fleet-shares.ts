import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { guardedPromise } from '../../base/guard.ts'
import type { Clock } from '../../entry/events.ts'
import {
  claimStep,
  type FleetStep,
  fleetAnswer,
  planShare,
  reportStep,
} from '../../state/shares/fleet-step.ts'
import { type ShareFigures, type ShareHolder, ShareKeeper } from '../../state/shares/share-keeper.ts'
import type { ShareAnswer, SharePort, ShareRequest } from '../../state/shares/share-messages.ts'
import type { RedisSettings } from '../config/service-settings.ts'
import { loadRedisPackage, openRedis, type RedisClient } from './redis-client.ts'
import { RedisLink, type RedisStanding } from './redis-link.ts'
import { parseView, scriptArguments } from './share-script.ts'

export interface FleetParts {
  readonly settings: RedisSettings
  readonly logger: Pick<Logger, 'info' | 'warn'>
  readonly clock: Clock
  readonly random: () => number
  /** Default: by the package. */
  readonly open?: (onEnded: (error: unknown) => void) => RedisClient
}

/** How a host stands with its fleet, as pages show it. */
export interface FleetStatus {
  /** Host and port of Redis. */
  readonly redis: string
  readonly standing: RedisStanding
  readonly ceilings: readonly FleetCeiling[]
}

export interface FleetCeiling extends ShareFigures {
  readonly of: string
  readonly ceiling: number
  readonly floor: number
  /** What the host's processes have of it, and have a use for. */
  readonly holds: number
  readonly wants: number
}

/** What is asked for by whoever has no news: others want something back then at the latest. */
const MAX_RENEW_MS = 1_000
const RENEWALS = 10
/** The rest is for connections to end whose host is cut off. */
const SURE_SHARE = 2 / 3
/** Where there is less than one for each host that wants one: a handshake each time. */
const MAX_TURN_MS = 5_000
/** For what a host gives back at its end. */
const LINGER_MS = 500
/** Reasons in one outage that have a line each. */
const MAX_REASONS = 5

interface Member {
  readonly keeper: ShareKeeper
  readonly holder: ShareHolder
  ceiling: number
  floor: number
}

/**
 * What this host has of the ceilings that it shares with the other hosts of a fleet. One process of a host
 * does this: the supervisor, or the only one that there is.
 */
export class FleetShares {
  readonly #parts: FleetParts
  readonly #link: RedisLink
  /** No other process has it, so that a successor on the same host is another host. */
  readonly #host = randomUUID()
  readonly #members = new Map<string, Member>()
  readonly #reasons = new Set<string>()
  readonly #redis: string

  /** Throws MM_CONFIG_INVALID where the package is not installed. */
  constructor(parts: FleetParts) {
    this.#parts = parts
    const { settings, clock, random } = parts
    this.#redis = shownAddress(settings.url)
    this.#link = new RedisLink({
      open: parts.open ?? openerOf(settings),
      clock,
      random,
      connectTimeoutMs: settings.connectTimeoutMs,
      answerTimeoutMs: settings.answerTimeoutMs,
      onChange: standing => this.#log(standing),
    })
  }

  start(): void {
    this.#link.start()
  }

  /** The host has a part in it from now on, and `holder` what it may have. */
  configure(of: string, ceiling: number, floor: number, holder: ShareHolder): void {
    const member = this.#members.get(of) ?? this.#join(of, holder)
    if (member.ceiling === ceiling && member.floor === floor) return
    member.ceiling = ceiling
    member.floor = floor
    member.keeper.configure(ceiling, floor)
  }

  /** What the host has of it, or has a use for, has changed. */
  look(of: string): void {
    this.#members.get(of)?.keeper.look()
  }

  /** Nobody on the host has a part in it any more. */
  leave(of: string): void {
    const member = this.#members.get(of)
    if (member === undefined) return
    this.#members.delete(of)
    guardedPromise('leaving a fleet', member.keeper.leave())
  }

  get status(): FleetStatus {
    const ceilings = [...this.#members].map(([of, { keeper, holder, ceiling, floor }]) => {
      const { holds, wants } = holder
      return { of, ceiling, floor, holds, wants, ...keeper.figures }
    })
    return { redis: this.#redis, standing: this.#link.standing, ceilings }
  }

  /** Gives everything back: the connections are closed. */
  async close(): Promise<void> {
    const left = [...this.#members.values()].map(({ keeper }) => keeper.leave())
    this.#members.clear()
    await new Promise<void>(resolve => {
      const timer = this.#parts.clock.setTimer(LINGER_MS, resolve)
      Promise.all(left).then(() => {
        timer.cancel()
        resolve()
      }, resolve)
    })
    this.#link.close()
  }

  #join(of: string, holder: ShareHolder): Member {
    const { clock, settings } = this.#parts
    const { leaseMs } = settings
    const keeper = new ShareKeeper({
      of,
      member: this.#host,
      holder,
      port: this.#port,
      clock,
      firstNumber: Math.floor(clock.now()),
      renewMs: Math.min(MAX_RENEW_MS, leaseMs / RENEWALS),
      leaseMs: leaseMs * SURE_SHARE,
      takesFloor: true,
    })
    const member = { keeper, holder, ceiling: -1, floor: -1 }
    this.#members.set(of, member)
    return member
  }

  readonly #port: SharePort = { ask: request => this.#ask(request) }

  async #ask(request: ShareRequest): Promise<ShareAnswer> {
    const { leaseMs } = this.#parts.settings
    const timing = { leaseMs, turnMs: Math.min(MAX_TURN_MS, leaseMs / 3) }
    const view = await this.#step(reportStep(request))
    const planned = planShare(request, view, timing)
    if (planned <= request.keeps) return fleetAnswer(request, view, planned)
    const after = await this.#step(claimStep(request, planned))
    const granted = after.hosts.get(request.member)?.granted ?? request.keeps
    return fleetAnswer(request, after, Math.min(planned, granted))
  }

  async #step(step: FleetStep) {
    const reply = await this.#link.run(run => scriptArguments(step, this.#parts.settings, run))
    const view = parseView(reply)
    if (view === undefined) {
      this.#link.onNonsense()
      throw new Error('Redis answered nonsense')
    }
    this.#link.onUnderstood()
    return view
  }

  #log({ state, because = '' }: RedisStanding): void {
    const { logger, settings } = this.#parts
    if (state === 'answering') {
      this.#reasons.clear()
      logger.info(`fleet: Redis at ${this.#redis} answers: ceilings of protected origins are shared there`)
      return
    }
    if (this.#reasons.has(because) || this.#reasons.size >= MAX_REASONS) return
    this.#reasons.add(because)
    const sureSeconds = (settings.leaseMs * SURE_SHARE) / 1_000
    logger.warn(
      `fleet: Redis at ${this.#redis} does not answer: ${because}. This host goes on with what it may have for ${sureSeconds.toFixed(1)}s, and with protection.floor then`,
    )
  }
}

function openerOf(settings: RedisSettings): FleetParts['open'] & {} {
  const loaded = loadRedisPackage()
  return onEnded => openRedis(loaded, settings, onEnded)
}

/** Without user and password. */
function shownAddress(text: string): string {
  const { hostname, port } = new URL(text)
  return `${hostname}:${port === '' ? '6379' : port}`
}
