import { once } from 'node:events'
import { type AddressInfo, createServer, Socket } from 'node:net'
import { descriptorOf } from '../../src/base/socket/stream-socket.ts'
import { socketCalls } from '../../src/connect/native/socket-calls.ts'
import type { TcpInfo } from '../../src/connect/native/tcp-info.ts'

const QUEUE = 16

/**
 * A plain TCP server that sends back what it gets, and asks for Fast Open. Whether it has it is a matter of
 * its namespace's sysctl.
 */
export interface FastOpenEcho extends AsyncDisposable {
  readonly port: number
}

export async function startFastOpenEcho(host = '127.0.0.1'): Promise<FastOpenEcho> {
  const server = createServer(socket => socket.on('error', () => socket.destroy()).pipe(socket))
  server.listen(0, host)
  await once(server, 'listening')
  // as: a server that listens has a handle, which Node does not document
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle
  const errno = nativeCalls().set(fd, 'fastOpenQueue', QUEUE)
  if (errno !== 0) throw new Error(`no Fast Open for the listener: errno ${errno}`)
  return {
    port: (server.address() as AddressInfo).port, // as: it listens on a port
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

/**
 * One connection of the kernel's Fast Open with nothing of ours around it: what is written first goes with
 * the SYN when there is a cookie. Answers when it came back; the errno is that of the socket option, and the
 * connection is a plain one if it is not 0.
 */
export async function echoWithFastOpen(
  port: number,
  text: string,
  host = '127.0.0.1',
): Promise<{ errno: number; info: TcpInfo | undefined; ms: number }> {
  const calls = nativeCalls()
  const opened = calls.openStream(4)
  if (!('fd' in opened)) throw new Error(`no socket: errno ${opened.errno}`)
  const errno = calls.set(opened.fd, 'fastOpenConnect', 1)
  // as: undocumented, and needed so that Node does not read before there is a connection
  const options = { fd: opened.fd, manualStart: true } as ConstructorParameters<typeof Socket>[0]
  const socket = new Socket(options)
  const startedAt = performance.now()
  try {
    socket.connect({ port, host })
    socket.write(text)
    const answer = await collect(socket, text.length)
    if (answer !== text) throw new Error(`${answer.length} of ${text.length} bytes came back`)
    return { errno, info: infoOf(socket), ms: performance.now() - startedAt }
  } finally {
    socket.destroy()
  }
}

/** Does not destroy the socket at the end of it, as a loop over it would. */
function collect(socket: Socket, length: number): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      text += chunk
      if (text.length >= length) resolve(text)
    })
    socket.once('error', reject).once('end', () => resolve(text))
  })
}

function infoOf(socket: Socket): TcpInfo | undefined {
  const fd = descriptorOf(socket)
  return fd === undefined ? undefined : nativeCalls().tcpInfo(fd)
}

function nativeCalls() {
  const loaded = socketCalls()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  return loaded.calls
}
