import { spawnSync } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { loadFfi } from '../../src/connect/native/load-ffi.ts'
import { findBinary, requireBinary } from './require-binary.ts'

/**
 * Makes this process live in another network namespace, so that ordinary tests have a network of their own:
 * setns(2) and unshare(2) through koffi, on the main thread. The namespace is one of the thread, and a socket
 * belongs for ever to the one in which it was made:
 *
 * - Node makes its sockets on the main thread, and starts children from it: both are in the namespace that
 *   the process is in at that moment. Listeners and connections made before stay where they are. What is
 *   accepted is where the listener is.
 * - The thread pool stays outside: dns.lookup() of a name (not of an address) asks in the namespace of old,
 *   and so does what reads /proc/sys/net with a callback or a promise. readFileSync is fine.
 *
 * Files share the processes of vitest's workers, one at a time: each leaves a namespace before it ends, and no
 * other notices.
 */
export interface Stay extends Disposable {
  /** For `nsenter --net=PATH`, `enterNamespace`; good as long as this process and this stay last. */
  readonly path: string
  /** Back to where the process was before. */
  [Symbol.dispose](): void
}

const CLONE_NEWNET = 0x4000_0000

/** Undefined where a process can change its network namespace, else the reason to skip. */
export function requireNamespaces(): string | undefined {
  if (process.platform !== 'linux') return 'skipped: network namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'skipped: a network namespace takes root'
  const loaded = loadFfi()
  if ('unavailable' in loaded) return `skipped: install koffi (${loaded.unavailable})`
  return requireBinary('ip')
}

/** A new namespace, which has nothing but 127.0.0.1 and ::1, and goes with its last process and socket. */
export function enterNewNamespace(): Stay {
  const stay = move(calls => calls.unshare(CLONE_NEWNET))
  const ip = findBinary('ip') ?? 'ip'
  const { status, stderr } = spawnSync(ip, ['link', 'set', 'lo', 'up'], { encoding: 'utf8' })
  if (status === 0) return stay
  stay[Symbol.dispose]()
  throw new Error(`lo does not come up: ${stderr}`)
}

/** One that is there: `/proc/PID/fd/N`, `/proc/PID/ns/net`. */
export function enterNamespace(path: string): Stay {
  const fd = openNamespace(path)
  try {
    return move(calls => calls.setns(fd, CLONE_NEWNET))
  } finally {
    closeSync(fd)
  }
}

interface Calls {
  unshare(flags: number): unknown
  setns(fd: number, type: number): unknown
}

function move(how: (calls: Calls) => unknown): Stay {
  // A worker thread would leave the main thread, which starts its children, behind.
  if (!isMainThread) throw new Error('a worker thread cannot take its process to another namespace')
  const loaded = loadFfi()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  const { ffi } = loaded
  const libc = ffi.load(null)
  const unshare = libc.func('int unshare(int flags)')
  const setns = libc.func('int setns(int fd, int type)')
  const before = openNamespace('/proc/thread-self/ns/net')
  if (how({ unshare, setns }) !== 0) {
    const errno = ffi.errno()
    closeSync(before)
    throw new Error(`cannot change the network namespace: errno ${errno}`)
  }
  const here = openNamespace('/proc/thread-self/ns/net')
  let isOver = false
  return {
    path: `/proc/${process.pid}/fd/${here}`,
    [Symbol.dispose]() {
      if (isOver) return
      isOver = true
      const result = setns(before, CLONE_NEWNET)
      const errno = ffi.errno()
      closeSync(before)
      closeSync(here)
      if (result !== 0) throw new Error(`cannot go back to the network namespace: errno ${errno}`)
    },
  }
}

function openNamespace(path: string): number {
  return openSync(path, constants.O_RDONLY)
}
