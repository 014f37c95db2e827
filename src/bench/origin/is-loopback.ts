import { lookup } from 'node:dns/promises'
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
