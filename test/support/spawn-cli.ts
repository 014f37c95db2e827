import { type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { onProcessExit } from './cleanup.ts'
import { deathSignalPrefix } from './real-server.ts'

/** What users run. `npm test` compiles it before the tests. */
const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url))

export interface CliResult {
  /** Null when a signal ended it. */
  exitCode: number | null
  stdout: string
  stderr: string
}

/** The command line as a child of this process. */
export interface CliProcess extends AsyncDisposable {
  readonly pid: number
  readonly stdout: string
  readonly stderr: string
  readonly exited: Promise<CliResult>
  signal(signal: NodeJS.Signals): void
  /** Waits until what it wrote to stdout matches. */
  untilStdout(pattern: RegExp, timeoutMs?: number): Promise<RegExpExecArray>
}

/** Runs one command line to its end. */
export async function runCli(args: readonly string[], cwd?: string): Promise<CliResult> {
  return await spawnCli(args, cwd).exited
}

/** `prefix`: a program that becomes this one. */
export function spawnCli(
  args: readonly string[],
  cwd?: string,
  { env, prefix = [] }: { env?: NodeJS.ProcessEnv; prefix?: readonly string[] } = {},
): CliProcess {
  const line = [...deathSignalPrefix(), ...prefix, process.execPath, CLI, ...args]
  const [command = process.execPath, ...rest] = line
  const child = spawn(command, rest, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
    ...(env !== undefined && { env }),
  })
  return new SpawnedCli(child)
}

class SpawnedCli implements CliProcess {
  readonly exited: Promise<CliResult>
  readonly #child: ChildProcessByStdio<null, Readable, Readable>
  readonly #watchers = new Set<() => void>()
  #hasEnded = false
  stdout = ''
  stderr = ''

  constructor(child: ChildProcessByStdio<null, Readable, Readable>) {
    this.#child = child
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text
      for (const watch of this.#watchers) watch()
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text
    })
    const forget = onProcessExit(() => child.kill('SIGKILL'))
    this.exited = new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', exitCode => {
        forget()
        this.#hasEnded = true
        for (const watch of this.#watchers) watch()
        resolve({ exitCode, stdout: this.stdout, stderr: this.stderr })
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async untilStdout(pattern: RegExp, timeoutMs = 15_000): Promise<RegExpExecArray> {
    return await new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#watchers.delete(watch)
      }
      const watch = (): void => {
        const match = pattern.exec(this.stdout)
        if (match === null && !this.#hasEnded) return
        settle()
        if (match === null) reject(new Error(`it ended without ${pattern}:\n${this.stdout}${this.stderr}`))
        else resolve(match)
      }
      const timer = setTimeout(() => {
        settle()
        reject(new Error(`no ${pattern} within ${timeoutMs} ms:\n${this.stdout}${this.stderr}`))
      }, timeoutMs)
      this.#watchers.add(watch)
      watch()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#hasEnded) this.#child.kill('SIGKILL')
    await this.exited
  }
}
