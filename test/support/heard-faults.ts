import { afterEach } from 'vitest'
import { type ContainedFault, onContainedFault } from '../../src/guard.ts'

/** Stands for a defect of ours. */
export const DEFECT = new TypeError('no such thing')
export const fail = (): never => {
  throw DEFECT
}

/** What the guard has contained since it was called, until the test ends. */
export function hearFaults(): () => string[] {
  const faults: ContainedFault[] = []
  const stop = onContainedFault(fault => void faults.push(fault))
  afterEachStops.push(stop)
  return () => faults.map(({ during, error }) => `${during}: ${String(error)}`)
}

const afterEachStops: (() => void)[] = []
afterEach(() => {
  for (const stop of afterEachStops.splice(0)) stop()
})
