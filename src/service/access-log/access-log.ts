import { hostname } from 'node:os'
import type { Logger } from 'pino'
import { systemClock } from '../../entry/events.ts'
import { type Origin, TransportError } from '../../index.ts'
import type { AccessLogSettings } from '../config/service-settings.ts'
import type { EndedExchange } from '../forwarding/forwarded-exchange.ts'
import { LogDestination } from '../logging/log-destination.ts'
import { type LogSink, logSink } from '../logging/log-sink.ts'
import { AppendFile } from './append-file.ts'
import { lineFormat, MAX_LINE_LENGTH } from './line-format.ts'
import { recordExchange } from './record-exchange.ts'
import { syslogMessages } from './syslog-message.ts'
import { SYSLOG_BLOCK_BYTES, syslogSink } from './syslog-sink.ts'

/** What decides about lines and when they were, apart from the requests. */
export interface AccessLogInputs {
  /** Takes a line with its end. */
  write(line: string): void
  originName(origin: Origin): string
  /** From 0 to below 1. */
  random(): number
  /** In ms since 1970. */
  wallNow(): number
}

const FIRST_SERVER_ERROR = 500

/**
 * Writes a line for each request that has ended. With `sample` below 1 it is that share of them, drawn
 * request by request, and all that failed: with an error of ours, a status of 5xx, or a client that left.
 */
export function accessLines(
  { format, sample }: Pick<AccessLogSettings, 'format' | 'sample'>,
  inputs: AccessLogInputs,
): (ended: EndedExchange) => void {
  const formatted = lineFormat(format)
  if (typeof formatted === 'string')
    throw new TransportError('MM_INVALID_ARGUMENT', `accessLog.format: ${formatted}`)
  return ended => {
    const isFailure = ended.error !== undefined || ended.status === 0 || ended.status >= FIRST_SERVER_ERROR
    if (!isFailure && sample < 1 && inputs.random() >= sample) return
    const name = ended.origin && inputs.originName(ended.origin)
    inputs.write(`${formatted(recordExchange(ended, name, inputs.wallNow()))}\n`)
  }
}

/** An open access log. */
export interface AccessLog {
  readonly onEnded: (ended: EndedExchange) => void
  /** Lines that were dropped, since they could not be written in time. */
  dropped(): number
  /** Opens the file anew, which somebody has renamed. */
  reopen(): void
  /** Waits a moment for what is still queued, and takes nothing after that. */
  close(): Promise<void>
}

const STANDARD_OUTPUT = 1
const LAST_FLUSH_MS = 500
/** Together with `maxQueuedBytes`: short lines cost more than their bytes. */
const MAX_QUEUED_LINES = 50_000

/** Rejects a file that cannot be opened with MM_INVALID_ARGUMENT. */
export function openAccessLog(
  settings: AccessLogSettings,
  logger: Logger,
  originName: (origin: Origin) => string,
): AccessLog {
  const { to, maxQueuedBytes, facility } = settings
  const syslog = to !== 'stdout' && 'syslog' in to ? to.syslog : undefined
  const file = to !== 'stdout' && 'file' in to ? openFile(to.file) : undefined
  const sink: LogSink =
    file ?? (syslog && syslogSink(syslog)) ?? logSink(STANDARD_OUTPUT, () => process.stdout)
  const message = syslogMessages({ facility, hostname: hostname(), processId: process.pid })
  const destination = new LogDestination({
    maxBytes: maxQueuedBytes,
    maxLines: MAX_QUEUED_LINES,
    sink,
    clock: systemClock,
    // The log shares standard output, and so may other processes.
    ...(to === 'stdout' && { blockBytes: MAX_LINE_LENGTH + 1 }),
    ...(syslog !== undefined && { blockBytes: SYSLOG_BLOCK_BYTES }),
    onResumed: dropped =>
      logger.warn(
        { dropped },
        `access log: ${dropped} lines were dropped: it was read too slowly, or could not be written (accessLog.maxQueuedBytes)`,
      ),
  })
  const onExit = (): void => destination.flushAtExit()
  process.on('exit', onExit)
  return {
    onEnded: accessLines(settings, {
      write: line => destination.write(syslog === undefined ? line : message(line, Date.now())),
      originName,
      random: () => Math.random(),
      wallNow: () => Date.now(),
    }),
    dropped: () => destination.dropped,
    reopen: () =>
      file?.reopen(error => {
        if (error === undefined) logger.info('access log: reopened')
        else logger.error(`access log: it goes on in the old file: ${error.message}`)
      }),
    async close() {
      await destination.flush(LAST_FLUSH_MS)
      process.removeListener('exit', onExit)
      destination.close()
    },
  }
}

function openFile(path: string): AppendFile {
  try {
    return new AppendFile(path)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    throw new TransportError('MM_INVALID_ARGUMENT', `accessLog.to: it cannot be opened: ${reason}`)
  }
}
