import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onProcessExit } from '../../test/support/cleanup.ts'
import { deathSignalPrefix } from '../../test/support/real-server.ts'
import type { LoadMessage, LoadReport, SoakJob } from './load/load-job.ts'

/** Runs the clients in a process of their own until their report. Rejects when that ends without one. */
export function runLoad(
  job: SoakJob,
  onProgress: (requests: number, failures: number) => void,
  signal: AbortSignal,
): Promise<LoadReport> {
  const program = fileURLToPath(new URL('./load/load-process.js', import.meta.url))
  const line = [...deathSignalPrefix(), process.execPath, program]
  const child = spawn(line[0] ?? '', line.slice(1), {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, NODE_ENV: 'production' },
  })
  const forget = onProcessExit(() => child.kill('SIGKILL'))
  const stop = (): void => void child.send('stop')
  signal.addEventListener('abort', stop, { once: true })
  return new Promise((resolve, reject) => {
    child.on('message', (message: LoadMessage) => {
      if (message.type === 'progress') onProgress(message.requests, message.failures)
      else {
        resolve(message.report)
        child.disconnect() // it ends with that
      }
    })
    child.once('error', reject)
    child.once('exit', (code, killedBy) => {
      forget()
      signal.removeEventListener('abort', stop)
      reject(new Error(`the clients ended with ${code ?? killedBy}`)) // too late when they have reported
    })
    child.send(job)
  })
}
