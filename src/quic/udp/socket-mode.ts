/** How the UDP sockets of QUIC move datagrams. */
export type SocketKind =
  /** System calls of ours: many datagrams each. */
  | { readonly kind: 'segmented' }
  /** Node's dgram: one datagram per system call. */
  | { readonly kind: 'dgram'; readonly because: string }

export interface SocketMachine {
  readonly platform: string
  readonly arch: string
  readonly endianness: 'LE' | 'BE'
  readonly isMainThread: boolean
  /** Why the native calls cannot be made; undefined: they can. */
  readonly missing: string | undefined
  /** What the operator wants: the value of MIDDLEMILE_UDP, if it is set. */
  readonly wish: string | undefined
}

/**
 * Where `struct msghdr`, `cmsghdr` and the numbers of socket options are as we write them: 64 bits, little
 * endian, and the generic ABI of Linux.
 */
const KNOWN_ARCHITECTURES = new Set(['x64', 'arm64', 'riscv64', 'loong64'])

/** In this order: what the operator wants, what the machine is, what is installed. */
export function chooseSocketKind(machine: SocketMachine): SocketKind {
  const { platform, arch, endianness, isMainThread, missing, wish } = machine
  if (wish === 'dgram') return { kind: 'dgram', because: 'MIDDLEMILE_UDP is dgram' }
  if (platform !== 'linux') return { kind: 'dgram', because: `UDP in batches is for Linux, not ${platform}` }
  if (endianness !== 'LE' || !KNOWN_ARCHITECTURES.has(arch))
    return { kind: 'dgram', because: `the layout of socket structures is not known for ${arch}` }
  // A worker that is terminated runs its loop once more without an exit event: a poll handle that is left
  // then ends the process.
  if (!isMainThread) return { kind: 'dgram', because: 'UDP in batches is for the main thread' }
  if (missing !== undefined) return { kind: 'dgram', because: missing }
  return { kind: 'segmented' }
}

/**
 * What one socket of the segmented kind uses; each switches off for good where the kernel or the interface
 * has no such thing.
 * - GSO: one system call takes up to 64 datagrams in one piece.
 * - GRO: the kernel hands over datagrams of one sender in one piece.
 * Without either there are still up to 64 datagrams per call.
 */
export interface SocketFeatures {
  readonly gso: boolean
  readonly gro: boolean
}

/** For people: `explain` and `probe` print it. */
export function describeFeatures({ gso, gro }: SocketFeatures): string {
  return [...(gso ? ['GSO'] : []), ...(gro ? ['GRO'] : []), 'sendmmsg and recvmmsg'].join(', ')
}

/** Errno values after which segmentation offload is no more used on a socket. */
const EIO = 5
const EINVAL = 22
const EOPNOTSUPP = 95
const ENOPROTOOPT = 92
const EMSGSIZE = 90

/**
 * Whether a message that failed so may have failed because it was to be cut up: EIO where the interface
 * computes no checksums, EINVAL or EMSGSIZE where a segment is longer than the path takes, the others where
 * the kernel knows no segmentation.
 */
export function refusesSegments(errno: number): boolean {
  return [EIO, EINVAL, EMSGSIZE, EOPNOTSUPP, ENOPROTOOPT].includes(errno)
}
