import { guardedPromise } from '../../base/guard.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import type { RedisClient } from './redis-client.ts'
import { isEnd, RedisTimeout, redisFault } from './redis-fault.ts'
import { SHARE_SCRIPT, SHARE_SCRIPT_SHA } from './share-script.ts'

export interface RedisLinkParts {
  /** Begins to connect; `onEnded` may be called more than once. */
  readonly open: (onEnded: (error: unknown) => void) => RedisClient
  readonly clock: Clock
  /** From 0 to 1. */
  readonly random: () => number
  readonly connectTimeoutMs: number
  readonly answerTimeoutMs: number
  /** It answers now and did not, or the other way round; or another reason has come up why not. */
  readonly onChange: (standing: RedisStanding) => void
}

/**
 * How Redis stands:
 *
 * - `connecting`: for the first time. Questions wait for it. Valid transitions: answering, unreachable
 * - `answering`: it answered last. Valid transitions: unreachable
 * - `unreachable`: it did not; questions fail at once while there is no connection. Valid transitions:
 *   answering
 */
export type RedisState = 'connecting' | 'answering' | 'unreachable'

export interface RedisStanding {
  readonly state: RedisState
  /** Why it does not answer. */
  readonly because: string | undefined
  /** Since when it has been in this state, and when it answered last, in the time of the clock. */
  readonly since: number
  readonly answeredAt: number | undefined
  /** Questions, since the start. */
  readonly answered: number
  readonly failed: number
}

/** Until the next connect: doubled with each failure, and spread, so that hosts do not come at once. */
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5_000

const DURING = 'the connection to Redis'

/** A connection to Redis that is made again when it ends, does not answer, or answers nonsense. */
export class RedisLink {
  readonly #parts: RedisLinkParts
  #client: RedisClient | undefined
  /** The connect that is under way; answers with what INFO calls this run of Redis. Never rejects. */
  #opening: Promise<void> | undefined
  #run = ''
  #timer: Timer | undefined
  #backoffMs = FIRST_BACKOFF_MS
  #isClosed = false
  /** It connects but fails questions: only an answer to one proves that it works again. */
  #isMistrusted = false
  /** This connection has answered a question. */
  #hasAnswered = false
  #standing: RedisStanding

  constructor(parts: RedisLinkParts) {
    this.#parts = parts
    this.#standing = {
      state: 'connecting',
      because: undefined,
      since: parts.clock.now(),
      answeredAt: undefined,
      answered: 0,
      failed: 0,
    }
  }

  /** Connects, for the first time. */
  start(): void {
    this.#connect()
  }

  get standing(): RedisStanding {
    return this.#standing
  }

  /**
   * Runs the script. `wordsFor`: its arguments, with the name of this run of Redis. Rejects in bounded time.
   * Whatever is amiss ends the connection: another one may lead to a server that can do it.
   */
  async run(wordsFor: (run: string) => readonly string[]): Promise<unknown> {
    if (this.#standing.state === 'connecting') await this.#opening
    const client = this.#client
    if (client === undefined || this.#opening !== undefined) {
      this.#standing = { ...this.#standing, failed: this.#standing.failed + 1 }
      throw new Error('there is no connection to Redis')
    }
    const words = wordsFor(this.#run)
    try {
      return await this.#inTime(client, this.#evaluate(client, words), this.#parts.answerTimeoutMs)
    } catch (error) {
      this.#onFailed(client, error)
      throw error
    }
  }

  /** What it answered was understood. */
  onUnderstood(): void {
    const { clock } = this.#parts
    this.#backoffMs = FIRST_BACKOFF_MS
    this.#isMistrusted = false
    this.#hasAnswered = true
    const { state, answered } = this.#standing
    this.#standing = { ...this.#standing, answeredAt: clock.now(), answered: answered + 1 }
    if (state !== 'answering') this.#become('answering', undefined)
  }

  /** What it answered makes no sense. */
  onNonsense(): void {
    this.#onFailed(this.#client, new Error('nonsense'))
  }

  close(): void {
    this.#isClosed = true
    this.#timer?.cancel()
    this.#end(this.#client)
    this.#client = undefined
  }

  #onFailed(client: RedisClient | undefined, error: unknown): void {
    this.#isMistrusted = true
    this.#standing = { ...this.#standing, failed: this.#standing.failed + 1 }
    if (client !== this.#client) return // it ended by itself, and its questions with it
    if (!isEnd(error)) this.#hasAnswered = false
    this.#lose(client, error)
  }

  #connect(): void {
    if (this.#isClosed) return
    const { open, connectTimeoutMs } = this.#parts
    let client: RedisClient
    try {
      client = open(error => this.#lose(client, error))
    } catch (error) {
      this.#lose(undefined, error)
      return
    }
    this.#client = client
    const opened = client.opened.then(() => this.#askRun(client))
    this.#opening = this.#inTime(client, opened, connectTimeoutMs).then(
      run => {
        if (this.#client !== client) return
        this.#run = run
        this.#opening = undefined
        if (!this.#isMistrusted && this.#standing.state !== 'answering') this.#become('answering', undefined)
      },
      error => this.#lose(client, error),
    )
  }

  /** Another run may have lost what the last one knew. Empty: who we are may not ask. */
  async #askRun(client: RedisClient): Promise<string> {
    await client.send(['PING']) // refused while it loads its data
    try {
      const info = await client.send(['INFO', 'server'])
      return /^run_id:([0-9a-f]{8,64})\r?$/m.exec(String(info))?.[1] ?? ''
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('NOPERM')) return ''
      throw error
    }
  }

  async #evaluate(client: RedisClient, words: readonly string[]): Promise<unknown> {
    try {
      return await client.send(['EVALSHA', SHARE_SCRIPT_SHA, ...words])
    } catch (error) {
      if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      return await client.send(['EVAL', SHARE_SCRIPT, ...words])
    }
  }

  #inTime<Value>(client: RedisClient, answer: Promise<Value>, timeoutMs: number): Promise<Value> {
    return new Promise((resolve, reject) => {
      const timer = this.#parts.clock.setTimer(timeoutMs, () => {
        const error = new RedisTimeout()
        reject(error)
        if (client === this.#client) this.#hasAnswered = false
        this.#lose(client, error)
      })
      answer.then(resolve, reject).finally(() => timer.cancel())
    })
  }

  #lose(client: RedisClient | undefined, error: unknown): void {
    if (client !== this.#client || this.#isClosed) return
    this.#client = undefined
    this.#opening = undefined
    this.#end(client)
    const because = redisFault(error)
    // One that ends after it has answered may be made again at once: the next failure says what is wrong.
    const isNews = this.#standing.state !== 'unreachable' || this.#standing.because !== because
    if (isNews && !this.#hasAnswered) this.#become('unreachable', because)
    this.#hasAnswered = false
    const { clock, random } = this.#parts
    const delayMs = this.#backoffMs * (0.5 + random() / 2)
    this.#backoffMs = Math.min(2 * this.#backoffMs, MAX_BACKOFF_MS)
    this.#timer = clock.setTimer(delayMs, () => this.#connect())
  }

  #become(state: RedisState, because: string | undefined): void {
    const { clock, onChange } = this.#parts
    const since = state === this.#standing.state ? this.#standing.since : clock.now()
    this.#standing = { ...this.#standing, state, because, since }
    onChange(this.#standing)
  }

  #end(client: RedisClient | undefined): void {
    if (client === undefined) return
    guardedPromise(
      DURING,
      client.opened.catch(() => {}), // it was given up
    )
    try {
      client.end()
    } catch {
      // It has ended by itself.
    }
  }
}
