import { Duplex } from 'node:stream'
import { guardedListener, throwLater } from '../../base/guard.ts'
import type { ReadPort } from '../../base/socket/read-port.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'

/**
 * The raw bytes of a connection after an upgrade, as a stream; `leftOver` came behind the head of the
 * response. The socket itself cannot be handed over: its reads go to the port. When the peer has ended, our
 * side of the socket ends as well. The tunnel stays until its reader has had what the peer has said, which is
 * no more than lies in its buffers then; what is written meanwhile goes nowhere (RFC 9110 9.3.6).
 * `isHalfOpen`: our side goes on until it is ended, as between two programs that speak TCP.
 */
export function makeTunnel(
  socket: StreamSocket,
  port: ReadPort,
  leftOver: Buffer | undefined,
  isHalfOpen = false,
): StreamSocket {
  socket.ref() // pooled sockets do not keep the process alive; a tunnel is somebody's work
  if (isHalfOpen) socket.allowHalfOpen = true
  let hasReceivedEnd = false
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, encoding, callback) => {
      if (hasReceivedEnd && !isHalfOpen) callback()
      else socket.write(chunk, encoding, error => callback(hasReceivedEnd && !isHalfOpen ? null : error))
    },
    final: callback => void socket.end(() => callback()),
    destroy: (error, callback) => {
      socket.destroy()
      callback(error)
    },
  })
  const tunnel = Object.assign(duplex, { ref: () => socket.ref(), unref: () => socket.unref() })
  /** The socket is broken, or closed. */
  const onOver = (error?: Error): void => {
    if (hasReceivedEnd && !tunnel.readableEnded) tunnel.once('end', () => tunnel.destroy())
    else tunnel.destroy(error)
  }
  if (leftOver !== undefined) tunnel.push(leftOver)
  port.attach({
    onRead: (buffer, start, end) => {
      const chunk = port.keep(buffer.subarray(start, end))
      try {
        if (!tunnel.push(chunk)) socket.pause()
      } catch (error) {
        throwLater(error) // a stream that flows calls its reader from within
      }
      return true
    },
    onFault: error => tunnel.destroy(error),
  })
  const guard = (listener: (error?: Error) => void) =>
    guardedListener('an event of a tunnel', listener, error => tunnel.destroy(error))
  const onEnd = guard(() => {
    hasReceivedEnd = true
    tunnel.push(null)
  })
  socket.on('end', onEnd)
  socket.on('error', guard(onOver))
  socket.on(
    'close',
    guard(() => onOver()),
  )
  return tunnel
}
