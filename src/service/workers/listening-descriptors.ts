import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import {
  errnoName,
  type ListeningSocketCalls,
  type LoadedListeningCalls,
  listeningSocketCalls,
  type SocketAddress,
} from '../../connect/native/listening-sockets.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'
import { listenFailure } from '../lifecycle/open-sockets.ts'

/** The sockets of one entry of `listen`. */
export interface ListeningGroup {
  readonly address: ListenAddress
  readonly descriptors: readonly number[]
}

/**
 * The listening sockets of a service with workers: the supervisor has them and accepts from none, one for
 * each worker and address where the kernel spreads connections (SO_REUSEPORT). What waits in the queue of a
 * worker that ends is taken by the one that replaces it.
 */
export class ListeningDescriptors {
  readonly #calls: ListeningSocketCalls
  readonly groups: readonly ListeningGroup[]

  private constructor(calls: ListeningSocketCalls, groups: readonly ListeningGroup[]) {
    this.#calls = calls
    this.groups = groups
  }

  /**
   * Opens what is not in `inherited`. Rejects with MM_LISTEN_FAILED; none stays open then.
   */
  static async open(
    addresses: readonly ListenAddress[],
    workers: number,
    inherited: readonly number[] = [],
    loaded: LoadedListeningCalls = listeningSocketCalls(),
  ): Promise<ListeningDescriptors> {
    if ('unavailable' in loaded) throw new Error(loaded.unavailable)
    const { calls } = loaded
    const unclaimed = new Map<number, SocketAddress>()
    for (const fd of inherited) {
      const address = calls.addressOf(fd)
      if (address !== undefined) unclaimed.set(fd, address)
    }
    const opened: number[] = []
    try {
      const groups: ListeningGroup[] = []
      for (const address of addresses) {
        const group = claim(unclaimed, address, await resolved(address))
        groups.push(group ?? (await openGroup(calls, address, workers, opened)))
      }
      for (const fd of unclaimed.keys()) calls.close(fd)
      return new ListeningDescriptors(calls, groups)
    } catch (error) {
      for (const fd of opened) calls.close(fd)
      throw error
    }
  }

  /** Those of one of so many workers, a list for each entry of `listen`. None is left without a worker. */
  of(slot: number, workers: number): number[][] {
    return this.groups.map(({ descriptors }) =>
      descriptors.length < workers
        ? [descriptors[slot % descriptors.length] as number] // a group is never empty
        : descriptors.filter((_, index) => index % workers === slot),
    )
  }

  get all(): number[] {
    return this.groups.flatMap(({ descriptors }) => descriptors)
  }

  /** Clients are refused from now on, unless others have the sockets. */
  close(): void {
    for (const fd of this.all) this.#calls.close(fd)
  }
}

/** Those that were inherited for an address. */
function claim(
  unclaimed: Map<number, SocketAddress>,
  address: ListenAddress,
  wanted: readonly SocketAddress[],
): ListeningGroup | undefined {
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

async function openGroup(
  calls: ListeningSocketCalls,
  address: ListenAddress,
  workers: number,
  opened: number[],
): Promise<ListeningGroup> {
  let errno = 0
  for (const candidate of await resolved(address)) {
    const family = isIP(candidate.host) === 6 ? 6 : 4
    // With SO_REUSEPORT a second service on the port would not be refused, but share it: without it, it is.
    const trial = calls.open(family, candidate, false)
    if ('errno' in trial) {
      errno = trial.errno
      continue
    }
    calls.close(trial.fd)
    const descriptors: number[] = []
    for (let worker = 0; worker < workers; worker++) {
      const socket = calls.open(family, { ...candidate, port: trial.port }, true)
      if ('errno' in socket) {
        errno = socket.errno
        break
      }
      opened.push(socket.fd)
      descriptors.push(socket.fd)
    }
    if (descriptors.length === workers)
      return { address: { host: candidate.host, port: trial.port }, descriptors }
  }
  throw listenFailure('a listener', address, systemError(errno, address))
}

/** The IP addresses that an address may mean, the best first. */
async function resolved({ host, port }: ListenAddress): Promise<readonly SocketAddress[]> {
  if (host === '')
    return [
      { host: '::', port },
      { host: '0.0.0.0', port },
    ]
  if (isIP(host) === 6) return [{ host: new URL(`http://[${host}]`).hostname.slice(1, -1), port }]
  if (isIP(host) === 4) return [{ host, port }]
  try {
    const { address } = await lookup(host)
    return [{ host: address, port }]
  } catch (error) {
    throw listenFailure('a listener', { host, port }, error)
  }
}

function systemError(errno: number, address: ListenAddress): Error {
  const code = errno === 0 ? 'EADDRNOTAVAIL' : errnoName(errno)
  return Object.assign(new Error(`bind ${code} ${formatListenAddress(address)}`), { code })
}
