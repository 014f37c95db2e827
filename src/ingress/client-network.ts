/**
 * Who a client is for limits per address: an IPv4 address by itself, an IPv6 address by its /64, which is the
 * least that one customer gets (RFC 6177). A mapped address (::ffff:192.0.2.1) is the IPv4 address that it
 * stands for.
 */
export function clientNetwork(address: string): string {
  if (!address.includes(':')) return address
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1]
  if (mapped !== undefined) return mapped
  const [head = '', tail] = address.toLowerCase().replace(/%.*$/, '').split('::', 2)
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const last = tail === '' ? [] : tail.split(':')
    // The last two groups may be written as an IPv4 address.
    const lastCount = last.length + (tail.includes('.') ? 1 : 0)
    while (groups.length + lastCount < GROUPS) groups.push('0')
    groups.push(...last)
  }
  return `${groups
    .slice(0, NETWORK_GROUPS)
    .map(group => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`
}

const GROUPS = 8
const NETWORK_GROUPS = 4

/** A client on this machine is a proxy or a tool of the operator's, and stands for many. */
export function isLoopback(network: string): boolean {
  return network.startsWith('127.') || network === '0:0:0:0::/64'
}
