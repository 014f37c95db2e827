import { close, constants, open, openSync, write, writeSync } from 'node:fs'
import { guardedListener } from '../../base/guard.ts'
import type { LogSink } from '../logging/log-sink.ts'

/**
 * Each write goes to the end, wherever other processes have moved it meanwhile. Not waiting is for a named
 * pipe: one without a reader is refused (ENXIO), and one that is full says so.
 */
const FLAGS =
  constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NONBLOCK | constants.O_NOCTTY
/** Addresses of clients are not for everybody. */
const MODE = 0o640
const REOPENING = 'reopening the access log'

/** A file to which several processes append lines; it is opened anew once renamed. */
export class AppendFile implements LogSink {
  readonly #path: string
  #fd: number
  /** What a thread is writing to now. */
  #writingTo: number | undefined
  #isClosed = false

  /** Throws what the system says. */
  constructor(path: string) {
    this.#path = path
    this.#fd = openSync(path, FLAGS, MODE)
  }

  /**
   * Goes on with the file that has the name now. `done` is notified of what went wrong; then the old one is
   * kept.
   */
  reopen(done: (error: Error | undefined) => void): void {
    const onOpened = (error: Error | null, fd: number): void => {
      if (error !== null) return done(error)
      const old = this.#isClosed ? fd : this.#fd
      if (!this.#isClosed) this.#fd = fd
      if (old !== this.#writingTo) close(old)
      done(undefined)
    }
    open(
      this.#path,
      FLAGS,
      MODE,
      guardedListener(REOPENING, onOpened, error => done(error)),
    )
  }

  write(bytes: Buffer, done: (error: NodeJS.ErrnoException | null, written: number) => void): void {
    const fd = this.#fd
    this.#writingTo = fd
    write(fd, bytes, 0, bytes.length, null, (error, written) => {
      this.#writingTo = undefined
      if (this.#isClosed || fd !== this.#fd) close(fd)
      done(error, written)
    })
  }

  writeAtExit(bytes: Buffer): number {
    return writeSync(this.#fd, bytes)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    if (this.#fd !== this.#writingTo) close(this.#fd)
  }
}
