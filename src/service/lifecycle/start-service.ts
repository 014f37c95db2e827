import type { DestinationStream } from 'pino'
import { type Observer, TransportError } from '../../index.ts'
import { formatFault, formatPath } from '../config/config-fault.ts'
import { parseConfig } from '../config/parse-config.ts'
import { readConfigFile } from '../config/read-config-file.ts'
import type { ServiceConfig } from '../config/service-config.ts'
import { logTo, logToStandardOutput } from '../logging/service-log.ts'
import { type ConfigReader, RunningService, type SettingsResult } from './running-service.ts'
import type { ResponseFields, Service } from './service-api.ts'

/** What the program around a service gives it. */
export interface StartOptions {
  /**
   * Where relative file names of the configuration start. Default: the working directory, or that of the
   * file.
   */
  directory?: string | undefined
  /** Where log lines go. Default: standard output, which is never waited for. */
  logTo?: DestinationStream | undefined
  /**
   * Makes the service the last resort of the process: what nobody caught (`uncaughtException`, and rejections
   * that nobody handled) is logged and counted, and the process goes on. Called once, when defects have come
   * too often (`shutdown.maxFaults`): drain, close and exit then.
   */
  onTooManyFaults?: (() => void) | undefined
  /**
   * The service has the process to itself, and may return memory for it (`memory.maxUnusedBytes`). Default
   * false.
   */
  returnsMemory?: boolean | undefined
  /** Receives the events of the transport, as that of `createTransport` does. Default: none. */
  observer?: Observer | undefined
  /**
   * Fields that each response of an origin gains on its way to the client, by what carried it. Called for
   * every response. Default: none.
   */
  responseFields?: ResponseFields | undefined
}

/**
 * Starts a connector. Rejects with MM_CONFIG_INVALID, every fault in its message, or with MM_LISTEN_FAILED.
 *
 * @example
 * ```ts
 * await using service = await startService({
 *   listen: [{ address: '127.0.0.1:8080' }],
 *   origins: { shop: { url: 'https://origin.example' } },
 * })
 * console.log(service.addresses)
 * ```
 */
export async function startService(config: ServiceConfig, options: StartOptions = {}): Promise<Service> {
  const directory = options.directory ?? process.cwd()
  // Without another one, a reload reads the same configuration again: its certificate files may have changed.
  return start(async (next = config) => readValue(next, directory), options)
}

/**
 * The same from a YAML or JSON file, which a reload reads again.
 *
 * @example
 * ```ts
 * const service = await startServiceFromFile('middlemile.yaml')
 * process.once('SIGTERM', () => void service.drain())
 * ```
 */
export async function startServiceFromFile(file: string, options: StartOptions = {}): Promise<Service> {
  const read: ConfigReader = async config =>
    config === undefined ? await readConfigFile(file) : readValue(config, options.directory ?? process.cwd())
  return start(read, options, file)
}

async function start(read: ConfigReader, options: StartOptions, file?: string): Promise<Service> {
  const result = await read()
  if (!result.ok) {
    throw new TransportError(
      'MM_CONFIG_INVALID',
      result.faults.map(fault => formatFault(fault, file)).join('\n'),
    )
  }
  const { log: settings, accessLog } = result.settings
  const isShared = accessLog?.to === 'stdout'
  const log =
    options.logTo === undefined ? logToStandardOutput(settings, { isShared }) : logTo(settings, options.logTo)
  return await RunningService.start(result.settings, {
    log,
    read,
    onTooManyFaults: options.onTooManyFaults,
    returnsMemory: options.returnsMemory ?? false,
    responseFields: options.responseFields,
    observer: options.observer,
  })
}

function readValue(config: ServiceConfig, directory: string): SettingsResult {
  const parsed = parseConfig(config, directory)
  if (parsed.ok) return parsed
  return {
    ok: false,
    faults: parsed.faults.map(({ path, message }) => ({ path: formatPath(path), message })),
  }
}
