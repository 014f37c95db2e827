import { collectDefaultMetrics, Registry } from 'prom-client'
import { originUrl } from '../../entry/dispatch.ts'
import type { Explanation, MigrateOptions, MigrationResult } from '../../index.ts'
import type { AdminActions } from '../admin/admin-routes.ts'
import { bothClocks, fleetFacts, fleetMetrics, fleetPage } from '../fleet/fleet-pages.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'
import { type MetricSnapshot, metricsText } from '../metrics/summed-metrics.ts'
import type { PoolsPage } from './messages.ts'
import type { UpgradeResult } from './successor.ts'
import type { ReadyWorker, Supervisor } from './supervisor.ts'

/** A worker that answers later is left out of a page: it hangs, and is replaced soon. */
const ANSWER_MS = 1_000
/** What the registry of prom-client writes. */
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

interface AdminOutside {
  readonly notReadyBecause: () => string | undefined
  readonly startDrain: () => void
  readonly reload: () => Promise<ReloadResult>
  readonly upgrade: () => Promise<UpgradeResult>
}

/**
 * The admin routes of a service with workers. They answer in the supervisor, whatever has become of workers:
 * a page is made of what those say that answer in time.
 */
export function supervisorActions(supervisor: Supervisor, outside: AdminOutside): AdminActions {
  const own = new Registry()
  collectDefaultMetrics({ register: own })
  for (const name of own.getMetricsAsArray().map(({ name }) => name))
    if (name.endsWith('_total') && name.startsWith('nodejs_')) own.removeSingleMetric(name)

  return {
    notReadyBecause: outside.notReadyBecause,
    async metrics(query) {
      const named = query.get('worker')
      const shown = await fromAll(supervisor.ready, ({ channel }) => channel.ask('metrics', {}, ANSWER_MS))
      for (const { worker, answer } of shown) supervisor.metrics.onShown(worker.id, answer)
      if (named !== null) {
        const one = shown.find(({ worker }) => worker.name === named)
        return { contentType: CONTENT_TYPE, text: one === undefined ? '' : metricsText(one.answer) }
      }
      // as: what the registry gives is what it writes as text
      const ofSupervisor = (await own.getMetricsAsJSON()) as unknown as MetricSnapshot[]
      const text = supervisor.metrics.text([
        ...shown.map(({ worker, answer }) => ({ worker: worker.name, metrics: answer })),
        { worker: 'supervisor', metrics: ofSupervisor },
      ])
      return {
        contentType: CONTENT_TYPE,
        text: text + metricsText([...workerMetrics(supervisor), ...ofFleet(supervisor)]),
      }
    },
    async pools() {
      const shown = await fromAll(supervisor.ready, ({ channel }) => channel.ask('pools', {}, ANSWER_MS))
      const all = (pick: (page: PoolsPage) => readonly object[]): object[] =>
        shown.flatMap(({ worker, answer }) => pick(answer).map(pool => ({ worker: worker.name, ...pool })))
      return {
        totalConnections: shown.reduce((sum, { answer }) => sum + answer.totalConnections, 0),
        workers: supervisor.snapshot(),
        sharedCeilings: supervisor.shares.shown(),
        ...(supervisor.fleet !== undefined && { fleet: fleetPage(supervisor.fleet.status, bothClocks()) }),
        economy: shown.map(({ worker, answer }) => ({ worker: worker.name, economy: answer.economy })),
        ports: shown.map(({ worker, answer }) => ({ worker: worker.name, ports: answer.ports })),
        pools: all(({ pools }) => pools),
        leaving: all(({ leaving }) => leaving),
        forward: all(({ forward }) => forward),
        webTransport: all(({ webTransport }) => webTransport),
      }
    },
    async explain(origin) {
      const shown = await fromAll(supervisor.ready, ({ channel }) =>
        channel.ask('explain', { origin }, ANSWER_MS),
      )
      const known = shown.flatMap(
        ({ worker, answer }) =>
          answer === undefined || answer === null
            ? []
            : [{ worker: worker.name, ...(answer as Explanation) }], // as: the worker's own
      )
      const [first] = known
      if (first === undefined) return undefined
      const found = supervisor.settings.origins.find(({ name }) => name === origin)?.origin
      const url = found === undefined ? first.origin : originUrl(found)
      const facts = fleetFacts(supervisor.fleet?.status, url)
      // What one worker answers stands where a service without workers has it.
      return { ...first, known: [...first.known, ...facts], workers: known }
    },
    async migrate(origin, to: MigrateOptions) {
      const question = {
        origin,
        ...(to.address !== undefined && { address: to.address }),
        ...(to.port !== undefined && { port: to.port }),
      }
      const shown = await fromAll(supervisor.ready, ({ channel }) =>
        channel.ask('migrate', question, 10 * ANSWER_MS),
      )
      const known = shown.flatMap(
        ({ answer }) =>
          answer === undefined || answer === null ? [] : [answer as readonly MigrationResult[]], // as above
      )
      return known.length === 0 ? undefined : known.flat()
    },
    startDrain() {
      if (supervisor.ready.length === 0) return false
      outside.startDrain()
      return true
    },
    reload: outside.reload,
    upgrade: outside.upgrade,
  }
}

interface Answer<Value> {
  readonly worker: ReadyWorker
  readonly answer: Value
}

async function fromAll<Value>(
  workers: readonly ReadyWorker[],
  ask: (worker: ReadyWorker) => Promise<Value>,
): Promise<readonly Answer<Value>[]> {
  const settled = await Promise.allSettled(
    workers.map(async worker => ({ worker, answer: await ask(worker) })),
  )
  return settled.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
}

function ofFleet({ fleet, settings }: Supervisor): readonly MetricSnapshot[] {
  const nameOf = (key: string) => settings.origins.find(({ origin }) => origin.key === key)?.name
  return fleet === undefined ? [] : fleetMetrics(fleet.status, nameOf, bothClocks())
}

/** What the supervisor itself knows of its workers. */
function workerMetrics(supervisor: Supervisor): readonly MetricSnapshot[] {
  const states = ['starting', 'ready', 'draining', 'killed'] as const
  const shown = supervisor.snapshot()
  return [
    metric(
      'gauge',
      'middlemile_workers',
      'Worker processes, by state',
      states.map(state => ({
        labels: { state },
        value: shown.filter(worker => worker.state === state).length,
      })),
    ),
    metric(
      'counter',
      'middlemile_worker_starts_total',
      'Worker processes that were started, by cause; start: with the service; the others: in place of one that died, hung, or had too much memory',
      (['start', 'died', 'hung', 'memory'] as const).map(cause => ({
        labels: { cause },
        value: supervisor.starts.get(cause) ?? 0,
      })),
    ),
  ]
}

function metric(type: string, name: string, help: string, values: MetricSnapshot['values']): MetricSnapshot {
  return { name, help, type, values }
}
