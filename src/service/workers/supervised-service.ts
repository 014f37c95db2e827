import { guardedPromise } from '../../base/guard.ts'
import { listeningSocketCalls } from '../../connect/native/listening-sockets.ts'
import { systemClock } from '../../entry/events.ts'
import { TransportError } from '../../index.ts'
import type { AdminServer } from '../admin/admin-server.ts'
import { type ConfigFault, formatFault } from '../config/config-fault.ts'
import { restartWarnings, type ServiceSettings } from '../config/service-settings.ts'
import { listeningLine, openAdmin } from '../lifecycle/open-sockets.ts'
import { ProcessFaults } from '../lifecycle/process-faults.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'
import { settingsChanges } from '../lifecycle/settings-changes.ts'
import type { StartOptions } from '../lifecycle/start-service.ts'
import { logToStandardOutput, type ServiceLog } from '../logging/service-log.ts'
import { ListeningDescriptors } from './listening-descriptors.ts'
import { type ReadText, readText, reloadWorkers } from './reload-workers.ts'
import { Supervisor, workerCount } from './supervisor.ts'
import { supervisorActions } from './supervisor-admin.ts'

/**
 * A service whose work is done by workers, as `middlemile serve -c FILE` has it: the supervisor, the listening
 * sockets and the admin server.
 *
 * running   workers take connections. Valid transitions: draining, closed
 * draining  `/readyz` says 503; after `shutdown.delay` the workers drain. Valid transitions: closed
 * closed    everything is closed. Final
 */
export class SupervisedService {
  #phase: 'running' | 'draining' | 'closed' = 'running'
  readonly #file: string
  readonly #log: ServiceLog
  readonly #sockets: ListeningDescriptors
  readonly #supervisor: Supervisor
  readonly #faults: ProcessFaults
  #settings: ServiceSettings
  /** What sockets were opened by. */
  readonly #startedWith: ServiceSettings
  #admin: AdminServer | undefined
  #reloading: Promise<unknown> = Promise.resolve()
  #draining: Promise<void> | undefined

  private constructor(
    file: string,
    log: ServiceLog,
    sockets: ListeningDescriptors,
    supervisor: Supervisor,
    settings: ServiceSettings,
    onTooManyFaults: () => void,
  ) {
    this.#file = file
    this.#log = log
    this.#sockets = sockets
    this.#supervisor = supervisor
    this.#settings = settings
    this.#startedWith = settings
    this.#faults = new ProcessFaults({
      logger: log.logger,
      clock: systemClock,
      budget: () => {
        const { maxFaults, faultWindowMs: windowMs } = this.#settings.shutdown
        return { maxFaults, windowMs }
      },
      count: () => {},
      onTooMany: onTooManyFaults,
    })
  }

  /** Rejects with MM_LISTEN_FAILED, or what a worker has failed with; nothing stays open then. */
  static async start(
    file: string,
    { config, settings }: Extract<ReadText, { ok: true }>,
    onTooManyFaults: () => void,
  ): Promise<SupervisedService> {
    const addresses = settings.listen.map(({ address }) => address)
    const sockets = await ListeningDescriptors.open(addresses, workerCount(settings.workers))
    const log = logToStandardOutput(settings.log)
    const { logger } = log
    const supervisor = new Supervisor({ logger, sockets, config, settings })
    const service = new SupervisedService(file, log, sockets, supervisor, settings, onTooManyFaults)
    try {
      service.#admin = await openAdmin(settings, service.#actions(), logger)
      await supervisor.start()
    } catch (error) {
      supervisor.killAll()
      await service.close()
      throw error
    }
    for (const [entry, { address }] of sockets.groups.entries())
      logger.info(listeningLine(settings.listen[entry]?.tls !== undefined, address.host, address.port))
    for (const warning of settings.warnings) logger.warn(warning)
    return service
  }

  /** One after the other: what was asked for last stays. */
  reload(): Promise<ReloadResult> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => {}) // who asked is notified of it
    return reloaded
  }

  /** Takes no more requests; resolves when the last worker has ended. */
  drain(): Promise<void> {
    this.#draining ??= this.#drain()
    return this.#draining
  }

  /** Ends everything now. */
  async close(): Promise<void> {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    this.#supervisor.killAll()
    this.#sockets.close()
    await this.#admin?.close()
    this.#log.logger.info('closed')
    await this.#log.close()
    this.#faults.close()
  }

  async #reload(): Promise<ReloadResult> {
    const { logger } = this.#log
    const result = await reloadWorkers(this.#supervisor, this.#file)
    if (!result.ok) {
      logger.error(`reload refused, the old configuration stays: ${faultLines(result.faults)}`)
      return result
    }
    const { settings } = this.#supervisor
    const changes = settingsChanges(this.#settings, settings)
    const warnings = [...settings.warnings, ...restartWarnings(this.#startedWith, settings)]
    this.#settings = settings
    logger.info(
      `configuration reloaded: ${settings.origins.length} origins, ${settings.routes.length} routes, ${this.#supervisor.ready.length} workers`,
    )
    for (const change of changes) logger.info(`reload: ${change}`)
    for (const warning of warnings) logger.warn(warning)
    return { ok: true, changes, warnings }
  }

  async #drain(): Promise<void> {
    if (this.#phase !== 'running') return
    this.#phase = 'draining'
    const { delayMs, keepAdmin } = this.#settings.shutdown
    const { logger } = this.#log
    if (delayMs > 0) {
      logger.info(`draining in ${delayMs}ms (shutdown.delay): /readyz says 503 already`)
      await new Promise<void>(resolve => {
        systemClock.setTimer(delayMs, resolve)
      })
    }
    logger.info('draining: no new requests, open ones end')
    // With the ports of the listeners, so that a successor can start now.
    if (!keepAdmin) this.#admin?.release()
    this.#sockets.close()
    await this.#supervisor.drain()
    logger.info('drained')
  }

  #actions() {
    return supervisorActions(this.#supervisor, {
      notReadyBecause: () => {
        if (this.#phase !== 'running') return this.#phase
        return this.#supervisor.ready.length === 0 ? 'no worker is ready' : undefined
      },
      startDrain: () => guardedPromise('a drain', this.drain()),
      reload: () => this.reload(),
    })
  }
}

/** Everything goes in one process. `because`: why, where the file does not ask for it. */
export interface WithoutWorkers {
  readonly because: string | undefined
}

/**
 * Starts a service from a file, with the workers that it asks for, or says why there are none. Rejects with MM_CONFIG_INVALID, or with MM_LISTEN_FAILED.
 */
export async function superviseFile(
  file: string,
  { onTooManyFaults = () => {} }: Pick<StartOptions, 'onTooManyFaults'>,
): Promise<SupervisedService | WithoutWorkers> {
  const read = await readText(file)
  if (!read.ok) {
    const message = read.faults.map(fault => formatFault(fault, file)).join('\n')
    throw new TransportError('MM_CONFIG_INVALID', message)
  }
  const calls = listeningSocketCalls()
  if (read.settings.workers.count === 'off') return { because: undefined }
  if ('unavailable' in calls) return { because: `workers need native calls: ${calls.unavailable}` }
  return await SupervisedService.start(file, read, onTooManyFaults)
}

function faultLines(faults: readonly ConfigFault[]): string {
  return faults.map(fault => formatFault(fault)).join('; ')
}
