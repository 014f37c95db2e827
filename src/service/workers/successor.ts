import { spawn } from 'node:child_process'
import { Readable } from 'node:stream'
import { guardedListener } from '../../base/guard.ts'
import { systemClock } from '../../entry/events.ts'
import { handOver, type Inherited } from './inherited-sockets.ts'

/** What became of an upgrade. */
export type UpgradeResult =
  | { readonly ok: true; readonly pid: number }
  | { readonly ok: false; readonly because: string }

/** From spawn to ready: it starts workers of its own. */
const READY_MS = 60_000
/** The first process of a container: the container ends with it. */
const FIRST_PROCESS = 1

/**
 * Starts the program anew with the listening sockets, as it lies on the disk now, with the same arguments.
 * Resolves when it takes requests, or says why it does not; it is gone then.
 */
export async function startSuccessor(
  sockets: Omit<Inherited, 'ready'>,
  argv: readonly string[] = process.argv.slice(1),
): Promise<UpgradeResult> {
  if (process.pid === FIRST_PROCESS)
    return { ok: false, because: 'this is process 1, with which its container ends: start another container' }
  const { environment, descriptors, ready } = handOver(process.env, sockets)
  const child = spawn(process.execPath, [...process.execArgv, ...argv], {
    stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...descriptors],
    env: environment,
  })
  const pipe = child.stdio[ready]
  return await new Promise(resolve => {
    let isSettled = false
    const settle = (result: UpgradeResult): void => {
      if (isSettled) return
      isSettled = true
      timer.cancel()
      if (pipe instanceof Readable) pipe.destroy()
      if (!result.ok) child.kill('SIGKILL')
      child.unref()
      resolve(result)
    }
    const fail = (because: string): void => settle({ ok: false, because })
    const timer = systemClock.setTimer(READY_MS, () =>
      fail(`the new program was not ready within ${READY_MS}ms`),
    )
    const during = 'an upgrade'
    const onFault = (error: Error): void => fail(error.message)
    child.on('error', guardedListener(during, onFault, onFault))
    child.on(
      'exit',
      guardedListener(
        during,
        (code: number | null, signal: string | null) =>
          fail(`the new program ended by ${signal ?? `code ${code}`}`),
        onFault,
      ),
    )
    if (pipe instanceof Readable)
      pipe.on(
        'data',
        guardedListener(during, () => settle({ ok: true, pid: child.pid ?? 0 }), onFault),
      )
  })
}
