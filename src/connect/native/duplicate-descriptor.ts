import { loadFfi } from './load-ffi.ts'

/** fcntl.h of Linux, the same on every architecture. */
const F_DUPFD_CLOEXEC = 1030
/** Above the standard streams. */
const LOWEST = 3

/** Two names for one open socket. */
export interface DescriptorCalls {
  /**
   * Another descriptor of the same open file, not inherited by child processes. Undefined: there is none
   * left.
   */
  duplicate(fd: number): number | undefined
  close(fd: number): void
}

let loaded: DescriptorCalls | undefined | null = null

/** Undefined where native calls cannot be made. Never throws. */
export function descriptorCalls(): DescriptorCalls | undefined {
  if (loaded === null) loaded = bind()
  return loaded
}

function bind(): DescriptorCalls | undefined {
  const found = loadFfi()
  if ('unavailable' in found) return undefined
  try {
    const libc = found.ffi.load(null)
    // Its third argument is variadic in C; an int is passed in the same register either way on what koffi is
    // built for.
    const fcntl = libc.func('int fcntl(int fd, int command, int argument)')
    const close = libc.func('int close(int fd)')
    return {
      duplicate(fd) {
        const copy = fcntl(fd, F_DUPFD_CLOEXEC, LOWEST) as number // as: the prototype returns int
        return copy < 0 ? undefined : copy
      },
      close: fd => void close(fd),
    }
  } catch {
    return undefined
  }
}
