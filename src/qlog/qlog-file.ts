import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Timer } from '../clock.ts'
import { jsonTextRecord } from './json-text-record.ts'
import { type QlogEvent, roundedMs } from './qlog-event.ts'
import { traceHeader } from './trace-header.ts'

/** Held until so much has come, or `FLUSH_MS` have passed: some 250 events in one write. */
const FLUSH_BYTES = 65_536
const FLUSH_MS = 1_000
/** Files of one process that begin in the same millisecond. */
const MAX_NAMESAKES = 100

export interface QlogFileOptions {
  /** Made when it is not there (mode 0700). */
  readonly directory: string
  readonly clock: Clock
  /** A file that has come to this says so and takes no more. */
  readonly maxBytes: number
  /** The file cannot be made or written, or is full; nothing more is written to it. Called once. */
  readonly onFault: (message: string) => void
}

/**
 * A trace as a JSON text sequence (RFC 7464), `middlemile-TIME-PID.sqlog`, for its owner's eyes only (0600): it names origins and paths.
 * Never throws. Writes are synchronous, so that whatever ended the program, all but the last second is there; they are few and large.
 *
 * open    takes events. Valid transitions: closed
 * closed  by close(), a fault, or because it is full
 */
export class QlogFile {
  readonly #options: QlogFileOptions
  readonly #beganAt: number
  #file: number | undefined
  #held: string[] = []
  #heldBytes = 0
  #bytes = 0
  #timer: Timer | undefined
  #hasReported = false

  constructor(options: QlogFileOptions) {
    this.#options = options
    this.#beganAt = options.clock.now()
    const wallClockTime = new Date().toISOString()
    try {
      this.#file = create(options.directory, wallClockTime)
    } catch (error) {
      this.#report(`no qlog in ${options.directory}: ${reason(error)}`)
      return
    }
    this.#hold(jsonTextRecord(traceHeader(wallClockTime)))
    this.#flush()
  }

  /** On the clock: where the times of events count from. */
  get beganAt(): number {
    return this.#beganAt
  }

  write(event: QlogEvent): void {
    if (this.#file === undefined) return
    const record = jsonTextRecord(event)
    if (this.#bytes + this.#heldBytes + Buffer.byteLength(record) > this.#options.maxBytes) {
      this.#end()
      return
    }
    this.#hold(record)
    if (this.#heldBytes >= FLUSH_BYTES) this.#flush()
    else this.#timer ??= this.#options.clock.setTimer(FLUSH_MS, () => this.#flush())
  }

  /** Writes what is held and closes the file. Calling it again does nothing. */
  close(): void {
    this.#flush()
    const file = this.#file
    if (file === undefined) return
    this.#file = undefined
    try {
      closeSync(file)
    } catch (error) {
      this.#report(`qlog: ${reason(error)}`)
    }
  }

  #hold(record: string): void {
    this.#held.push(record)
    this.#heldBytes += Buffer.byteLength(record)
  }

  /** A reader must not take a full file for a quiet origin. */
  #end(): void {
    const { maxBytes, clock } = this.#options
    const message = `the qlog file has come to ${maxBytes} bytes: nothing more is written to it`
    const time = roundedMs(clock.now() - this.#beganAt)
    this.#hold(jsonTextRecord({ time, name: 'loglevel:warning', data: { message } } satisfies QlogEvent))
    this.close()
    this.#report(message)
  }

  #report(message: string): void {
    if (this.#hasReported) return
    this.#hasReported = true
    this.#options.onFault(message)
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    const text = this.#held.join('')
    this.#held = []
    this.#heldBytes = 0
    if (this.#file === undefined || text === '') return
    try {
      const bytes = Buffer.from(text)
      // A full disk may take a part of it.
      for (let written = 0; written < bytes.length; ) written += writeSync(this.#file, bytes, written)
      this.#bytes += bytes.length
    } catch (error) {
      const file = this.#file
      this.#file = undefined
      closeQuietly(file)
      this.#report(`qlog: ${reason(error)}: nothing more is written`)
    }
  }
}

/** Makes a file that nobody else has, and a directory for it. */
function create(directory: string, wallClockTime: string): number {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const stem = `middlemile-${wallClockTime.replaceAll(':', '')}-${process.pid}`
  for (let namesake = 1; ; namesake++) {
    const name = namesake === 1 ? `${stem}.sqlog` : `${stem}-${namesake}.sqlog`
    try {
      return openSync(join(directory, name), 'wx', 0o600)
    } catch (error) {
      const isTaken = error instanceof Error && 'code' in error && error.code === 'EEXIST'
      if (!isTaken || namesake === MAX_NAMESAKES) throw error
    }
  }
}

function closeQuietly(file: number): void {
  try {
    closeSync(file)
  } catch {
    // The fault that led here is the one to tell of.
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
