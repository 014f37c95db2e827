import type { Socket } from 'node:net'

/**
 * What an address begins with that is a path; by itself the client of a Unix socket, whose address nobody
 * knows.
 */
export const UNIX_SOCKET = 'unix:'

/** Where a server listens at a path. */
export function unixAddress(path: string): { readonly host: string; readonly port: 0 } {
  return { host: `${UNIX_SOCKET}${path}`, port: 0 }
}

/** The path of `unix:/run/x.sock`; undefined: it is another address. */
export function unixPathOf(host: string): string | undefined {
  return host.startsWith(UNIX_SOCKET) ? host.slice(UNIX_SOCKET.length) : undefined
}

/** Whether a client came over a Unix socket, and no proxy has said who it is. */
export function isUnixClient(address: string): boolean {
  return address === UNIX_SOCKET
}

let clients = 0

/**
 * From now on a connection shows `unix:` as its client's address, and a number of its own for a port: a
 * socket that is not of TCP shows neither.
 */
export function nameUnixClient(socket: Socket): void {
  clients += 1
  Object.defineProperties(socket, {
    remoteAddress: { value: UNIX_SOCKET, configurable: true },
    remotePort: { value: clients, configurable: true },
  })
}
