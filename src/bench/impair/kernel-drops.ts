import { readFileSync } from 'node:fs'

/**
 * How many datagrams the kernel threw away before the sockets on these local UDP ports read them, since they
 * were opened: a relay that is too slow loses what no condition asked for. Undefined where it cannot be told
 * (/proc/net/udp, Linux). Of other sockets on the same ports it counts those too.
 */
export function kernelDrops(ports: ReadonlySet<number>): number | undefined {
  try {
    return countDrops(readFileSync('/proc/net/udp', 'latin1'), ports) + countDrops(readUdp6(), ports)
  } catch {
    return undefined
  }
}

/** A kernel without IPv6 has no such file. */
function readUdp6(): string {
  try {
    return readFileSync('/proc/net/udp6', 'latin1')
  } catch {
    return ''
  }
}

/**
 * Of the table in proc(5): a line a socket, the second field its address and port in hexadecimal, the last
 * one the drops.
 */
export function countDrops(table: string, ports: ReadonlySet<number>): number {
  let drops = 0
  for (const line of table.split('\n').slice(1)) {
    const fields = line.trim().split(/\s+/)
    const port = Number.parseInt(fields[1]?.split(':')[1] ?? '', 16)
    if (ports.has(port)) drops += Number(fields.at(-1))
  }
  return drops
}
