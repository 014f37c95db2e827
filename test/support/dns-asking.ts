import { readdirSync, readlinkSync } from 'node:fs'
import { systemClock } from '../../src/base/clock.ts'
import type { TransportError } from '../../src/base/errors.ts'
import { DnsClient, type DnsClientOptions } from '../../src/dns/client/dns-client.ts'
import { type Answering, type DnsServer, fromZone, startDnsServer } from './dns-server.ts'
import { a } from './dns-wire.ts'

/** What most tests ask for, and what the answer is. */
export const WWW = { name: 'www.example.com', type: 'A' } as const
export const ZONE = fromZone([a('www.example.com', '192.0.2.1', 60)])

export const silent: Answering = () => undefined

export interface DnsServers {
  /** startDnsServer() for one more. */
  readonly serve: (...args: Parameters<typeof startDnsServer>) => Promise<DnsServer>
  /** Ends them all: for afterEach. */
  readonly end: () => Promise<void>
}

/** The servers of a test file, which ends them after each test. */
export function dnsServers(): DnsServers {
  const servers: DnsServer[] = []
  return {
    serve: async (...args) => {
      const server = await startDnsServer(...args)
      servers.push(server)
      return server
    },
    end: async () => {
      for (const server of servers.splice(0)) await server[Symbol.asyncDispose]()
    },
  }
}

/** A client of these servers that tries each for 3 s (a machine may be busy), unless it is told otherwise. */
export function clientOf(
  at: readonly (DnsServer | string)[],
  options: Partial<DnsClientOptions> = {},
): DnsClient {
  const addresses = at.map(server => (typeof server === 'string' ? server : server.address))
  return new DnsClient({ clock: systemClock, servers: addresses, tryTimeoutMs: 3000, ...options })
}

/** What it rejects with. */
export async function errorOf(promise: Promise<unknown>): Promise<TransportError> {
  return await promise.then(
    value => {
      throw new Error(`it resolved to ${JSON.stringify(value)}`)
    },
    (error: TransportError) => error,
  )
}

/** Sockets of this process, those included that do not keep it alive. */
export function openSockets(): number {
  return readdirSync('/proc/self/fd').filter(fd => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      return false // closed since, as the directory itself
    }
  }).length
}
