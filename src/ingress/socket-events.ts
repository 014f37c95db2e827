import { TransportError } from '../base/errors.ts'
import { guardedListener } from '../base/guard.ts'
import type { SessionSocket } from './session-context.ts'

/** A session over TCP, as its socket sees it. */
export interface SocketOwner {
  /** `buffer[start, end)` came. Its memory is the owner's from now on. */
  receive(buffer: Buffer, start: number, end: number): void
  /** The client closed its side. */
  receiveEnd(): void
  /** What waited for the client was taken. */
  receiveDrain?(): void
  /** Our side is closed, and the client was handed everything. */
  receiveFinish(): void
  /** The socket is closed, by whomever; `error`: what that is to an exchange which is under way. */
  receiveClose(error: TransportError): void
  /**
   * Something of ours has thrown, and nobody knows what it has left behind: the connection ends, and so does
   * what is under way on it.
   */
  onFault(error: TransportError): void
}

/**
 * Hands the events of a client's socket to the session that owns it. None of them throws; `during`: what a
 * fault is reported as. The function that is returned ends that, since the socket is somebody else's: an
 * error that comes before he listens must not end the process, and is still waited for.
 */
export function listenToSocket(socket: SessionSocket, during: string, owner: SocketOwner): () => void {
  let cause: Error | undefined
  const guard = (listener: (chunk: Buffer) => void) =>
    guardedListener(during, listener, error => owner.onFault(error))
  const listeners = {
    data: guard(chunk => owner.receive(chunk, 0, chunk.length)),
    end: guard(() => owner.receiveEnd()),
    drain: guard(() => owner.receiveDrain?.()),
    finish: guard(() => owner.receiveFinish()),
    close: guard(() => {
      const message = `the connection to the client ended: ${cause?.message ?? 'closed'}`
      owner.receiveClose(new TransportError('MM_CLIENT_GONE', message, { cause }))
    }),
  }
  for (const [event, listener] of Object.entries(listeners)) socket.on(event, listener)
  socket.on('error', error => void (cause = error)) // 'close' follows
  return () => {
    for (const [event, listener] of Object.entries(listeners)) socket.off(event, listener)
  }
}
