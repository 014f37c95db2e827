import type { MigrationFigures } from '../../src/entry/events.ts'
import type { MigrationReport } from '../../src/index.ts'

/** Of an origin whose connections never moved. */
export const NO_MIGRATIONS: MigrationFigures = {
  outcomes: { moved: 0, 'validation-failed': 0, refused: 0, redial: 0, ended: 0 },
  last: [],
}

/** A forced move that worked, but for the changes. */
export function migrationReport(changes: Partial<MigrationReport> = {}): MigrationReport {
  return {
    cause: 'forced',
    outcome: 'moved',
    from: { host: '127.0.0.1', port: 5_000 },
    to: { host: '127.0.0.1', port: 5_001 },
    gapMs: 12.3456,
    because: 'it was asked for',
    ...changes,
  }
}
