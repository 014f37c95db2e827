import { onTestFinished } from 'vitest'
import { type ContainedFault, onContainedFault } from '../../src/base/guard.ts'

/** Stands for a defect of ours. */
export const DEFECT = new TypeError('no such thing')
export const fail = (): never => {
  throw DEFECT
}

/** What the guard has contained since it was called, until the test ends. */
export function collectFaults(): () => string[] {
  const faults: ContainedFault[] = []
  onTestFinished(onContainedFault(fault => void faults.push(fault)))
  return () => faults.map(({ during, error }) => `${during}: ${String(error)}`)
}
