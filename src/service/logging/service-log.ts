import { isatty } from 'node:tty'
import { type DestinationStream, type Logger, pino } from 'pino'
import type { LineQueueLimits } from '../../base/line-queue.ts'
import { systemClock } from '../../entry/events.ts'
import type { LogSettings } from '../config/service-settings.ts'
import { LogDestination } from './log-destination.ts'
import { logSink } from './log-sink.ts'

/** What a line needs of the fields that pino wrote. */
interface LogLine {
  time: string
  level: string
  msg: string
  worker?: string
  hint?: string
}

/** Of ECMA-48, Select Graphic Rendition: yellow and red. */
const LEVEL_STYLES: Readonly<Record<string, number>> = { warn: 33, error: 31, fatal: 31 }

/**
 * A JSON log line as text: `2026-03-01T12:00:00.000Z info shop http/1.1#7 192.0.2.1:443: pool: connection
 * added`.
 */
function textLine(json: string, hasColors: boolean): string {
  const { time, level, msg, worker, hint }: LogLine = JSON.parse(json)
  const advice = hint === undefined ? '' : ` (${hint})`
  const who = worker === undefined ? '' : `worker ${worker}: `
  const style = hasColors ? LEVEL_STYLES[level] : undefined
  const name = style === undefined ? level.padEnd(5) : `\x1b[${style}m${level.padEnd(5)}\x1b[0m`
  return `${time} ${name} ${who}${oneLine(msg + advice)}\n`
}

/** Messages of peers may be part of a line, and must not begin another. */
function oneLine(text: string): string {
  return text.replace(/\p{Cc}+/gu, ' ')
}

/**
 * The service's logger. `json` is pino as it comes, `text` one line for people. Lines are few (connections,
 * not requests), so that text is made from the JSON line instead of a second way through the logger.
 */
export function createLogger(
  settings: LogSettings,
  destination: DestinationStream,
  { worker, hasColors = false }: { worker?: string | undefined; hasColors?: boolean } = {},
): Logger {
  const sink: DestinationStream =
    settings.format === 'json' ? destination : { write: line => destination.write(textLine(line, hasColors)) }
  return pino(
    {
      level: settings.level,
      base: worker === undefined ? null : { worker },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
    },
    sink,
  )
}

/** Where a terminal is, unless it calls itself dumb or NO_COLOR says otherwise (no-color.org). */
function hasColors(fd: number): boolean {
  return isatty(fd) && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
}

/** How long the end of a service waits for who reads its log. */
const LAST_FLUSH_MS = 500
const STANDARD_OUTPUT = 1
/**
 * PIPE_BUF of Linux (pipe(7)): a pipe takes so many bytes whole or not at all, so that the lines of processes
 * that share one do not mix.
 */
const SHARED_BLOCK_BYTES = 4_096

/** A service's logger, and what is behind it. */
export interface ServiceLog {
  readonly logger: Logger
  /** Lines that were dropped, since the log was read too slowly or could not be written. */
  dropped(): number
  /** Waits a moment for what is still queued, and takes nothing after that. */
  close(): Promise<void>
}

/** Logs to a destination of the embedder's, which sees to its own queue. */
export function logTo(settings: LogSettings, destination: DestinationStream): ServiceLog {
  return { logger: createLogger(settings, destination), dropped: () => 0, close: () => Promise.resolve() }
}

/**
 * Logs to standard output, without ever waiting for it. `worker`: which of several processes says so.
 * `isShared`: others write there, too.
 */
export function logToStandardOutput(
  settings: LogSettings,
  { worker, isShared = worker !== undefined }: { worker?: string | undefined; isShared?: boolean } = {},
): ServiceLog {
  const { maxQueuedBytes, maxQueuedLines } = settings
  const limits: LineQueueLimits = { maxBytes: maxQueuedBytes, maxLines: maxQueuedLines }
  const destination = new LogDestination({
    ...limits,
    // A getter of Node's that opens the stream with its first use: it is not needed where the log is a pipe
    // or a file.
    sink: logSink(STANDARD_OUTPUT, () => process.stdout),
    clock: systemClock,
    ...(isShared && { blockBytes: SHARED_BLOCK_BYTES }),
    onResumed: dropped =>
      logger.warn(
        { dropped },
        `log: ${dropped} lines were dropped: it was read too slowly, or could not be written (log.maxQueuedBytes, log.maxQueuedLines)`,
      ),
  })
  const logger = createLogger(settings, destination, { worker, hasColors: hasColors(STANDARD_OUTPUT) })
  const onExit = (): void => destination.flushAtExit()
  process.on('exit', onExit)
  return {
    logger,
    dropped: () => destination.dropped,
    async close() {
      await destination.flush(LAST_FLUSH_MS)
      process.removeListener('exit', onExit)
      destination.close()
    },
  }
}
