import { Socket, type SocketConstructorOpts } from 'node:net'
import type { OnReadOptions } from '../../base/socket/read-port.ts'
import type { SocketCalls } from './socket-calls.ts'

/** What is set on a socket before it connects. */
export interface BeforeConnect {
  readonly family: 4 | 6
  /** TCP Fast Open: connect() puts off the SYN until the first write. */
  readonly fastOpen?: boolean
  /** Undefined: the kernel chooses. */
  readonly local?: LocalAddress | undefined
  /** What its packets are marked with, from the SYN on (RFC 2474). 0: nothing. */
  readonly dscp?: number
}

/** What a connection leaves from. */
export interface LocalAddress {
  readonly address: string
  /** This machine need not have it (IP_FREEBIND). */
  readonly isFree: boolean
}

/**
 * `isFastOpen` false: the kernel does not let it use Fast Open, and its connect is as any other. `errno`:
 * there is no socket to be had, or it cannot be bound.
 */
export type DescriptorSocket =
  | { readonly socket: Socket; readonly isFastOpen: boolean }
  | { readonly errno: number }

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
 * A socket of Node's with what Node has no option for. The caller calls
 * `socket.connect({ host: address, port })`. Node connects it, so that errors are Node's.
 *
 * With Fast Open its connect puts off its SYN until the first write, which goes with it where the kernel has
 * a cookie for the address (TCP_FASTOPEN_CONNECT): the caller writes at once, and never writes nothing or
 * ends it first, since either leaves a socket that is dead or silent.
 *
 * Bound here and not by Node's `localAddress`: that takes a port away from all destinations, and not from one
 * (IP_BIND_ADDRESS_NO_PORT, ip(7)).
 */
export function openDescriptorSocket(
  { family, fastOpen = false, local, dscp = 0 }: BeforeConnect,
  calls: SocketCalls,
  onread?: OnReadOptions,
): DescriptorSocket {
  const opened = calls.openStream(family)
  if ('errno' in opened) return opened
  const { fd } = opened
  if (dscp > 0) calls.set(fd, family === 6 ? 'trafficClass6' : 'trafficClass4', dscp << 2)
  const errno = local === undefined ? 0 : bind(fd, family, local, calls)
  if (errno !== 0) {
    calls.close(fd)
    return { errno }
  }
  // EOPNOTSUPP: the setting was changed since it was read. The socket is good whatever it is.
  const isFastOpen = fastOpen && calls.set(fd, 'fastOpenConnect', 1) === 0
  const options: DescriptorOptions = { fd, manualStart: true, ...(onread === undefined ? {} : { onread }) }
  try {
    return { socket: new Socket(options), isFastOpen }
  } catch (error) {
    // The handle did not take it over (net.Socket: createHandle, or open): nobody else closes it.
    calls.close(fd)
    return { errno: errnoOf(error) }
  }
}

function bind(fd: number, family: 4 | 6, { address, isFree }: LocalAddress, calls: SocketCalls): number {
  calls.set(fd, 'bindWithoutPort', 1)
  if (isFree) calls.set(fd, family === 6 ? 'freeBind6' : 'freeBind4', 1)
  return calls.bind(fd, family, address, 0)
}

/** libuv's numbers are those of the system, negative. */
function errnoOf(error: unknown): number {
  const isNumbered = error instanceof Error && 'errno' in error && typeof error.errno === 'number'
  return isNumbered ? Math.abs(Number(error.errno)) : EINVAL
}
