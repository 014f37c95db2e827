import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ImpairAnswer, ImpairAsk, ImpairQuestion } from './impair-messages.ts'

interface Asked {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** The relays' process, asked over its channel. */
export class ImpairChild implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #asked = new Map<number, Asked>()
  #count = 0

  /** `program`: impair-process.ts, compiled. `prefix` stands before its command line (taskset). */
  constructor(program: URL, prefix: readonly string[]) {
    const line = [...prefix, process.execPath, fileURLToPath(program)]
    this.#child = spawn(line[0] ?? process.execPath, line.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    this.#child.on('message', message => this.#onAnswer(message as ImpairAnswer)) // impair-process.ts sends nothing else
    this.#child.on('error', error => this.#onGone(error.message))
    this.#child.on('exit', (code, signal) => this.#onGone(`code ${code}, signal ${signal}`))
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** Resolves with the answer, whose type the question determines: see impair-process.ts. */
  ask(ask: ImpairAsk): Promise<unknown> {
    if (!this.#child.connected) return Promise.reject(new Error("the relays' process has ended"))
    const id = this.#count++
    const question: ImpairQuestion = { id, ask }
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject })
      this.#child.send(question, error => {
        if (error !== null) this.#onGone(error.message)
      })
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child
    if (exitCode !== null || signalCode !== null || pid === undefined) return
    const exited = once(this.#child, 'exit')
    this.#child.kill('SIGKILL')
    await exited
  }

  #onAnswer(answer: ImpairAnswer): void {
    const asked = this.#asked.get(answer.id)
    this.#asked.delete(answer.id)
    if (answer.kind === 'done') asked?.resolve(answer.value)
    else asked?.reject(new Error(answer.error))
  }

  #onGone(why: string): void {
    for (const { reject } of this.#asked.values()) reject(new Error(`the relays' process has ended: ${why}`))
    this.#asked.clear()
  }
}
