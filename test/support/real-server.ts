import { type ChildProcess, spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { onProcessExit } from './cleanup.ts'
import { isRunning, type ProcessStat, processTree } from './process-tree.ts'
import { findBinary, requireBinary } from './require-binary.ts'
import { waitUntilAccepts } from './tcp-port.ts'

export interface RealServerOptions {
  /** The program: a name to look for, or a path. */
  command: string
  args: readonly string[]
  /** Ports on 127.0.0.1 that must all accept before the server counts as started. */
  ports: readonly number[]
  env?: Readonly<Record<string, string>>
  /** Pins the server to one CPU (taskset), where that tool exists. */
  cpu?: number | undefined
  startTimeoutMs?: number
  /** What asks it to stop. */
  stopSignal?: NodeJS.Signals
  /** After this it is killed. */
  stopTimeoutMs?: number
}

/** A program that nobody here wrote, as a child of this process. */
export interface RealServer extends AsyncDisposable {
  readonly pid: number
  /** The server and its children, as they are now. */
  processes(): ProcessStat[]
  /** The end of what it wrote to stdout and stderr, for messages. */
  output(): string
  signal(signal: NodeJS.Signals): void
  /** Whether the main process ended. */
  hasExited(): boolean
  /**
   * Resolves when no process of it is left: asks first, kills after `stopTimeoutMs`; with SIGKILL kills all
   * of them at once.
   */
  stop(signal?: NodeJS.Signals): Promise<void>
}

const KEPT_OUTPUT = 32 * 1024

/**
 * Starts the program and waits until it accepts. Rejects, with what it wrote, when it exits or stays silent.
 */
export async function startRealServer(options: RealServerOptions): Promise<RealServer> {
  const server = new SpawnedServer(options)
  const deadline = performance.now() + (options.startTimeoutMs ?? 10_000)
  for (const port of options.ports) {
    if (await waitUntilAccepts(port, deadline - performance.now(), () => server.hasExited())) continue
    const how = server.hasExited() ? 'exited' : 'did not accept in time'
    await server.stop('SIGKILL')
    throw new Error(`${options.command} ${how} (port ${port}):\n${server.output()}`)
  }
  // Somebody else may own the port; the server that lost the race for it is about to exit.
  if (server.hasExited()) throw new Error(`${options.command} exited:\n${server.output()}`)
  return server
}

class SpawnedServer implements RealServer {
  readonly #child: ChildProcess
  readonly #stopSignal: NodeJS.Signals
  readonly #stopTimeoutMs: number
  readonly #forget: () => void
  #output = ''

  constructor({ command, args, env, cpu, stopSignal, stopTimeoutMs }: RealServerOptions) {
    const path = command.includes('/') ? command : findBinary(command)
    if (path === undefined) throw new Error(requireBinary(command))
    this.#stopSignal = stopSignal ?? 'SIGTERM'
    this.#stopTimeoutMs = stopTimeoutMs ?? 5_000
    const line = [...deathSignalPrefix(), ...cpuPrefix(cpu), path, ...args]
    this.#child = spawn(line[0] ?? path, line.slice(1), {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    })
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-KEPT_OUTPUT)
      })
    }
    this.#child.once('error', error => {
      this.#output += `\n${error.message}`
    })
    this.#forget = onProcessExit(() => killAll(this.processes()))
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  processes(): ProcessStat[] {
    return this.hasExited() ? [] : processTree(this.pid)
  }

  output(): string {
    return this.#output
  }

  hasExited(): boolean {
    return this.#child.pid === undefined || this.#child.exitCode !== null || this.#child.signalCode !== null
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async stop(signal: NodeJS.Signals = this.#stopSignal): Promise<void> {
    // Taken before the signal: when a master dies first its workers have another parent and are found no
    // more.
    const processes = this.processes()
    if (signal === 'SIGKILL') killAll(processes)
    else if (!this.hasExited()) this.signal(signal)
    const deadline = performance.now() + this.#stopTimeoutMs
    while (performance.now() < deadline && processes.some(isRunning)) await sleep(10)
    const stubborn = processes.filter(isRunning)
    killAll(stubborn)
    while (stubborn.some(isRunning) || !this.hasExited()) await sleep(10)
    this.#forget()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

/** By id, each only while it is still the process that we mean. */
function killAll(processes: readonly ProcessStat[]): void {
  for (const process_ of processes) {
    if (!isRunning(process_)) continue
    try {
      process.kill(process_.pid, 'SIGKILL')
    } catch {
      // It ended between the look and the signal.
    }
  }
}

/**
 * PR_SET_PDEATHSIG (prctl(2)): the kernel ends the server when we are killed and no exit handler runs. It is
 * SIGTERM because a master that is killed outright would leave its workers behind.
 */
export function deathSignalPrefix(): string[] {
  const setpriv = findBinary('setpriv')
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', 'TERM']
}

/** The command that pins what follows it to one CPU; nothing where that cannot be had. */
export function cpuPrefix(cpu: number | undefined): string[] {
  const taskset = cpu === undefined ? undefined : findBinary('taskset')
  return taskset === undefined ? [] : [taskset, '-c', String(cpu)]
}
