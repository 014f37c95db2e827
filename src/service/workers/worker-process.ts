import { createHash } from 'node:crypto'
import { getHeapStatistics } from 'node:v8'
import { guardedListener, guardedPromise } from '../../base/guard.ts'
import { originUrl } from '../../entry/dispatch.ts'
import { systemClock } from '../../entry/events.ts'
import { type Observer, TransportError } from '../../index.ts'
import { formatFault } from '../config/config-fault.ts'
import { readConfigText } from '../config/read-config.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import { RunningService } from '../lifecycle/running-service.ts'
import { logToStandardOutput } from '../logging/service-log.ts'
import { Channel } from './channel.ts'
import { supervisorShares } from './host-shares.ts'
import { withoutHttp3 } from './http3-quarantine.ts'
import type { AskSupervisor, AskWorker, ConfigText, Prepared, ToSupervisor, ToWorker } from './messages.ts'
import { removeStateOf } from './shared-state.ts'
import { supervisorNews } from './worker-news.ts'

/** How often a worker says that it works. */
const HEARTBEAT_MS = 200
/** Of the most that the heap may have: what aborts now has run out of memory. */
const FULL_HEAP_SHARE = 0.9
/** Workers drain while others go on, so that nobody waits for the end of an idle connection. */
const DRAIN_IDLE_MS = 1_000
/** A worker whose supervisor has gone does not linger, whatever `shutdown.drainTimeout` says. */
const MAX_ORPHANED_DRAIN_MS = 60_000
const CANNOT_START = 3
const TOO_MANY_FAULTS = 4

/** Signals to the whole group, from a terminal or service manager: the supervisor decides. */
const OF_SUPERVISOR = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const

/** The other end is the supervisor that has started this process. */
const supervisor = process.ppid
const channel = new Channel<ToSupervisor, ToWorker, AskSupervisor, AskWorker>(process)
for (const signal of OF_SUPERVISOR) process.on(signal, () => {})
channel.receive('start', body => {
  start(body).catch((error: unknown) => {
    const code = error instanceof TransportError ? error.code : 'MM_INTERNAL'
    channel.send('failed', { code, message: error instanceof Error ? error.message : String(error) })
    process.exitCode = CANNOT_START
    if (process.connected) process.disconnect()
  })
})

async function start({
  sockets,
  ticketSecret,
  supervisorAdmin,
  stateDirectory,
  ejections,
  withoutHttp3: quarantined,
  ...config
}: ToWorker['start']): Promise<void> {
  let settings = read(config)
  let withheld: readonly string[] = quarantined
  const log = logToStandardOutput(settings.log, { worker: process.env['MIDDLEMILE_WORKER'], isShared: true })
  const http3 = new OriginsInUse()
  let isReopenDue = false
  channel.receive('reopenLogs', () => {
    isReopenDue = true
  })
  let isEnding = false
  const end = (exitCode: number): void => {
    if (isEnding) return
    isEnding = true
    guardedPromise('the end of a worker', drainAndExit(service, exitCode))
  }
  const own = (): ServiceSettings => ({
    ...withoutHttp3(settings, withheld),
    // The supervisor has it, and has waited.
    admin: { ...settings.admin, address: undefined },
    state: settings.state ?? (stateDirectory === undefined ? undefined : { directory: stateDirectory }),
    shutdown: { ...settings.shutdown, delayMs: 0 },
    ingress: { drainIdleTimeoutMs: DRAIN_IDLE_MS, ...settings.ingress },
  })
  const service = await RunningService.start(own(), {
    log,
    // Only the supervisor reads files, and hands all workers the same text.
    read: async () => ({ ok: true, settings: own() }),
    onTooManyFaults: () => end(TOO_MANY_FAULTS),
    returnsMemory: true,
    sockets: { inherited: sockets, ticketSecret: Buffer.from(ticketSecret, 'hex'), supervisorAdmin },
    observer: http3.observe,
    shares: supervisorShares(channel),
    news: supervisorNews(channel, ejections, systemClock),
  })

  let prepared: ServiceSettings | undefined
  channel.answer('prepare', (next): Prepared => {
    const result = readConfigText(next.text, next.directory)
    if (!result.ok) return { ok: false, faults: result.faults }
    prepared = result.settings
    return { ok: true, digest: digestOf(prepared) }
  })
  channel.answer('commit', () => {
    if (prepared === undefined) throw new Error('nothing was prepared')
    settings = prepared
    prepared = undefined
    return service.take(own(), { isQuiet: true })
  })
  channel.receive('quarantine', next => {
    withheld = next.withoutHttp3
    service.take(own(), { isQuiet: true })
  })
  channel.answer('metrics', () => service.metricSnapshots())
  channel.answer('pools', () => service.actions.pools())
  channel.answer('explain', ({ origin }) => service.actions.explain(origin))
  channel.answer('migrate', ({ origin, ...to }) => service.actions.migrate(origin, to))
  channel.receive('reopenLogs', () => service.reopenLogs())
  if (isReopenDue) service.reopenLogs()
  channel.receive('drain', () => end(0))
  const onOrphaned = (): void => {
    if (isEnding) return
    log.logger.warn('the supervisor has gone: draining')
    systemClock.setTimer(MAX_ORPHANED_DRAIN_MS, () => process.exit(0))
    end(0)
    if (stateDirectory === undefined) return
    const remove = (): void => removeStateOf(supervisor, stateDirectory)
    process.once(
      'exit',
      guardedListener('the end of what workers share', remove, () => {}),
    )
  }
  process.on(
    'disconnect',
    guardedListener('the end of the supervisor', onOrphaned, () => {}),
  )

  channel.send('ready', {})
  const beat = (): void => {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    channel.send('heartbeat', {
      memoryBytes: process.memoryUsage.rss(),
      http3: http3.origins,
      isHeapFull: used > limit * FULL_HEAP_SHARE,
    })
  }
  const beatOn = (): void => {
    systemClock.setTimer(HEARTBEAT_MS, beatOn)
    beat()
  }
  beatOn()
}

async function drainAndExit(service: RunningService, exitCode: number): Promise<void> {
  await service.drain()
  // Counters go on in the sums of the supervisor.
  channel.send('metrics', { metrics: await service.metricSnapshots() })
  await service.close()
  process.exitCode = exitCode
  if (process.connected) process.disconnect()
  // What still holds the event loop then is no work of ours.
  systemClock.setTimer(HEARTBEAT_MS, () => process.exit(exitCode))
}

function read({ text, directory }: ConfigText): ServiceSettings {
  const result = readConfigText(text, directory)
  if (result.ok) return result.settings
  throw new TransportError('MM_CONFIG_INVALID', result.faults.map(fault => formatFault(fault)).join('\n'))
}

/** Equal for settings that are equal, the contents of the files that they name among them. */
function digestOf(settings: ServiceSettings): string {
  return createHash('sha256').update(JSON.stringify(settings)).digest('hex')
}

/** Origins with open HTTP/3 connections. */
class OriginsInUse {
  readonly #open = new Map<string, number>()

  get origins(): readonly string[] {
    return [...this.#open.keys()]
  }

  readonly observe: Observer = event => {
    if (event.type !== 'connection-opened' && event.type !== 'connection-closed') return
    if (event.connection.protocol !== 'h3') return
    const key = originUrl(event.origin)
    const open = (this.#open.get(key) ?? 0) + (event.type === 'connection-opened' ? 1 : -1)
    if (open > 0) this.#open.set(key, open)
    else this.#open.delete(key)
  }
}
