import { connect, type Socket } from 'node:net'

/** Clients that ask and, after the first bytes of the answer, read no more. */
export interface UnreadResponses {
  /** Those that were answered with 200 and are still connected. */
  open(): number
  close(): void
}

/** Opens them all at once. Resolves when each has its first bytes or has failed, at the latest after `timeoutMs`. */
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
    open: () => open.size,
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}
