import { isIP } from 'node:net'
import {
  errnoName,
  type ListeningSocketCalls,
  type LoadedListeningCalls,
  listeningSocketCalls,
  type SocketAddress,
} from '../../connect/native/listening-sockets.ts'
import { unixAddress, unixPathOf } from '../../ingress/unix-socket.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'
import { listenFailure, resolveListenAddress } from '../lifecycle/listen-failure.ts'
import {
  removeSocketFile,
  removeStaleSocket,
  takeSocketFile,
  type UnixSocketFile,
} from '../lifecycle/unix-socket-file.ts'
import type { Inherited } from './inherited-sockets.ts'
import { type ClaimedSocket, type QuicHandover, QuicSockets } from './quic-sockets.ts'

/** What an entry of `listen` wants of sockets. */
export interface WantedSockets {
  readonly address: ListenAddress
  readonly tcp: boolean
  readonly quic: boolean
  /** Of a Unix socket's file. */
  readonly mode?: number | undefined
}

/** The sockets of one entry of `listen`. */
export interface ListeningGroup {
  readonly address: ListenAddress
  /** Of TCP. */
  readonly descriptors: readonly number[]
  readonly quic: QuicSockets | undefined
  /** Of a Unix socket whose file is ours to remove. */
  readonly file?: UnixSocketFile | undefined
}

/** A free port of TCP may be taken for UDP: others are tried, so many times. */
const MAX_PORT_ATTEMPTS = 10

/**
 * The listening sockets of a service with workers: the supervisor has them and accepts from none, one for
 * each worker and address where the kernel spreads connections (SO_REUSEPORT). What waits in the queue of a
 * worker that ends is taken by the one that replaces it.
 */
export class ListeningDescriptors {
  readonly #calls: ListeningSocketCalls
  #isClosed = false
  readonly groups: readonly ListeningGroup[]

  private constructor(calls: ListeningSocketCalls, groups: readonly ListeningGroup[]) {
    this.#calls = calls
    this.groups = groups
  }

  /**
   * Opens what is not inherited. Rejects with MM_LISTEN_FAILED; none stays open then.
   */
  static async open(
    wanted: readonly WantedSockets[],
    workers: number,
    inherited: Pick<Inherited, 'listening' | 'quic' | 'foreign'> = { listening: [], quic: [], foreign: [] },
    loaded: LoadedListeningCalls = listeningSocketCalls(),
  ): Promise<ListeningDescriptors> {
    if ('unavailable' in loaded) throw new Error(loaded.unavailable)
    const { calls } = loaded
    const unclaimed = new Map<number, SocketAddress>()
    for (const fd of inherited.listening) {
      const path = calls.unixPathOf(fd)
      const address = path === undefined ? calls.addressOf(fd) : unixAddress(path)
      if (address !== undefined) unclaimed.set(fd, address)
    }
    const handovers = new Set(inherited.quic)
    const groups: ListeningGroup[] = []
    try {
      const { foreign } = inherited
      const parts = { calls, workers, unclaimed, handovers, foreign }
      for (const one of wanted) {
        const path = unixPathOf(one.address.host)
        groups.push(path === undefined ? await openEntry(parts, one) : await openUnix(parts, one, path))
      }
      for (const fd of [...unclaimed.keys(), ...[...handovers].flatMap(({ fds }) => fds)]) calls.close(fd)
      return new ListeningDescriptors(calls, groups)
    } catch (error) {
      new ListeningDescriptors(calls, groups).close()
      throw error
    }
  }

  /** The TCP ones of one of so many workers, a list for each entry of `listen`; none is left out. */
  of(slot: number, workers: number): number[][] {
    return this.groups.map(({ descriptors }) =>
      descriptors.length < workers
        ? descriptors.slice(slot % descriptors.length, (slot % descriptors.length) + 1)
        : descriptors.filter((_, index) => index % workers === slot),
    )
  }

  /** A UDP socket for a worker alone, until release(); undefined for each entry without HTTP/3. */
  claim(worker: number): (ClaimedSocket | undefined)[] {
    return this.groups.map(({ quic }) => quic?.claim(worker))
  }

  release(worker: number): void {
    for (const { quic } of this.groups) quic?.release(worker)
  }

  /** See QuicSockets. Answers with what went wrong. */
  steer(workers: readonly number[]): string | undefined {
    return this.groups.map(({ quic }) => quic?.steer(workers)).find(because => because !== undefined)
  }

  /** Of TCP. */
  get all(): number[] {
    return this.groups.flatMap(({ descriptors }) => descriptors)
  }

  get quic(): QuicSockets[] {
    return this.groups.flatMap(({ quic }) => quic ?? [])
  }

  /** Unix sockets whose files are not ours: of a service manager. */
  get foreign(): number[] {
    const isForeign = ({ address, file }: ListeningGroup): boolean =>
      file === undefined && unixPathOf(address.host) !== undefined
    return this.groups.filter(isForeign).flatMap(({ descriptors }) => descriptors)
  }

  /** Clients are refused from now on, unless others have the sockets: `isHandedOn`, a successor has. */
  close({ isHandedOn = false } = {}): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (!isHandedOn) for (const { file } of this.groups) if (file !== undefined) removeSocketFile(file)
    for (const fd of this.all) this.#calls.close(fd)
    for (const sockets of this.quic) sockets.close()
  }
}

interface OpeningParts {
  readonly calls: ListeningSocketCalls
  readonly workers: number
  /** What was inherited and nobody has yet. */
  readonly unclaimed: Map<number, SocketAddress>
  readonly handovers: Set<QuicHandover>
  /** Of those, Unix sockets whose files others remove. */
  readonly foreign: readonly number[]
}

/** One socket for all workers: the kernel wakes one of those that wait. */
async function openUnix(
  { calls, unclaimed, foreign }: OpeningParts,
  { address, mode = 0o600 }: WantedSockets,
  path: string,
): Promise<ListeningGroup> {
  const [inherited] = [...unclaimed].find(([, { host }]) => host === address.host) ?? []
  try {
    if (inherited !== undefined) {
      unclaimed.delete(inherited)
      const isForeign = foreign.includes(inherited)
      const file = isForeign ? undefined : takeSocketFile(path, mode)
      return { address, descriptors: [inherited], quic: undefined, file }
    }
    const { fd, file } = await openUnixSocket(calls, path, mode)
    return { address, descriptors: [fd], quic: undefined, file }
  } catch (error) {
    throw listenFailure('a listener', address, error)
  }
}

/** In place of what an earlier process has left. Rejects with an error of the system. */
export async function openUnixSocket(
  calls: ListeningSocketCalls,
  path: string,
  mode: number,
): Promise<{ readonly fd: number; readonly file: UnixSocketFile }> {
  await removeStaleSocket(path)
  const opened = calls.openUnix(path)
  if ('errno' in opened) throw systemError(opened.errno, unixAddress(path))
  return { fd: opened.fd, file: takeSocketFile(path, mode) }
}

async function openEntry(parts: OpeningParts, wanted: WantedSockets): Promise<ListeningGroup> {
  const { calls, workers, unclaimed, handovers } = parts
  const candidates = await resolveListenAddress(wanted.address)
  for (let attempt = 1; ; attempt += 1) {
    const descriptors: number[] = []
    try {
      let address = candidates[0] as ListenAddress // there is always one
      if (wanted.tcp) {
        const claimed = claim(unclaimed, wanted.address, candidates)
        const group = claimed ?? openGroup(calls, wanted.address, candidates, workers)
        descriptors.push(...group.descriptors)
        ;({ address } = group)
      }
      if (!wanted.quic) return { address, descriptors, quic: undefined }
      const before = [...handovers].find(({ fds }) => {
        const at = calls.datagramAddressOf(fds[0] ?? -1)
        return at?.host === address.host && (at.port === address.port || address.port === 0)
      })
      if (before !== undefined) handovers.delete(before)
      const port = before === undefined ? address.port : calls.datagramAddressOf(before.fds[0] ?? -1)?.port
      const quic = new QuicSockets(calls, { ...address, port: port ?? address.port }, before)
      quic.reserve()
      return { address: quic.address, descriptors, quic }
    } catch (error) {
      for (const fd of descriptors) calls.close(fd)
      const mayTryAgain =
        wanted.address.port === 0 && wanted.tcp && wanted.quic && attempt < MAX_PORT_ATTEMPTS
      if (!mayTryAgain) throw error
    }
  }
}

/** Those that were inherited for an address. */
function claim(
  unclaimed: Map<number, SocketAddress>,
  address: ListenAddress,
  wanted: readonly SocketAddress[],
): Pick<ListeningGroup, 'address' | 'descriptors'> | undefined {
  const matching = [...unclaimed].filter(([, { host, port }]) =>
    wanted.some(one => one.host === host && (one.port === port || one.port === 0)),
  )
  const port = matching[0]?.[1].port
  const own = matching.filter(([, found]) => found.port === port) // port 0 takes those of one port
  if (port === undefined) return undefined
  for (const [fd] of own) unclaimed.delete(fd)
  return {
    address: { host: address.host === '' ? '::' : address.host, port },
    descriptors: own.map(([fd]) => fd),
  }
}

function openGroup(
  calls: ListeningSocketCalls,
  wanted: ListenAddress,
  candidates: readonly ListenAddress[],
  workers: number,
): Pick<ListeningGroup, 'address' | 'descriptors'> {
  let errno = 0
  for (const candidate of candidates) {
    const family = isIP(candidate.host) === 6 ? 6 : 4
    // With SO_REUSEPORT a second service on the port would not be refused, but share it: without it, it is.
    const trial = calls.open(family, candidate, false)
    if ('errno' in trial) {
      errno = trial.errno
      continue
    }
    calls.close(trial.fd)
    const address = { host: candidate.host, port: trial.port }
    const descriptors: number[] = []
    while (descriptors.length < workers) {
      const socket = calls.open(family, address, true)
      if ('fd' in socket) descriptors.push(socket.fd)
      else {
        ;({ errno } = socket)
        break
      }
    }
    if (descriptors.length === workers) return { address, descriptors }
    for (const fd of descriptors) calls.close(fd)
  }
  throw listenFailure('a listener', wanted, systemError(errno, wanted))
}

function systemError(errno: number, address: ListenAddress): Error {
  const code = errno === 0 ? 'EADDRNOTAVAIL' : errnoName(errno)
  return Object.assign(new Error(`bind ${code} ${formatListenAddress(address)}`), { code })
}
