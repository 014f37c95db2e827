import type { Server } from 'node:net'
import { getSystemErrorName } from 'node:util'
import { TransportError } from '../base/errors.ts'
import { descriptorOf } from '../base/socket/stream-socket.ts'
import { FAST_OPEN_BITS, fastOpenSetting } from '../connect/native/fast-open-setting.ts'
import { type LoadedSocketCalls, socketCalls } from '../connect/native/socket-calls.ts'

/** The most that `fastOpen` may be. */
export const MAX_FAST_OPEN_QUEUE = 65_535
/** Why `fastOpen` is refused without `tls`. */
export const FAST_OPEN_NEEDS_TLS =
  'needs tls: the data of a SYN can be delivered twice, and without tls that is a request made twice (RFC 7413 section 6.1)'

/** The queue that is asked for; throws MM_INVALID_ARGUMENT. */
export function checkFastOpen({ fastOpen = 0, tls }: { fastOpen?: number; tls?: unknown }): number {
  if (!Number.isInteger(fastOpen) || fastOpen < 0 || fastOpen > MAX_FAST_OPEN_QUEUE) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `fastOpen must be a whole number from 0 to ${MAX_FAST_OPEN_QUEUE}, not ${fastOpen}`,
    )
  }
  if (fastOpen > 0 && tls === undefined)
    throw new TransportError('MM_INVALID_ARGUMENT', `fastOpen ${FAST_OPEN_NEEDS_TLS}`)
  return fastOpen
}

/** What there is to do it with; tests have other ones. */
interface FastOpenMachine {
  readonly loaded: LoadedSocketCalls
  /** net.ipv4.tcp_fastopen; undefined: it cannot be read. */
  readonly setting: () => number | undefined
}

/**
 * Lets a listening server take data out of a SYN (TCP Fast Open, RFC 7413), from at most `queueLength`
 * clients at once that have not completed the three-way handshake; the kernel caps that at
 * net.core.somaxconn, and further ones connect as always. Returns undefined, or for people why the server
 * does not: it works as ever then. Never throws.
 */
export function fastOpenListener(
  server: Server,
  queueLength: number,
  { loaded, setting }: FastOpenMachine = { loaded: socketCalls(), setting: fastOpenSetting },
): string | undefined {
  if ('unavailable' in loaded) return loaded.unavailable
  // Without that bit setsockopt succeeds, and nothing comes of it.
  const value = setting()
  if (value === undefined) return 'net.ipv4.tcp_fastopen cannot be read'
  if ((value & FAST_OPEN_BITS.listener) === 0)
    return `net.ipv4.tcp_fastopen is ${value}, which forbids Fast Open to listeners (0x2 is not set)`
  const fd = descriptorOf(server)
  if (fd === undefined)
    return 'the socket is not of this process: a worker of node:cluster has its primary accept'
  const errno = loaded.calls.set(fd, 'fastOpenQueue', queueLength)
  return errno === 0 ? undefined : `the kernel refuses it: ${getSystemErrorName(-errno)}`
}
