import { lookup } from 'node:dns/promises'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { isIP } from 'node:net'

/** 127.0.0.0/8 and ::1, also as an IPv4-mapped address. */
export function isLoopbackAddress(address: string): boolean {
  return /^(?:::ffff:)?127\./.test(address) || address === '::1'
}

/** Whether all addresses of a host are on this machine's loopback. A name that cannot be looked up is not. */
export async function isLoopbackHost(host: string): Promise<boolean> {
  if (isIP(host) !== 0) return isLoopbackAddress(host)
  try {
    const found = await lookup(host, { all: true })
    return found.length > 0 && found.every(({ address }) => isLoopbackAddress(address))
  } catch {
    return false
  }
}

/** Tables of proc(5), with the state of a socket that takes connections, or datagrams of anybody. */
const TABLES: readonly (readonly [path: string, state: string])[] = [
  ['/proc/net/tcp', '0A'],
  ['/proc/net/tcp6', '0A'],
  ['/proc/net/udp', '07'],
  ['/proc/net/udp6', '07'],
]

/**
 * The processes of this machine that listen on that port, as far as we may look into them. On other systems
 * than Linux: none.
 */
export function listeningProcesses(port: number): readonly number[] {
  const inodes = new Set(TABLES.flatMap(([path, state]) => listeningInodes(readOr(path), port, state)))
  if (inodes.size === 0) return []
  return listed('/proc')
    .map(Number)
    .filter(pid => Number.isInteger(pid) && holdsOne(pid, inodes))
}

/**
 * Of one such table: `sl local_address rem_address st …`, the inode tenth, addresses and ports in hex.
 */
export function listeningInodes(table: string, port: number, state: string): readonly string[] {
  const inodes: string[] = []
  for (const line of table.split('\n').slice(1)) {
    const [, local = '', , has, , , , , , inode] = line.trim().split(/\s+/)
    if (has !== state || inode === undefined) continue
    if (Number.parseInt(local.slice(local.lastIndexOf(':') + 1), 16) === port) inodes.push(inode)
  }
  return inodes
}

function holdsOne(pid: number, inodes: ReadonlySet<string>): boolean {
  return listed(`/proc/${pid}/fd`).some(fd => {
    try {
      const [, inode] = /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`)) ?? []
      return inode !== undefined && inodes.has(inode)
    } catch {
      return false // closed meanwhile
    }
  })
}

function listed(directory: string): readonly string[] {
  try {
    return readdirSync(directory)
  } catch {
    return [] // not ours to see, or gone
  }
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return ''
  }
}

/** proc_pid_stat(5) counts in ticks; a hundred a second on every Linux that we know. */
const TICK_MS = 10

/** What is needed of a line of proc_pid_stat(5). */
export interface ProcessTimes {
  readonly pid: number
  readonly parent: number
  /** User and system, with those of children that ended and were waited for. */
  readonly cpuMs: number
}

/**
 * The name stands in parentheses and may itself hold spaces and parentheses: fields are counted from the last
 * one, which ends field 2.
 */
export function parseProcessTimes(text: string): ProcessTimes {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const field = (number: number): number => Number(fields[number - 3])
  return {
    pid: Number.parseInt(text, 10),
    parent: field(4),
    cpuMs: (field(14) + field(15) + field(16) + field(17)) * TICK_MS,
  }
}

/**
 * User and system time of these processes and all their descendants, each counted once, without this process
 * and its own: an origin may have started us. Resolution: a tick, 10 ms. A process that ended is in its
 * parent's sum, so that the difference of two readings misses nobody whose parent is among them.
 */
export function cpuMsOf(roots: readonly number[]): number {
  const all = readdirSync('/proc').flatMap(name => {
    const times = /^\d+$/.test(name) ? readTimes(name) : undefined
    return times === undefined ? [] : [times]
  })
  return sumOfTrees(all, roots, process.pid)
}

/** The tree of `leftOut` counts only where that is a root itself. */
export function sumOfTrees(all: readonly ProcessTimes[], roots: readonly number[], leftOut?: number): number {
  const counted = new Set(roots)
  for (let before = -1; before !== counted.size; ) {
    before = counted.size
    for (const { pid, parent } of all) if (counted.has(parent) && pid !== leftOut) counted.add(pid)
  }
  return all.reduce((sum, { pid, cpuMs }) => (counted.has(pid) ? sum + cpuMs : sum), 0)
}

function readTimes(pid: string): ProcessTimes | undefined {
  try {
    return parseProcessTimes(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return undefined // ended meanwhile
  }
}
