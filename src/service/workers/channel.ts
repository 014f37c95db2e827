import { guardedListener, guardedPromise } from '../../base/guard.ts'
import { type Clock, systemClock, type Timer } from '../../entry/events.ts'

/** As much as is used of a process at the other end of an IPC channel, and of `process` itself. */
export interface Port {
  readonly connected?: boolean
  send?(message: object, callback: (error: Error | null) => void): boolean
  on(event: 'message', listener: (message: unknown) => void): unknown
}

type Frame =
  | { readonly type: 'message'; readonly kind: string; readonly body: unknown }
  | { readonly type: 'question'; readonly kind: string; readonly body: unknown; readonly id: number }
  | { readonly type: 'answer'; readonly body: unknown; readonly id: number }
  | { readonly type: 'refusal'; readonly message: string; readonly id: number }

/** Messages not taken yet: a stopped process takes none, and they stay in memory. */
const MAX_PENDING = 64
const MAX_QUESTIONS = 256
const DURING = 'a message between supervisor and worker'

/**
 * Typed messages between a supervisor and a worker, over the IPC channel of Node. `Out` and `In` name the
 * messages by kind, `Asked` and `Answered` the questions. Nothing here waits for an end that does not read:
 * messages are dropped then, and questions fail.
 */
export class Channel<Out, In, Asked = object, Answered = object> {
  readonly #port: Port
  readonly #clock: Clock
  readonly #handlers = new Map<string, (body: unknown) => void>()
  readonly #answerers = new Map<string, (body: unknown) => unknown>()
  readonly #questions = new Map<
    number,
    { resolve(body: unknown): void; reject(error: Error): void; timer: Timer }
  >()
  #lastId = 0
  #pending = 0

  constructor(port: Port, clock: Clock = systemClock) {
    this.#port = port
    this.#clock = clock
    const onMessage = (message: unknown): void => this.#take(message as Frame) // both ends are this file
    port.on(
      'message',
      guardedListener(DURING, onMessage, () => {}),
    )
  }

  /** False: the other end has gone, or takes nothing. */
  send<Kind extends keyof Out & string>(kind: Kind, body: Out[Kind]): boolean {
    return this.#write({ type: 'message', kind, body })
  }

  /** One handler for each kind; a kind without one is ignored. */
  receive<Kind extends keyof In & string>(kind: Kind, handler: (body: In[Kind]) => void): void {
    this.#handlers.set(kind, handler as (body: unknown) => void) // as: the kind says what the body is
  }

  /** Rejects after `timeoutMs`, and at once when the other end has gone. */
  ask<Kind extends keyof Asked & string>(
    kind: Kind,
    body: Asked[Kind] extends [infer Question, unknown] ? Question : never,
    timeoutMs: number,
  ): Promise<Asked[Kind] extends [unknown, infer Answer] ? Answer : never> {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastId
      if (this.#questions.size >= MAX_QUESTIONS || !this.#write({ type: 'question', kind, body, id })) {
        reject(new Error(`${kind}: the other end takes nothing`))
        return
      }
      const timer = this.#clock.setTimer(timeoutMs, () => {
        this.#questions.delete(id)
        reject(new Error(`${kind}: no answer within ${timeoutMs}ms`))
      })
      this.#questions.set(id, { resolve, reject, timer })
    })
  }

  /** What it throws reaches who asked, as a message. */
  answer<Kind extends keyof Answered & string>(
    kind: Kind,
    answerer: Answered[Kind] extends [infer Question, infer Answer]
      ? (body: Question) => Answer | Promise<Answer>
      : never,
  ): void {
    this.#answerers.set(kind, answerer)
  }

  /** The other end has gone: nobody answers any more. */
  close(): void {
    for (const question of this.#questions.values()) {
      question.timer.cancel()
      question.reject(new Error('the other end has gone'))
    }
    this.#questions.clear()
  }

  #write(frame: Frame): boolean {
    const port = this.#port
    if (port.send === undefined || port.connected === false || this.#pending >= MAX_PENDING) return false
    this.#pending++
    try {
      port.send(frame, () => {
        this.#pending--
      })
      return true
    } catch {
      this.#pending-- // the channel was closed meanwhile
      return false
    }
  }

  #take(frame: Frame): void {
    switch (frame.type) {
      case 'message':
        this.#handlers.get(frame.kind)?.(frame.body)
        return
      case 'question':
        guardedPromise(DURING, this.#reply(frame.kind, frame.body, frame.id))
        return
      case 'answer':
        this.#settle(frame.id)?.resolve(frame.body)
        return
      case 'refusal':
        this.#settle(frame.id)?.reject(new Error(frame.message))
    }
  }

  #settle(id: number) {
    const question = this.#questions.get(id)
    question?.timer.cancel()
    this.#questions.delete(id)
    return question
  }

  async #reply(kind: string, question: unknown, id: number): Promise<void> {
    try {
      const answerer = this.#answerers.get(kind)
      if (answerer === undefined) throw new Error(`${kind}: nobody answers that here`)
      this.#write({ type: 'answer', body: await answerer(question), id })
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      this.#write({ type: 'refusal', message, id })
    }
  }
}
