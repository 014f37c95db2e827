import dns from 'node:dns'
import { isIP } from 'node:net'
import { TransportError } from '../../base/errors.ts'

/** Where queries go. */
export interface DnsServer {
  /** Without brackets; IPv6 may have a zone. */
  readonly address: string
  readonly family: 4 | 6
  readonly port: number
}

const DNS_PORT = 53
/** `[v6]:port`, `[v6]`, `v4:port`, and either without a port: what node:dns writes. */
const SERVER = /^(?:\[([^\]]+)\](?::(\d{1,5}))?|([^:]+):(\d{1,5})|([^[\]]+))$/

/** Throws MM_INVALID_ARGUMENT for anything but an IP address with or without a port. */
export function parseDnsServer(text: string): DnsServer {
  const match = SERVER.exec(text)
  const address = match?.[1] ?? match?.[3] ?? match?.[5] ?? ''
  const port = Number(match?.[2] ?? match?.[4] ?? DNS_PORT)
  const family = isIP(address)
  const isMisbracketed = match?.[1] !== undefined && family !== 6
  if ((family !== 4 && family !== 6) || isMisbracketed || port < 1 || port > 65_535) {
    const message = `not an address of a DNS server: ${JSON.stringify(text.slice(0, 200))}`
    throw new TransportError('MM_INVALID_ARGUMENT', message)
  }
  return { address, family, port }
}

/** `127.0.0.1:53`, `[::1]:53`: for people. */
export function formatDnsServer({ address, family, port }: DnsServer): string {
  return family === 6 ? `[${address}]:${port}` : `${address}:${port}`
}

/**
 * Those of the process: /etc/resolv.conf as it was when the process started, or what dns.setServers() was
 * given since.
 */
export function systemDnsServers(): DnsServer[] {
  // Not imported by its name: setServers() puts another function into the module, which an imported name
  // would not follow.
  return dns.getServers().map(parseDnsServer)
}
