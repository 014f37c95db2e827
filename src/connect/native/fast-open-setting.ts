import { readFileSync } from 'node:fs'

const FILE = '/proc/sys/net/ipv4/tcp_fastopen'

/**
 * Bits of net.ipv4.tcp_fastopen (Linux, Documentation/networking/ip-sysctl.rst), by which IPv6 goes as well.
 */
export const FAST_OPEN_BITS = {
  /** Connects may send data, and ask for cookies. */
  client: 1,
  /** Listeners may take data. */
  listener: 2,
} as const

/**
 * net.ipv4.tcp_fastopen of the network namespace that this process is in; undefined when it cannot be read. A
 * file of procfs is made when it is read: nothing is waited for.
 */
export function fastOpenSetting(): number | undefined {
  try {
    const text = readFileSync(FILE, 'latin1').trim()
    return /^\d{1,9}$/.test(text) ? Number(text) : undefined
  } catch {
    return undefined
  }
}
