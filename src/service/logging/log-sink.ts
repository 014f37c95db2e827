import { closeSync, constants, fstatSync, openSync, write, writeSync } from 'node:fs'
import { isatty } from 'node:tty'

/** Where the bytes of a log go. Neither call ever waits for who reads them. */
export interface LogSink {
  /** Calls back once: with what was taken, or with the error. EAGAIN: nothing fits now. */
  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void
  /** At the end of the process, when no callback comes any more. Throws what the system says. */
  writeAtExit(bytes: Buffer): number
  /** Gives back what it has opened. */
  close(): void
}

/**
 * A sink for a descriptor of this process. What can be full for ever must be written without waiting, in the
 * loop as well as in a thread: a thread of libuv that hangs in write(2) is missing for DNS and files, and
 * node waits for it when it exits.
 *
 * 1. A pipe or a terminal is opened once more (Linux: /proc/self/fd): O_NONBLOCK belongs to the open file,
 *    which other programs share with us.
 * 2. A socket cannot be opened like that; Node's own stream makes it non-blocking.
 * 3. A file takes what the disk takes, in a thread.
 */
export function logSink(fd: number, stream: () => NodeJS.WriteStream): LogSink {
  const stat = fstatSync(fd)
  if (stat.isFIFO() || (stat.isCharacterDevice() && isatty(fd))) {
    const own = openedOnceMore(fd)
    if (own !== undefined) return new DescriptorSink(own)
  }
  if (stat.isFile() || (stat.isCharacterDevice() && !isatty(fd))) return new FileSink(fd)
  return new StreamSink(fd, stream())
}

/**
 * Undefined: it cannot be, since the pipe is another user's, has no reader any more, or there is no /proc.
 */
function openedOnceMore(fd: number): number | undefined {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}

/** A descriptor that does not block. */
class DescriptorSink implements LogSink {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    let written: number
    try {
      written = writeSync(this.#fd, bytes)
    } catch (error) {
      done(error as NodeJS.ErrnoException, 0) // as: what fs throws for a number and a buffer
      return
    }
    done(null, written)
  }

  writeAtExit(bytes: Buffer): number {
    return writeSync(this.#fd, bytes)
  }

  close(): void {
    closeSync(this.#fd)
  }
}

class FileSink implements LogSink {
  readonly #fd: number

  constructor(fd: number) {
    this.#fd = fd
  }

  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    write(this.#fd, bytes, 0, bytes.length, null, done)
  }

  writeAtExit(bytes: Buffer): number {
    return writeSync(this.#fd, bytes)
  }

  close(): void {}
}

class StreamSink implements LogSink {
  readonly #fd: number
  readonly #stream: NodeJS.WriteStream

  constructor(fd: number, stream: NodeJS.WriteStream) {
    this.#fd = fd
    this.#stream = stream
    stream.on('error', ignoreError)
  }

  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    this.#stream.write(bytes, error => done(error ?? null, bytes.length))
  }

  writeAtExit(bytes: Buffer): number {
    return this.#stream.writableLength > 0 ? 0 : writeSync(this.#fd, bytes)
  }

  close(): void {
    this.#stream.removeListener('error', ignoreError)
  }
}

/** The callback of the write tells. */
function ignoreError(): void {}
