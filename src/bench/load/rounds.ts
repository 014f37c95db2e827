import type { Measurement } from '../results/scenario-result.ts'

export interface RoundsOptions<Subject> {
  subjects: readonly Subject[]
  rounds: number
  /** Once for each subject, before the first round. */
  warmUp(subject: Subject): Promise<void>
  measure(subject: Subject, round: number): Promise<Measurement>
  onMeasured?(subject: Subject, round: number, measurement: Measurement): void
}

/**
 * Interleaved: every subject once, then every subject again. On a shared machine a disturbance that lasts
 * then falls on all of them. Each round starts with another subject, so that none always runs in the wake of
 * the same neighbor.
 */
export async function runRounds<Subject>(
  options: RoundsOptions<Subject>,
): Promise<Map<Subject, Measurement[]>> {
  const { subjects, rounds } = options
  const measurements = new Map<Subject, Measurement[]>(subjects.map(subject => [subject, []]))
  for (const subject of subjects) await options.warmUp(subject)
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(round + i) % subjects.length] as Subject // the index is within bounds
      const measurement = await options.measure(subject, round)
      measurements.get(subject)?.push(measurement)
      options.onMeasured?.(subject, round, measurement)
    }
  }
  return measurements
}
