import { Socket, type SocketConstructorOpts } from 'node:net'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { OnReadOptions } from '../../base/socket/read-port.ts'
import type { SocketCalls } from '../native/socket-calls.ts'

/**
 * `isSet` false: the kernel does not let it use Fast Open, and its connect is as any other. `errno`: there is
 * no socket to be had.
 */
export type FastOpenSocket = { readonly socket: Socket; readonly isSet: boolean } | { readonly errno: number }

const EINVAL = 22

/** Of sockets by descriptor. What Node takes, and its types leave out in part. */
interface DescriptorOptions extends SocketConstructorOpts {
  readonly fd: number
  /**
   * Undocumented, and in Node 20 to 26: else the constructor begins to read, which fails with ENOTCONN unless
   * connect() is called in the same turn.
   */
  readonly manualStart: true
  readonly onread?: OnReadOptions
}

/**
 * A socket whose connect puts off its SYN until the first write, which goes with it where the kernel has a
 * cookie for the address (TCP_FASTOPEN_CONNECT). The caller calls `socket.connect({ host: address, port })`,
 * writes at once, and never writes nothing or ends it first: either leaves a socket that is dead or silent.
 * Node connects it, so that there is no sockaddr of ours and errors are Node's.
 *
 * Made from a descriptor and not from a bound socket, as `localAddress` would make it: that takes a port away
 * from all destinations, and not from one.
 */
export function openFastOpenSocket(
  endpoint: Endpoint,
  calls: SocketCalls,
  onread?: OnReadOptions,
): FastOpenSocket {
  const opened = calls.openStream(endpoint.family)
  if ('errno' in opened) return opened
  const { fd } = opened
  // EOPNOTSUPP: the setting was changed since it was read. The socket is good whatever it is.
  const isSet = calls.set(fd, 'fastOpenConnect', 1) === 0
  const options: DescriptorOptions = { fd, manualStart: true, ...(onread === undefined ? {} : { onread }) }
  try {
    return { socket: new Socket(options), isSet }
  } catch (error) {
    // The handle did not take it over (net.Socket: createHandle, or open): nobody else closes it.
    calls.close(fd)
    return { errno: errnoOf(error) }
  }
}

/** libuv's numbers are those of the system, negative. */
function errnoOf(error: unknown): number {
  const isNumbered = error instanceof Error && 'errno' in error && typeof error.errno === 'number'
  return isNumbered ? Math.abs(Number(error.errno)) : EINVAL
}
