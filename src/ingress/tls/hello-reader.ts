import type { Socket } from 'node:net'
import { type Clock, DeadlineTimer } from '../../base/clock.ts'
import { guardedListener } from '../../base/guard.ts'
import { readClientHelloRecords } from './client-hello.ts'

interface HelloReaderParts {
  readonly clock: Clock
  /** For a whole ClientHello; 0: no bound. */
  readonly timeoutMs: number
  /** `bytes`: all that came so far. `serverName` undefined: nobody was asked for. */
  readonly onHello: (socket: Socket, serverName: string | undefined, bytes: Buffer) => void
  /** It is closed. */
  readonly onFailed: (socket: Socket, because: string) => void
}

const DURING = 'a ClientHello'

/**
 * Reads who is asked for before TLS begins. Node can choose a certificate by name as well, but copies one
 * certificate of a context then, and leaves those of the first context in the slots of other kinds of keys: a
 * name with an RSA certificate was answered with the ECDSA one of another name.
 */
export class HelloReader {
  readonly #parts: HelloReaderParts

  constructor(parts: HelloReaderParts) {
    this.#parts = parts
  }

  /** A connection, and what has come of it already. */
  receive(socket: Socket, firstBytes: Buffer): void {
    const { clock, timeoutMs, onHello, onFailed } = this.#parts
    const chunks: Buffer[] = []
    let length = 0
    let needsBytes = 1
    const end = (): void => void socket.destroy()
    const fail = (because: string): void => {
      letGo()
      onFailed(socket, because)
      socket.destroy()
    }
    const timer = new DeadlineTimer(
      clock,
      guardedListener(DURING, () => fail(`TLS: no ClientHello came within ${timeoutMs} ms`), end),
    )
    const letGo = (): void => {
      timer.cancel()
      socket.off('data', onData).off('end', onEnd).off('error', ignoreError).off('close', onClose)
    }
    const onClose = guardedListener(DURING, letGo, end)
    const take = (chunk: Buffer): void => {
      chunks.push(chunk)
      length += chunk.length
      // A client that trickles is not read again for every byte.
      if (length < needsBytes) return
      const bytes = chunks.length === 1 ? chunk : Buffer.concat(chunks.splice(0), length)
      const read = readClientHelloRecords(bytes)
      if (read.kind === 'incomplete') {
        needsBytes = read.needsBytes
        chunks.splice(0, chunks.length, bytes)
        return
      }
      letGo()
      onHello(socket, read.kind === 'hello' ? read.serverName : undefined, bytes)
    }
    const onData = guardedListener(DURING, take, end)
    const onEnd = guardedListener(DURING, () => fail('TLS: the connection ended within the ClientHello'), end)
    socket.on('data', onData).on('end', onEnd).on('error', ignoreError).on('close', onClose)
    if (timeoutMs > 0) timer.cover(clock.now() + timeoutMs)
    if (firstBytes.length > 0) take(firstBytes)
  }
}

/** 'close' follows. */
function ignoreError(): void {}
