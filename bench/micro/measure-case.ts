import { performance } from 'node:perf_hooks'
import type { Measurement } from '../../src/bench/results/scenario-result.ts'
import { quantile } from '../../src/bench/results/statistics.ts'
import { countAllocations } from './allocations.ts'
import { timeCalibration } from './calibration.ts'
import type { MicroCase } from './suite.ts'

/**
 * In ms of CPU: on a busy machine a round takes longer and does the same. A type, not an interface: settings
 * of a result file are a record.
 */
export type MicroTimes = {
  /**
   * Of all cases together, in turns, before the first is measured: V8 compiles their common code for what all
   * of them make of it.
   */
  readonly suiteWarmUpMs: number
  /** Of each case once more, before it is measured. */
  readonly warmUpMs: number
  readonly measureMs: number
}

/** Calls and calibration take turns: a neighbor comes and goes within tens of ms, and has to meet both. */
const SLICE_MS = 2
const CALIBRATION_RUNS = 8
const CALIBRATION_WARM_UP_RUNS = 4_000
const WARM_UP_TURNS = 2
/** Of time that passes for each ms of CPU: beyond it a case makes do with less. */
const MAX_WAIT = 3
/**
 * What an operation costs is what the quickest tenth of all calls takes: on a machine that is shared, half of
 * them may share their core. The calibration is taken alike. Measured beside load of others, the ratio of the
 * two mostly kept within 10 % where the median call spread by 100 %.
 */
const UNDISTURBED = 0.1

/** One round of all cases of a suite. All figures but the calibration are per operation. */
export function measureCases(
  cases: readonly MicroCase[],
  times: MicroTimes,
): readonly (readonly [micro: MicroCase, measurement: Measurement])[] {
  timeCalibration(CALIBRATION_WARM_UP_RUNS)
  const prepared = cases.map(micro => [micro, micro.prepare()] as const)
  for (let turn = 0; turn < WARM_UP_TURNS; turn++) {
    for (const [, call] of prepared) timeSlices(call, times.suiteWarmUpMs / WARM_UP_TURNS / cases.length)
  }
  return prepared.map(([micro, call]) => [micro, measureCase(micro, call, times)])
}

function measureCase(
  { operationsPerCall, bytesPerOperation }: MicroCase,
  call: () => void,
  { warmUpMs, measureMs }: MicroTimes,
): Measurement {
  timeSlices(call, warmUpMs)
  const { calls, calibration, cpuMs } = timeSlices(call, measureMs)
  const allocated = countAllocations(call)
  const perOperation = (callMs: number): number => (callMs * 1e6) / operationsPerCall
  const p50Ns = perOperation(quantile(calls, 0.5))
  return {
    ns: perOperation(quantile(calls, UNDISTURBED)),
    p50Ns,
    p99Ns: perOperation(quantile(calls, 0.99)),
    cpuNs: perOperation(cpuMs / calls.length),
    ...(allocated && {
      heapBytes: allocated.heapBytes / operationsPerCall,
      bufferBytes: allocated.bufferBytes / operationsPerCall,
    }),
    ...(bytesPerOperation !== undefined && { megabytesPerSecond: (bytesPerOperation * 1000) / p50Ns }),
    calibrationNs: quantile(calibration, UNDISTURBED) * 1e6,
  }
}

interface Slices {
  /** ms of each call. */
  readonly calls: readonly number[]
  /** ms of each run of the calibration loop. */
  readonly calibration: readonly number[]
  /** Of the calls together, by all threads of the process. */
  readonly cpuMs: number
}

function timeSlices(call: () => void, ms: number): Slices {
  const calls: number[] = []
  const calibration: number[] = []
  const endMs = performance.now() + MAX_WAIT * ms
  let cpuMs = 0
  do {
    calibration.push(...timeCalibration(CALIBRATION_RUNS))
    const cpuBefore = process.cpuUsage()
    timeCalls(call, calls)
    const { user, system } = process.cpuUsage(cpuBefore)
    cpuMs += (user + system) / 1000
  } while (cpuMs < ms && performance.now() < endMs)
  return { calls, calibration, cpuMs }
}

function timeCalls(call: () => void, into: number[]): void {
  const endMs = performance.now() + SLICE_MS
  let after: number
  do {
    const before = performance.now()
    call()
    after = performance.now()
    into.push(after - before)
  } while (after < endMs)
}
