import { closeSync, mkdirSync, openSync, write, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock, Timer } from '../../base/clock.ts'
import { LineQueue } from '../../base/line-queue.ts'
import { type QlogEvent, roundedMs } from './qlog-events.ts'

/**
 * One record of a JSON text sequence (RFC 7464 2.2): a record separator, the JSON text, a line feed. A reader
 * that finds a torn record goes on at the next separator, which never stands inside of one: JSON escapes it
 * in strings.
 */
export function jsonTextRecord(value: object): string {
  return `\u001e${JSON.stringify(value)}\n`
}

/** Events of Happy Eyeballs v3: what each attempt to connect came to (draft-kuehlewind-happy-qlog-00). */
const HAPPY_SCHEMA = 'urn:ietf:params:qlog:events:hev3-00'
/**
 * Ours, for what that draft has no words for. A private schema may not use the URNs of qlog, and a name of
 * the web needs its owner.
 */
const OWN_SCHEMA = 'urn:uuid:4a0555d1-feaa-4c63-8d69-6ddc38521bae'
const LOGLEVEL_SCHEMA = 'urn:ietf:params:qlog:events:loglevel'

/**
 * The first record of a file (draft-ietf-quic-qlog-main-schema, section 5). Times count from its writing on a
 * monotonic clock, for which the draft asks for an unknown epoch; `wallClockTime` (RFC 3339) says roughly
 * when that was.
 */
export function traceHeader(wallClockTime: string): object {
  return {
    // These two first: tools look for them in the first 256 bytes.
    file_schema: 'urn:ietf:params:qlog:file:sequential',
    serialization_format: 'application/qlog+json-seq',
    title: 'middlemile: which protocol, and why',
    trace: {
      vantage_point: { name: 'middlemile', type: 'client' },
      common_fields: {
        time_format: 'relative_to_epoch',
        reference_time: { clock_type: 'monotonic', epoch: 'unknown', wall_clock_time: wallClockTime },
      },
      event_schemas: [HAPPY_SCHEMA, OWN_SCHEMA, LOGLEVEL_SCHEMA],
    },
  }
}

/** Held until so much has come, or `FLUSH_MS` have passed: some 250 events in one write. */
const FLUSH_BYTES = 65_536
const FLUSH_MS = 1_000
/** What waits for a disk that is slow: some ten thousand events; more are dropped and counted. */
const MAX_QUEUED_BYTES = 4_194_304
const MAX_QUEUED_EVENTS = 65_536
/** One write. */
const BLOCK_BYTES = 1_048_576
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
 * A trace as a JSON text sequence (RFC 7464), `middlemile-TIME-PID.sqlog`, for its owner's eyes only (0600):
 * it names origins and paths. Never throws. A thread writes, a few large blocks one after the other, so that
 * a slow disk stops nobody; whatever ended the program, all but the last seconds is there.
 *
 * - `open`: takes events. Valid transitions: closing, closed
 * - `closing`: by close(), or because it is full: everything was handed over, and a block is still being
 *   written. Valid transitions: closed
 * - `closed`: final
 */
export class QlogFile {
  readonly #options: QlogFileOptions
  readonly #beganAt: number
  readonly #queue = new LineQueue({ maxBytes: MAX_QUEUED_BYTES, maxLines: MAX_QUEUED_EVENTS })
  #phase: 'open' | 'closing' | 'closed' = 'closed'
  #file = -1
  /** Of the file, those of the block that is being written included. */
  #bytes = 0
  #isWriting = false
  #reportedDrops = 0
  #timer: Timer | undefined
  #hasReported = false

  constructor(options: QlogFileOptions) {
    this.#options = options
    this.#beganAt = options.clock.now()
    const wallClockTime = new Date().toISOString()
    try {
      this.#file = create(options.directory, wallClockTime)
      this.#bytes = writeSync(this.#file, jsonTextRecord(traceHeader(wallClockTime)))
      this.#phase = 'open'
    } catch (error) {
      this.#report(`no qlog in ${options.directory}: ${reason(error)}`)
    }
  }

  /** On the clock: where the times of events count from. */
  get beganAt(): number {
    return this.#beganAt
  }

  get dropped(): number {
    return this.#queue.dropped
  }

  write(event: QlogEvent): void {
    if (this.#phase !== 'open') return
    const record = jsonTextRecord(event)
    if (this.#bytes + this.#queue.bytes + Buffer.byteLength(record) > this.#options.maxBytes) {
      this.#end()
      return
    }
    this.#queue.push(record)
    this.#schedule()
  }

  /**
   * Writes what is queued, at once since the program may end, and closes the file. Calling it again does
   * nothing.
   */
  close(): void {
    if (this.#phase !== 'open') return
    this.#phase = 'closing'
    this.#timer?.cancel()
    try {
      for (
        let block = this.#queue.take(BLOCK_BYTES);
        block !== undefined;
        block = this.#queue.take(BLOCK_BYTES)
      ) {
        // Behind the block that a thread may still be writing.
        for (let written = 0; written < block.bytes.length; )
          written += writeSync(
            this.#file,
            block.bytes,
            written,
            block.bytes.length - written,
            this.#bytes + written,
          )
        this.#bytes += block.bytes.length
      }
    } catch (error) {
      this.#report(`qlog: ${reason(error)}`)
    }
    if (!this.#isWriting) this.#close()
  }

  /** A reader must not take a full file for a quiet origin. */
  #end(): void {
    const { maxBytes } = this.#options
    const message = `the qlog file has come to ${maxBytes} bytes: nothing more is written to it`
    this.#warn(message)
    this.close()
    this.#report(message)
  }

  #warn(message: string): void {
    const time = roundedMs(this.#options.clock.now() - this.#beganAt)
    this.#queue.push(
      jsonTextRecord({ time, name: 'loglevel:warning', data: { message } } satisfies QlogEvent),
    )
  }

  #report(message: string): void {
    if (this.#hasReported) return
    this.#hasReported = true
    this.#options.onFault(message)
  }

  #schedule(): void {
    if (this.#isWriting || this.#queue.length === 0) return // the end of the write looks again
    if (this.#queue.bytes >= FLUSH_BYTES) this.#flush()
    else this.#timer ??= this.#options.clock.setTimer(FLUSH_MS, () => this.#flush())
  }

  #flush(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    if (this.#phase !== 'open' || this.#isWriting) return
    const block = this.#queue.take(BLOCK_BYTES)
    if (block === undefined) return
    const dropped = this.#queue.dropped - this.#reportedDrops
    this.#reportedDrops += dropped
    if (dropped > 0)
      this.#warn(`${dropped} events were dropped, since they came faster than they could be written`)
    this.#isWriting = true
    const at = this.#bytes
    this.#bytes += block.bytes.length
    this.#writeAll(block.bytes, at)
  }

  /** A full disk may take a part of it. */
  #writeAll(bytes: Buffer, at: number): void {
    write(this.#file, bytes, 0, bytes.length, at, (error, written) => {
      if (error !== null) this.#onFailed(error)
      else if (written < bytes.length) this.#writeAll(bytes.subarray(written), at + written)
      else this.#onWritten()
    })
  }

  #onWritten(): void {
    this.#isWriting = false
    if (this.#phase === 'closing') this.#close()
    else this.#schedule()
  }

  #onFailed(error: Error): void {
    this.#isWriting = false
    this.#timer?.cancel()
    this.#close()
    this.#report(`qlog: ${reason(error)}: nothing more is written`)
  }

  #close(): void {
    this.#phase = 'closed'
    try {
      closeSync(this.#file)
    } catch (error) {
      this.#report(`qlog: ${reason(error)}`)
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

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
