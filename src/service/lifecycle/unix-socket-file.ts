import { chmodSync, lstatSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { guardedListener } from '../../base/guard.ts'
import { systemClock } from '../../entry/events.ts'

/** The file of a Unix socket, as far as another file in its place is told from it. */
export interface UnixSocketFile {
  readonly path: string
  readonly inode: number
}

/** Somebody who is there answers within this, or is there. */
const PROBE_MS = 1_000
const DURING = 'looking who listens on a Unix socket'

/**
 * Removes what an earlier process has left at a path: a socket that nobody listens on. Rejects with an error
 * of the system when somebody does, or when it is another kind of file.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const stats = lstatSync(path, { throwIfNoEntry: false })
  if (stats === undefined) return
  if (!stats.isSocket()) throw Object.assign(new Error(`${path} is no socket`), { code: 'ENOTSOCK' })
  if (await isListenedOn(path)) throw Object.assign(new Error(`${path} is in use`), { code: 'EADDRINUSE' })
  unlinkSync(path)
}

function isListenedOn(path: string): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ path })
    const settle = (isThere: boolean): void => {
      socket.destroy()
      resolve(isThere)
    }
    const isThere = (): void => settle(true)
    const timer = systemClock.setTimer(PROBE_MS, isThere)
    socket.once(
      'close',
      guardedListener(DURING, () => timer.cancel(), isThere),
    )
    socket.once('connect', guardedListener(DURING, isThere, isThere))
    // Whoever has no room for one more is there as well (EAGAIN).
    const onError = (error: NodeJS.ErrnoException): void => settle(error.code !== 'ECONNREFUSED')
    socket.once('error', guardedListener(DURING, onError, isThere))
  })
}

/** Gives a socket that was bound just now its permissions. Until then the umask of the process held. */
export function takeSocketFile(path: string, mode: number): UnixSocketFile {
  chmodSync(path, mode)
  return { path, inode: lstatSync(path).ino }
}

/** Unless another one is in its place by now. */
export function removeSocketFile({ path, inode }: UnixSocketFile): void {
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === inode) unlinkSync(path)
  } catch {
    // Its directory is not ours any more. Who listens there next removes it.
  }
}
