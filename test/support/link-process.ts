import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { LinkEnd, LossyLink } from './lossy-link.ts'
import { deathSignalPrefix } from './real-server.ts'

/** A Node program at one end of a link. */
export interface LinkProcess extends AsyncDisposable {
  readonly child: ChildProcess
  /** The next message that it sends. Ask before it can have come. */
  message(): Promise<unknown>
}

/** `script` is plain JavaScript, since Node 20 runs no TypeScript; it may `process.send`. */
export function startAtEnd(link: LossyLink, end: LinkEnd, script: string, ...args: string[]): LinkProcess {
  const line: readonly string[] = [
    ...deathSignalPrefix(),
    ...link.prefix(end),
    process.execPath,
    '-e',
    script,
    ...args,
  ]
  const child = spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  return {
    child,
    async message() {
      const [message] = await once(child, 'message')
      return message
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}
