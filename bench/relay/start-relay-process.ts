import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { cpuPrefix, deathSignalPrefix } from '../../test/support/real-server.ts'

export interface RelayProcess extends AsyncDisposable {
  /** On 127.0.0.1, one for each target. */
  readonly ports: readonly number[]
}

/** Starts a relay program, which sends its ports when it listens. */
export async function startRelayProcess(
  program: URL,
  delayMs: number,
  targets: readonly number[],
  cpu: number | undefined,
): Promise<RelayProcess> {
  const line = [
    ...deathSignalPrefix(),
    ...cpuPrefix(cpu),
    process.execPath,
    fileURLToPath(program),
    String(delayMs),
    ...targets.map(String),
  ]
  const child = spawn(line[0] ?? '', line.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  const [ports] = (await once(child, 'message')) as [number[]] // the relay programs send these
  return {
    ports,
    async [Symbol.asyncDispose]() {
      if (child.exitCode !== null || child.signalCode !== null) return
      child.kill('SIGKILL')
      await once(child, 'exit')
    },
  }
}
