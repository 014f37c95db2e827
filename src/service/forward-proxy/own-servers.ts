import { networkInterfaces } from 'node:os'
import type { ListenAddress } from '../config/fields/listen-address.ts'

const EVERY_ADDRESS: readonly string[] = ['', '0.0.0.0', '::']

/**
 * Whether a server of our own is there: a request that went to it would come back, or come to the admin
 * server from an address that is believed. `present`: the addresses of this machine.
 */
export function isOwnServer(
  address: string,
  port: number,
  servers: readonly ListenAddress[],
  present: readonly string[] = presentAddresses(),
): boolean {
  return servers.some(server => {
    if (server.port !== port || port === 0) return false
    const host = server.host === 'localhost' ? '' : server.host
    if (!EVERY_ADDRESS.includes(host)) return host === address
    return address.startsWith('127.') || present.includes(address)
  })
}

function presentAddresses(): string[] {
  return Object.values(networkInterfaces()).flatMap(addresses => addresses?.map(one => one.address) ?? [])
}
