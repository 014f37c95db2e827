import type { DestinationStream, Logger } from 'pino'
import type { LineQueueLimits } from '../../base/line-queue.ts'
import { systemClock } from '../../entry/events.ts'
import type { LogSettings } from '../config/service-settings.ts'
import { LogDestination } from './log-destination.ts'
import { logSink } from './log-sink.ts'
import { createLogger } from './logger.ts'

/** How long the end of a service waits for who reads its log. */
const LAST_FLUSH_MS = 500
const STANDARD_OUTPUT = 1

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

/** Logs to standard output, without ever waiting for it. */
export function logToStandardOutput(settings: LogSettings): ServiceLog {
  const { maxQueuedBytes, maxQueuedLines } = settings
  const limits: LineQueueLimits = { maxBytes: maxQueuedBytes, maxLines: maxQueuedLines }
  const destination = new LogDestination({
    ...limits,
    // A getter of Node's that opens the stream with its first use: it is not needed where the log is a pipe
    // or a file.
    sink: logSink(STANDARD_OUTPUT, () => process.stdout),
    clock: systemClock,
    onResumed: dropped =>
      logger.warn(
        { dropped },
        `log: ${dropped} lines were dropped: it was read too slowly, or could not be written (log.maxQueuedBytes, log.maxQueuedLines)`,
      ),
  })
  const logger = createLogger(settings, destination)
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
