import { LANE_NAMES, type LaneName } from '../../base/http/lane.ts'
import type { LaneEstimates } from './lane-estimates.ts'
import type { Workload } from './workload.ts'

const VERSION = 1
/**
 * What is older is not looked at: figures have faded long before, and the lane that was right then is a
 * guess.
 */
const MAX_AGE_MS = 86_400_000

/** The parts of a chooser that outlive a process. */
export interface ChooserParts {
  readonly estimates: Readonly<Record<LaneName, LaneEstimates>>
  readonly workload: Workload
}

/**
 * As JSON below 4 KiB. `savedAt` is wall time: monotonic clocks do not outlive a process. `lane`: what
 * carried; undefined: none by measurement.
 */
export function chooserSnapshot(
  { estimates, workload }: ChooserParts,
  lane: LaneName | undefined,
  now: number,
  wallNow: number,
): object {
  const lanes: Record<string, object> = {}
  for (const name of LANE_NAMES) {
    const record = estimates[name].record(now)
    if (Object.keys(record).length > 0) lanes[name] = record
  }
  return { version: VERSION, savedAt: Math.round(wallNow), lane, lanes, workload: workload.record(now) }
}

/**
 * Takes what is whole of a snapshot; throws nothing. Returns the lane that carried then, if that was said. A
 * wall clock that was set back makes figures look as young as when they were kept.
 */
export function restoreChooser(
  value: unknown,
  { estimates, workload }: ChooserParts,
  now: number,
  wallNow: number,
): LaneName | undefined {
  const fields = fieldsOf(value)
  const savedAt = fields.get('savedAt')
  if (fields.get('version') !== VERSION || typeof savedAt !== 'number' || !Number.isFinite(savedAt))
    return undefined
  const sinceMs = Math.max(0, wallNow - savedAt)
  if (!(sinceMs <= MAX_AGE_MS)) return undefined
  const lanes = fieldsOf(fields.get('lanes'))
  for (const name of LANE_NAMES) {
    const record = lanes.get(name)
    if (isRecord(record)) estimates[name].restore(record, now, sinceMs)
  }
  const work = fields.get('workload')
  if (isRecord(work)) workload.restore(work, now, sinceMs)
  return LANE_NAMES.find(name => name === fields.get('lane'))
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(isRecord(value) ? Object.entries(value) : [])
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
