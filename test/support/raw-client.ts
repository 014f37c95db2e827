import { connect, type Socket } from 'node:net'

/** A client that sends what it likes, and keeps every byte that comes back. */
export interface RawClient extends Disposable {
  readonly socket: Socket
  /** As latin1 text. */
  readonly received: string
  readonly isClosed: boolean
  send(text: string): void
  /** Waits until what came matches, or the server closed. Resolves with all that came so far. */
  until(pattern: RegExp): Promise<string>
  /** Waits until the server has closed. Resolves with all that came. */
  untilClosed(): Promise<string>
}

const PATIENCE_MS = 10_000

export function rawClient(port: number): RawClient {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  const watchers = new Set<() => void>()
  let received = ''
  let isClosed = false
  const changed = (): void => {
    for (const watch of watchers) watch()
  }
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text
    changed()
  })
  socket.on('error', () => {}) // a reset is an end as well
  socket.on('close', () => {
    isClosed = true
    changed()
  })
  const wait = (isThere: () => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        watchers.delete(watch)
        reject(new Error(`waited in vain; this came: ${JSON.stringify(received)}`))
      }, PATIENCE_MS)
      const watch = (): void => {
        if (!isThere()) return
        clearTimeout(timer)
        watchers.delete(watch)
        resolve(received)
      }
      watchers.add(watch)
      watch()
    })
  return {
    socket,
    get received() {
      return received
    },
    get isClosed() {
      return isClosed
    },
    send: text => void socket.write(text, 'latin1'),
    until: pattern => wait(() => isClosed || pattern.test(received)),
    untilClosed: () => wait(() => isClosed),
    [Symbol.dispose]: () => void socket.destroy(),
  }
}

/** Sends a text and resolves with all that comes until the server closes. */
export async function talkUntilClosed(port: number, text: string): Promise<string> {
  using client = rawClient(port)
  client.send(text)
  return await client.untilClosed()
}
