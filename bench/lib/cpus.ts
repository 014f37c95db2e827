import { readFileSync } from 'node:fs'
import { findBinary } from '../../test/support/require-binary.ts'

export interface CpuPlan {
  /** What is measured has this CPU alone. Undefined: nothing is pinned. */
  subject: number | undefined
  load: number | undefined
  origin: number | undefined
}

/** The subject on one CPU, all else on others; on two CPUs load and origin share one. */
export function planCpus(): CpuPlan {
  const allowed = allowedCpus()
  const [subject, load, origin] = allowed
  if (load === undefined || findBinary('taskset') === undefined) {
    return { subject: undefined, load: undefined, origin: undefined }
  }
  return { subject, load, origin: origin ?? load }
}

export function describeCpuPlan(plan: CpuPlan): string {
  if (plan.subject === undefined) return 'nothing pinned (one CPU, or no taskset): figures are not comparable'
  return `subject on CPU ${plan.subject}, load on ${plan.load}, origin on ${plan.origin}`
}

function allowedCpus(): number[] {
  const status = readFileSync('/proc/self/status', 'latin1')
  return parseCpuList(/^Cpus_allowed_list:\s+(\S+)/m.exec(status)?.[1] ?? '')
}

/** `0-1,4` is 0, 1, 4. */
export function parseCpuList(list: string): number[] {
  return list
    .split(',')
    .filter(part => part !== '')
    .flatMap(part => {
      const [first = 0, last = first] = part.split('-').map(Number)
      return Array.from({ length: last - first + 1 }, (_, i) => first + i)
    })
}
