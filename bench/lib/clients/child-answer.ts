import type { ChildProcess } from 'node:child_process'

/**
 * The next message of a child with an IPC channel; rejects when it ends instead. `Answer` is what its program
 * sends.
 */
export function answerOf<Answer>(child: ChildProcess): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (work: () => void): void => {
      child.off('message', onMessage).off('exit', onExit).off('error', onError)
      work()
    }
    const onMessage = (message: unknown): void => settle(() => resolve(message as Answer)) // that is what the type parameter says
    const onExit = (code: number | null): void =>
      settle(() => reject(new Error(`the client exited with ${code}`)))
    const onError = (error: Error): void => settle(() => reject(error))
    child.on('message', onMessage).on('exit', onExit).on('error', onError)
  })
}

/** Kills it, if it still runs, and waits for its end. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise(resolve => child.once('exit', resolve))
  child.kill('SIGKILL')
  await exited
}
