import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { connect, isIPv6, type Socket } from 'node:net'
import { guardedListener } from '../../base/guard.ts'
import type { LogSink } from '../logging/log-sink.ts'
import { countedMessages, type SyslogServer, splitMessages } from './syslog-message.ts'

type Done = (error: NodeJS.ErrnoException | null, written: number) => void

const WRITING = 'writing to syslog'

/** What is sent at once: datagrams of a burst wait in a buffer of the kernel. */
export const SYSLOG_BLOCK_BYTES = 16_384

/** Opens nothing until there is something to send, and again after a failure. */
export function syslogSink(server: SyslogServer): LogSink {
  return server.transport === 'udp' ? new DatagramSink(server) : new StreamSink(server)
}

/** Each line is a datagram. Nobody knows whether one arrives. */
class DatagramSink implements LogSink {
  readonly #server: SyslogServer
  #socket: DatagramSocket | undefined

  constructor(server: SyslogServer) {
    this.#server = server
  }

  write(bytes: Buffer, done: Done): void {
    const { host, port } = this.#server
    const socket = this.#open()
    const messages = splitMessages(bytes)
    let left = messages.length
    let failed: Error | null = null
    let failures = 0
    const onSent = (error: Error | null): void => {
      left -= 1
      if (error !== null) {
        failed = error
        failures += 1
      }
      if (left === 0) done(failures === messages.length ? failed : null, bytes.length)
    }
    if (left === 0) return done(null, bytes.length)
    for (const message of messages) socket.send(message, port, host, onSent)
  }

  writeAtExit(): number {
    return 0
  }

  close(): void {
    this.#socket?.close()
    this.#socket = undefined
  }

  #open(): DatagramSocket {
    if (this.#socket !== undefined) return this.#socket
    const socket = createSocket(isIPv6(this.#server.host) ? 'udp6' : 'udp4')
    socket.unref()
    socket.on(
      'error',
      guardedListener(WRITING, () => this.#forget(socket), ignoreFault),
    )
    this.#socket = socket
    return socket
  }

  #forget(socket: DatagramSocket): void {
    if (this.#socket === socket) this.close()
  }
}

/**
 * Lines over one connection. A server that takes nothing more leaves the block with us, and the queue behind
 * it fills up; one that goes away has it as lost, since nobody knows how much of it was read.
 */
class StreamSink implements LogSink {
  readonly #server: SyslogServer
  #socket: Socket | undefined

  constructor(server: SyslogServer) {
    this.#server = server
  }

  write(bytes: Buffer, done: Done): void {
    const onWritten = (error?: Error | null): void => done(error ?? null, bytes.length)
    this.#open().write(countedMessages(bytes), onWritten)
  }

  writeAtExit(): number {
    return 0
  }

  close(): void {
    this.#socket?.destroy()
    this.#socket = undefined
  }

  #open(): Socket {
    const known = this.#socket
    if (known !== undefined && !known.destroyed && known.writable) return known
    known?.destroy()
    const { host, port } = this.#server
    const socket = connect({ host, port, keepAlive: true })
    socket.unref()
    socket.on('error', ignoreFault) // 'close' follows, and the write that was under way fails
    socket.resume() // what a server says is nothing to us, and its end must be seen
    this.#socket = socket
    return socket
  }
}

function ignoreFault(): void {}
