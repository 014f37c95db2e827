import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { OriginsReady } from './demo-origins.ts'

export interface RunningOrigins extends OriginsReady {
  readonly child: ChildProcess
  /** Ends the process, and resolves when it is gone. */
  stop(): Promise<void>
}

/** Starts the demo's origins in a process of their own. */
export async function startOrigins(): Promise<RunningOrigins> {
  const script = fileURLToPath(new URL('./origins-process.js', import.meta.url))
  const child = spawn(process.execPath, [script], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const ready = await new Promise<OriginsReady>((resolve, reject) => {
    child.once('message', message => resolve(message as OriginsReady)) // origins-process.ts sends nothing else
    child.once('error', reject)
    child.once('exit', code =>
      reject(new Error(`the demo origins ended with code ${code} before they were ready`)),
    )
  })
  return {
    ...ready,
    child,
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}
