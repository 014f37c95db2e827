import { readFileSync } from 'node:fs'

/** How many local ports the kernel chooses from when a connection is made (ip-sysctl.rst). */
export interface PortRange {
  readonly first: number
  readonly last: number
  /** Those of net.ipv4.ip_local_reserved_ports left out. */
  readonly count: number
}

const DIRECTORY = '/proc/sys/net/ipv4'

/**
 * net.ipv4.ip_local_port_range of the network namespace that this process is in, by which IPv6 goes as well;
 * undefined when it cannot be read. A file of procfs is made when it is read: nothing is waited for.
 */
export function readPortRange(): PortRange | undefined {
  const range = read('ip_local_port_range')
  return range === undefined ? undefined : parsePortRange(range, read('ip_local_reserved_ports') ?? '')
}

/** `range` as `32768\t60999`, `reserved` as `8080,9148-9150`. */
export function parsePortRange(range: string, reserved: string): PortRange | undefined {
  const [, from, to] = /^\s*(\d{1,5})\s+(\d{1,5})\s*$/.exec(range) ?? []
  const first = Number(from)
  const last = Number(to)
  if (!(first >= 1 && last >= first && last <= 65_535)) return undefined
  let count = last - first + 1
  for (const part of reserved.trim().split(',')) {
    const [, low, high = low] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part) ?? []
    if (low === undefined) continue
    count -= Math.max(0, Math.min(last, Number(high)) - Math.max(first, Number(low)) + 1)
  }
  return { first, last, count: Math.max(0, count) }
}

function read(name: string): string | undefined {
  try {
    return readFileSync(`${DIRECTORY}/${name}`, 'latin1')
  } catch {
    return undefined
  }
}
