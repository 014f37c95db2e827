import { Duplex } from 'node:stream'
import type { ReadPort } from '../read-port.ts'
import type { StreamSocket } from '../stream-socket.ts'

/**
 * The raw bytes of a connection after an upgrade, as a stream; `leftOver` came behind the head of the response. The socket itself
 * cannot be handed over: its reads go to the port.
 */
export function makeTunnel(socket: StreamSocket, port: ReadPort, leftOver: Buffer | undefined): Duplex {
  socket.ref() // pooled sockets do not keep the process alive; a tunnel is somebody's work
  const tunnel = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, encoding, callback) => void socket.write(chunk, encoding, callback),
    final: callback => void socket.end(() => callback()),
    destroy: (error, callback) => {
      socket.destroy()
      callback(error)
    },
  })
  if (leftOver !== undefined) tunnel.push(leftOver)
  port.attach({
    onRead: (buffer, start, end) => {
      if (!tunnel.push(port.keep(buffer.subarray(start, end)))) socket.pause()
      return true
    },
  })
  socket.on('end', () => void tunnel.push(null))
  socket.on('error', error => void tunnel.destroy(error))
  socket.on('close', () => void tunnel.destroy())
  return tunnel
}
