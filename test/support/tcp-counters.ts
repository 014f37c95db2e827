import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { findBinary } from './require-binary.ts'

/** Of a network namespace since it was made: /proc/net/netstat, TcpExt. */
export type TcpCounters = Readonly<Record<(typeof NAMES)[number], number>>

const NAMES = [
  /**
   * Connections whose SYN carried data that the peer acknowledged (or, counted by clients only, a part of
   * it).
   */
  'TCPFastOpenActive',
  /** Data in a SYN was not acknowledged, or the SYN had to be sent again. */
  'TCPFastOpenActiveFail',
  /** Accepted with the data of their SYN. */
  'TCPFastOpenPassive',
  /** A SYN had data and a cookie that is not ours. */
  'TCPFastOpenPassiveFail',
  /** A SYN asked for a cookie. */
  'TCPFastOpenCookieReqd',
  /** The queue of the listener was full. */
  'TCPFastOpenListenOverflow',
  /** SYNs and SYN-ACKs that were sent again. */
  'TCPSynRetrans',
] as const

const PATH = '/proc/self/net/netstat'

/** In the namespace that this process is in, or with a prefix (see LossyLink) in another. */
export function readTcpCounters(prefix: readonly string[] = []): TcpCounters {
  return parseTcpCounters(prefix.length === 0 ? readFileSync(PATH, 'latin1') : readThrough(prefix))
}

/** Two lines for each group: names, and below each its number. */
export function parseTcpCounters(netstat: string): TcpCounters {
  const [names = [], values = []] = netstat
    .split('\n')
    .filter(line => line.startsWith('TcpExt:'))
    .map(line => line.trim().split(/\s+/))
  const counters: Partial<Record<(typeof NAMES)[number], number>> = {}
  for (const name of NAMES) {
    const value = Number(values[names.indexOf(name)])
    if (!Number.isSafeInteger(value)) throw new Error(`this kernel does not count ${name}`)
    counters[name] = value
  }
  return counters as TcpCounters // each name was filled in above
}

/** What has been added to each. */
export function addedTo(before: TcpCounters, after: TcpCounters): TcpCounters {
  return Object.fromEntries(NAMES.map(name => [name, after[name] - before[name]])) as TcpCounters // the same names
}

function readThrough(prefix: readonly string[]): string {
  const [command, ...args] = [...prefix, findBinary('cat') ?? 'cat', PATH]
  const { stdout, status, stderr } = spawnSync(command, args, { encoding: 'latin1' })
  if (status !== 0) throw new Error(`cannot read ${PATH}: ${stderr}`)
  return stdout
}
