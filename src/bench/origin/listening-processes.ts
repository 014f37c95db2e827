import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

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
