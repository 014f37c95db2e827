import type { Registry } from 'prom-client'
import type { ConnectionMigrated, MigrationOutcome } from '../../entry/events.ts'
import { CounterSet } from './counter-set.ts'
import { DurationHistogram } from './duration-histogram.ts'
import { registerScraped, registerScrapedHistogram } from './scraped-metric.ts'

/** What is counted of connections of one origin that moved to another path, or were to. */
export class MigrationMetrics {
  readonly outcomes = new CounterSet<MigrationOutcome>()
  /** Of those that moved while somebody waited for bytes. */
  readonly gap = new DurationHistogram()

  onMigration({ report: { outcome, gapMs } }: ConnectionMigrated): void {
    this.outcomes.add(outcome)
    if (outcome === 'moved' && gapMs !== undefined) this.gap.observe(gapMs)
  }
}

export function registerMigrationMetrics(
  registry: Registry,
  origins: () => readonly { readonly name: string; readonly migrations: MigrationMetrics }[],
): void {
  registerScraped(
    registry,
    'counter',
    'middlemile_migrations_total',
    'HTTP/3 connections that moved to another path, or were to, by what became of it',
    () =>
      origins().flatMap(({ name, migrations }) =>
        Array.from(migrations.outcomes.entries(), ([outcome, value]) => ({
          labels: { origin: name, outcome },
          value,
        })),
      ),
  )
  registerScrapedHistogram(
    registry,
    'middlemile_migration_gap_seconds',
    'The longest silence in the streams of a connection while it moved to another path',
    () =>
      origins().flatMap(({ name, migrations: { gap } }) =>
        gap.count > 0 ? [{ labels: { origin: name }, histogram: gap }] : [],
      ),
  )
}
