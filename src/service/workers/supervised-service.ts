import { closeSync, writeSync } from 'node:fs'
import type { Logger } from 'pino'
import { guarded, guardedPromise } from '../../base/guard.ts'
import { listeningSocketCalls } from '../../connect/native/listening-sockets.ts'
import { systemClock } from '../../entry/events.ts'
import { TransportError } from '../../index.ts'
import type { AdminServer } from '../admin/admin-server.ts'
import { type ConfigFault, formatFault } from '../config/config-fault.ts'
import { restartWarnings, type ServiceSettings } from '../config/service-settings.ts'
import { FleetShares } from '../fleet/fleet-shares.ts'
import { listeningLine } from '../lifecycle/open-listeners.ts'
import { openAdmin } from '../lifecycle/open-sockets.ts'
import { ProcessFaults } from '../lifecycle/process-faults.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'
import { settingsChanges } from '../lifecycle/settings-changes.ts'
import { logToStandardOutput, type ServiceLog } from '../logging/service-log.ts'
import { AdminSocket } from './admin-socket.ts'
import { takeInherited } from './inherited-sockets.ts'
import { ListeningDescriptors } from './listening-descriptors.ts'
import { type ReadText, readText, reloadWorkers } from './reload-workers.ts'
import { ServiceManager } from './service-manager.ts'
import { SharedState } from './shared-state.ts'
import { startSuccessor, type UpgradeResult } from './successor.ts'
import { Supervisor, workerCount } from './supervisor.ts'
import { supervisorActions } from './supervisor-admin.ts'

/** What a service asks of the process that it is. */
export interface SuperviseOptions {
  /** Defects have come too often: drain, close and exit. */
  readonly onTooManyFaults: () => void
  /** A successor has taken over: likewise. */
  readonly onReplaced: () => void
}

/**
 * A service whose work is done by workers, as `middlemile serve -c FILE` has it: the supervisor, the
 * listening sockets and the admin server.
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
  #adminSocket: AdminSocket | undefined
  #state: SharedState | undefined
  #reloading: Promise<unknown> = Promise.resolve()
  #draining: Promise<void> | undefined
  #isUpgrading = false
  readonly #manager = new ServiceManager()
  readonly #onReplaced: () => void

  private constructor(
    file: string,
    log: ServiceLog,
    sockets: ListeningDescriptors,
    supervisor: Supervisor,
    settings: ServiceSettings,
    { onTooManyFaults, onReplaced }: SuperviseOptions,
  ) {
    this.#file = file
    this.#onReplaced = onReplaced
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
    options: SuperviseOptions,
  ): Promise<SupervisedService> {
    const inherited = takeInherited(process.env, process.pid)
    const wanted = settings.listen.map(({ address, mode, protocols, http3 }) => ({
      address,
      mode,
      tcp: protocols.length > 0,
      quic: http3 !== undefined,
    }))
    const log = logToStandardOutput(settings.log, { isShared: settings.accessLog?.to === 'stdout' })
    const { logger } = log
    const { redis } = settings
    const fleet =
      redis && new FleetShares({ settings: redis, logger, clock: systemClock, random: Math.random })
    const sockets = await ListeningDescriptors.open(wanted, workerCount(settings.workers), inherited)
    const state = settings.state === undefined ? openState(inherited.state, logger) : undefined
    const stateDirectory = state?.directory
    const supervisor = new Supervisor({ logger, sockets, config, settings, fleet, stateDirectory })
    const service = new SupervisedService(file, log, sockets, supervisor, settings, options)
    service.#state = state
    try {
      service.#adminSocket = await AdminSocket.open(settings.admin, inherited.admin)
      const { descriptor } = service.#adminSocket
      service.#admin = await openAdmin(settings, service.#actions(), logger, descriptor)
      fleet?.start()
      await supervisor.start(service.#admin?.address)
    } catch (error) {
      supervisor.killAll()
      await service.close()
      throw error
    }
    for (const [index, entry] of settings.listen.entries())
      logger.info(listeningLine(entry, sockets.groups[index]?.address ?? entry.address))
    for (const warning of settings.warnings) logger.warn(warning)
    service.#manager.ready()
    if (inherited.ready !== undefined) sayReady(inherited.ready)
    return service
  }

  /** One after the other: what was asked for last stays. */
  reload(): Promise<ReloadResult> {
    const reloaded = this.#reloading.then(() => this.#reload())
    this.#reloading = reloaded.catch(() => {}) // who asked is notified of it
    return reloaded
  }

  /**
   * Starts the program anew on the same sockets. When it takes requests this one is replaced, and its owner
   * is to drain it; else it goes on.
   */
  async upgrade(): Promise<UpgradeResult> {
    if (this.#phase !== 'running') return { ok: false, because: `it is ${this.#phase}` }
    if (this.#isUpgrading) return { ok: false, because: 'another upgrade is under way' }
    this.#isUpgrading = true
    const { logger } = this.#log
    logger.info('upgrade: starting the new program on the same sockets')
    const result = await startSuccessor({
      listening: this.#sockets.all,
      foreign: this.#sockets.foreign,
      quic: this.#sockets.quic.map(sockets => sockets.handover()),
      admin: this.#admin?.descriptor,
      state: this.#state?.directory,
    })
    if (result.ok) {
      logger.info(`upgrade: process ${result.pid} takes requests now`)
      this.#manager.replacedBy(result.pid)
      this.#onReplaced()
    } else {
      this.#isUpgrading = false
      guarded('taking back what workers share', () => this.#state?.own())
      logger.error(`upgrade failed, this program goes on: ${result.because}`)
    }
    return result
  }

  reopenLogs(): void {
    this.#supervisor.reopenLogs()
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
    this.#sockets.close({ isHandedOn: this.#isUpgrading })
    this.#removeAdminFile()
    await this.#admin?.close()
    await this.#supervisor.fleet?.close()
    this.#state?.remove()
    this.#log.logger.info('closed')
    await this.#log.close()
    this.#faults.close()
    this.#manager.close()
  }

  async #reload(): Promise<ReloadResult> {
    const { logger } = this.#log
    this.#manager.reloading()
    const result = await reloadWorkers(this.#supervisor, this.#file)
    this.#manager.ready()
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
    // A successor answers already: nobody has to find out first, and systemd has another main process.
    if (!this.#isUpgrading) this.#manager.stopping()
    if (delayMs > 0 && !this.#isUpgrading) {
      logger.info(`draining in ${delayMs}ms (shutdown.delay): /readyz says 503 already`)
      await new Promise<void>(resolve => {
        systemClock.setTimer(delayMs, resolve)
      })
    }
    logger.info('draining: no new requests, open ones end')
    // With the ports of the listeners, so that a successor can start now.
    if (!keepAdmin) {
      this.#admin?.release()
      this.#removeAdminFile()
    }
    this.#sockets.close({ isHandedOn: this.#isUpgrading })
    await this.#supervisor.drain()
    logger.info('drained')
  }

  #removeAdminFile(): void {
    if (!this.#isUpgrading) this.#adminSocket?.removeFile()
  }

  #actions() {
    return supervisorActions(this.#supervisor, {
      notReadyBecause: () => {
        if (this.#phase !== 'running') return this.#phase
        return this.#supervisor.ready.length === 0 ? 'no worker is ready' : undefined
      },
      startDrain: () => guardedPromise('a drain', this.drain()),
      reload: () => this.reload(),
      upgrade: () => this.upgrade(),
    })
  }
}

/** Everything goes in one process. `because`: why, where the file does not ask for it. */
export interface WithoutWorkers {
  readonly because: string | undefined
}

/**
 * Starts a service from a file, with the workers that it asks for, or says why there are none. Rejects with
 * MM_CONFIG_INVALID, or with MM_LISTEN_FAILED.
 */
export async function superviseFile(
  file: string,
  options: SuperviseOptions,
): Promise<SupervisedService | WithoutWorkers> {
  const read = await readText(file)
  if (!read.ok) {
    const message = read.faults.map(fault => formatFault(fault, file)).join('\n')
    throw new TransportError('MM_CONFIG_INVALID', message)
  }
  const calls = listeningSocketCalls()
  if (read.settings.workers.count === 'off') return { because: undefined }
  if ('unavailable' in calls) return { because: `workers need native calls: ${calls.unavailable}` }
  return await SupervisedService.start(file, read, options)
}

/** Undefined: it cannot be made, and each worker remembers for itself. */
function openState(inherited: string | undefined, logger: Logger): SharedState | undefined {
  try {
    return SharedState.open(inherited)
  } catch (error) {
    const because = error instanceof Error ? error.message : String(error)
    logger.warn(`workers share neither tickets nor what they know of origins: ${because}`)
    return undefined
  }
}

/** To who waits at the other end of the pipe; it may have gone. */
function sayReady(fd: number): void {
  try {
    writeSync(fd, 'ready\n')
    closeSync(fd)
  } catch {
    // It has given this process up, and kills it.
  }
}

function faultLines(faults: readonly ConfigFault[]): string {
  return faults.map(fault => formatFault(fault)).join('; ')
}
