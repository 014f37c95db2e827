import type { DestinationStream } from 'pino'
import { containFault, guardedImmediate, guardedListener } from '../../base/guard.ts'
import { LineQueue, type LineQueueLimits } from '../../base/line-queue.ts'
import type { Clock, Timer } from '../../entry/events.ts'
import type { LogSink } from './log-sink.ts'

const BLOCK_BYTES = 65_536
const WRITING = 'writing the log'
/** How soon one that is full is tried again, the first time and at the most. */
const FULL_RETRY_MS = 10
const MAX_FULL_RETRY_MS = 500
/** The same for one that cannot be written: the reader has gone, or the disk is full. */
const FAULT_RETRY_MS = 1_000

export interface LogDestinationOptions extends LineQueueLimits {
  readonly sink: LogSink
  readonly clock: Clock
  /** What is written at once, unless a single line is longer. Default: what a pipe of Linux holds. */
  readonly blockBytes?: number
  /**
   * It flows again, and so many lines were dropped meanwhile. What is logged from within comes after what
   * waited.
   */
  readonly onResumed: (dropped: number) => void
}

/**
 * Takes log lines at once and writes them when the sink takes them, so that a log that nobody reads, or that
 * has no room, stops neither requests nor the end of the process. What does not fit into the queue is dropped
 * and counted.
 *
 * idle     nothing waits. Valid transitions: writing
 * writing  the sink has a block. Valid transitions: idle, writing, waiting
 * waiting  the sink took less than it was given: a timer runs. Valid transitions: writing
 * Any of them becomes closed, which is final: what still comes is dropped.
 */
export class LogDestination implements DestinationStream {
  readonly #options: LogDestinationOptions
  readonly #queue: LineQueue
  #phase: 'idle' | 'writing' | 'waiting' | 'closed' = 'idle'
  /** What the sink has not taken yet of a block, and the lines in it. */
  #block: { bytes: Buffer; lines: number } | undefined
  #isScheduled = false
  #retryMs = FULL_RETRY_MS
  #reportedDrops = 0
  #timer: Timer | undefined
  readonly #flushed = new Set<() => void>()

  constructor(options: LogDestinationOptions) {
    this.#options = options
    this.#queue = new LineQueue(options)
  }

  /** Lines that nobody will read. */
  get dropped(): number {
    return this.#queue.dropped
  }

  write(line: string): void {
    if (this.#phase === 'closed') return this.#queue.addDropped(1)
    if (!this.#queue.push(line) || this.#phase !== 'idle' || this.#isScheduled) return
    this.#isScheduled = true
    guardedImmediate(WRITING, () => {
      this.#isScheduled = false
      if (this.#phase === 'idle') this.#next()
    })
  }

  /** Resolves when everything was taken, or after `timeoutMs`. */
  async flush(timeoutMs: number): Promise<void> {
    if (this.#phase === 'closed' || (this.#phase === 'idle' && !this.#isScheduled)) return
    await new Promise<void>(resolve => {
      const done = (): void => {
        timer.cancel()
        this.#flushed.delete(done)
        resolve()
      }
      const timer = this.#options.clock.setTimer(timeoutMs, done)
      this.#flushed.add(done)
    })
  }

  /**
   * For the `exit` of a process: writes as much as is taken without waiting. What a callback is still to come
   * for is left to the system.
   */
  flushAtExit(): void {
    if (this.#phase === 'writing' || this.#phase === 'closed') return
    try {
      for (let block = this.#take(); block !== undefined; block = this.#take()) {
        const written = this.#options.sink.writeAtExit(block.bytes)
        if (written < block.bytes.length) return
        this.#block = undefined
      }
    } catch {
      // It is full, or gone: the end of a process waits for neither.
    }
  }

  close(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#timer?.cancel()
    this.#options.sink.close()
  }

  #take(): { bytes: Buffer; lines: number } | undefined {
    this.#block ??= this.#queue.take(this.#options.blockBytes ?? BLOCK_BYTES)
    return this.#block
  }

  #next(): void {
    const block = this.#take()
    if (block === undefined) return this.#settle()
    this.#phase = 'writing'
    const onTaken = (error: NodeJS.ErrnoException | null, written: number): void => {
      if (this.#phase === 'closed') return
      if (error === null) this.#onWritten(block, written)
      else if (error.code === 'EAGAIN') this.#wait()
      else this.#onFault(block)
    }
    try {
      this.#options.sink.write(
        block.bytes,
        guardedListener(WRITING, onTaken, () => this.#onFault(block)),
      )
    } catch (error) {
      containFault(WRITING, error, () => this.#onFault(block))
    }
  }

  #onWritten(block: { bytes: Buffer; lines: number }, written: number): void {
    if (written < block.bytes.length) {
      this.#block = { bytes: block.bytes.subarray(written), lines: block.lines }
      if (written > 0) this.#retryMs = FULL_RETRY_MS
      this.#wait()
      return
    }
    this.#block = undefined
    this.#retryMs = FULL_RETRY_MS
    const dropped = this.#queue.dropped - this.#reportedDrops
    if (dropped > 0) {
      this.#reportedDrops = this.#queue.dropped
      this.#options.onResumed(dropped)
    }
    this.#phase = 'idle'
    if (this.#queue.length === 0) this.#settle()
    else this.#schedule(0)
  }

  /** The block is lost, a part of it may stand there. */
  #onFault(block: { bytes: Buffer; lines: number }): void {
    if (this.#phase === 'closed') return
    this.#block = undefined
    this.#queue.addDropped(block.lines)
    this.#schedule(FAULT_RETRY_MS)
  }

  #wait(): void {
    this.#schedule(this.#retryMs)
    this.#retryMs = Math.min(this.#retryMs * 2, MAX_FULL_RETRY_MS)
  }

  #schedule(delayMs: number): void {
    this.#phase = 'waiting'
    this.#timer = this.#options.clock.setTimer(delayMs, () => {
      this.#timer = undefined
      this.#next()
    })
  }

  #settle(): void {
    this.#phase = 'idle'
    for (const done of this.#flushed) done()
  }
}
