import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'

/** Clients that ask and, after the first bytes of the answer, read no more. */
export interface UnreadResponses {
  /**
   * Those that were answered with 200 and are still connected. A socket that is not read does not notice a
   * reset: the kernel is asked. An end in good order waits behind the data that nobody reads, and is not
   * seen.
   */
  open(): number
  close(): void
}

/**
 * Opens them all at once. Resolves when each has its first bytes or has failed, at the latest after
 * `timeoutMs`.
 */
export async function openUnreadResponses(
  port: number,
  path: string,
  count: number,
  timeoutMs: number,
): Promise<UnreadResponses> {
  const sockets: Socket[] = []
  const open = new Set<Socket>()
  const begun = Array.from(
    { length: count },
    () =>
      new Promise<void>(resolve => {
        const socket = connect({ port, host: '127.0.0.1' })
        sockets.push(socket)
        socket.on('error', () => {}) // 'close' follows
        socket.once('close', () => {
          open.delete(socket)
          resolve()
        })
        socket.once('data', (chunk: Buffer) => {
          socket.pause()
          if (chunk.toString('latin1', 9, 12) === '200') open.add(socket)
          resolve()
        })
        socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      }),
  )
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([Promise.all(begun), late])
  clearTimeout(timer)
  return {
    open() {
      const established = establishedPorts(port)
      return [...open].filter(({ localPort }) => localPort !== undefined && established.has(localPort)).length
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** TCP_ESTABLISHED in /proc/net/tcp. */
const ESTABLISHED = '01'

/** The local ports of the IPv4 connections to a port that neither side has ended. */
function establishedPorts(remotePort: number): Set<number> {
  const ports = new Set<number>()
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const [, local, remote, state] = line.trim().split(/\s+/)
    if (state === ESTABLISHED && portOf(remote) === remotePort) ports.add(portOf(local))
  }
  return ports
}

/** `0100007F:1F90`: both in hexadecimal. */
function portOf(address = ''): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16)
}
