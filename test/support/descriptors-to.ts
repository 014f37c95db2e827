import { readdirSync, readFileSync, readlinkSync } from 'node:fs'

/** The state of an open connection in /proc/net/tcp: TCP_ESTABLISHED. */
const ESTABLISHED = '01'

/** The descriptors of this process that are open TCP connections to a port, over IPv4. Linux only. */
export function descriptorsTo(port: number): number[] {
  const inodes = new Set<string>()
  for (const line of readFileSync('/proc/self/net/tcp', 'latin1').split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    const [, , remote = '', state] = fields
    const remotePort = Number.parseInt(remote.split(':')[1] ?? '', 16)
    if (remotePort === port && state === ESTABLISHED) inodes.add(`socket:[${fields[9]}]`)
  }
  return readdirSync('/proc/self/fd')
    .filter(fd => inodes.has(linkOf(fd)))
    .map(Number)
}

function linkOf(fd: string): string {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`)
  } catch {
    return '' // closed meanwhile: that of the listing itself
  }
}
