import type { LoadedSocketCalls, SocketCalls } from '../../src/connect/native/socket-calls.ts'

/** TCP_SYN_SENT: connect() has been called, and with Fast Open nothing has left before the first write. */
const SYN_SENT = 2

export interface SynHook {
  /** Called once, when the core sees that a SYN waits for the first write, before it writes. */
  onSynWaits: (() => void) | undefined
}

/**
 * The calls of this machine with a way in between connect() and the first write: the core looks at TCP_INFO
 * when Node says 'connect', and writes after that, in the same turn. For
 * `vi.mock('…/native/socket-calls.ts')`.
 */
export function hookSyn(loaded: LoadedSocketCalls, hook: SynHook): LoadedSocketCalls {
  if ('unavailable' in loaded) return loaded
  const calls: SocketCalls = {
    ...loaded.calls,
    tcpInfo(fd) {
      const info = loaded.calls.tcpInfo(fd)
      if (info?.state !== SYN_SENT) return info
      const { onSynWaits } = hook
      hook.onSynWaits = undefined
      onSynWaits?.()
      return info
    },
  }
  return { calls }
}
