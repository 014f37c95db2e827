import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { onProcessExit } from '../../../test/support/cleanup.ts'
import { deathSignalPrefix } from '../../../test/support/real-server.ts'

export type OriginProgram = 'origin-process' | 'http3-origin-process' | 'dropping-endpoint-process'

const START_TIMEOUT_MS = 30_000

/**
 * One of the programs of this folder as a child: it can be killed, and started again with the same argument.
 */
export class ChildOrigin implements AsyncDisposable {
  readonly #program: string
  readonly #argument: string
  #child: ChildProcess | undefined
  #forget: () => void = () => {}

  constructor(program: OriginProgram, argument: string) {
    this.#program = fileURLToPath(new URL(`./${program}.js`, import.meta.url))
    this.#argument = argument
  }

  get pid(): number {
    return this.#child?.pid ?? -1
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const line = [...deathSignalPrefix(), process.execPath, this.#program, this.#argument]
    const child = spawn(line[0] ?? '', line.slice(1), {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, NODE_ENV: 'production' },
    })
    this.#child = child
    this.#forget = onProcessExit(() => child.kill('SIGKILL'))
    const ended = new AbortController()
    try {
      const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(START_TIMEOUT_MS)])
      const failed = once(child, 'exit', { signal }).then(() => {
        throw new Error(`an origin of the soak ended at its start: ${this.#argument}`)
      })
      await Promise.race([once(child, 'message', { signal }), failed])
    } finally {
      ended.abort()
    }
  }

  /** SIGKILL: its clients get what the kernel sends, and nothing else. Resolves when it is gone. */
  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#forget()
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
