import { type DestinationStream, type Logger, pino } from 'pino'
import type { LogSettings } from '../config/service-settings.ts'
import { textLine } from './text-line.ts'

/**
 * The service's logger. `json` is pino as it comes, `text` one line for people. Lines are few (connections,
 * not requests), so that text is made from the JSON line instead of a second way through the logger.
 */
export function createLogger(settings: LogSettings, destination: DestinationStream): Logger {
  const sink: DestinationStream =
    settings.format === 'json' ? destination : { write: line => destination.write(textLine(line)) }
  return pino(
    {
      level: settings.level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: label => ({ level: label }) },
    },
    sink,
  )
}
