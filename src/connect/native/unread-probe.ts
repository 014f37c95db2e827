import type { Duplex } from 'node:stream'
import { descriptorOf, type UnreadProbe } from '../../base/socket/stream-socket.ts'
import { type LoadedSocketCalls, socketCalls } from './socket-calls.ts'

/**
 * Looks below the event loop, at what the kernel has for a TCP socket (0.6 us). Without native calls it does
 * not know.
 */
export function unreadProbe(tcp: Duplex, load: () => LoadedSocketCalls = socketCalls): UnreadProbe {
  return () => {
    const loaded = load()
    // Each time anew: the number of a closed socket is soon another one's.
    const fd = 'unavailable' in loaded ? undefined : descriptorOf(tcp)
    return 'unavailable' in loaded || fd === undefined ? undefined : loaded.calls.hasUnread(fd)
  }
}
