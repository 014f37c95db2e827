import type { ResultFile } from '../../results/result-file.ts'
import { figureText, isFigure } from './figure-text.ts'

/**
 * With more of the machine in use before a run has begun, its figures are not only its own. Share of one
 * core.
 */
const BUSY_LOAD = 0.5

/**
 * What a reader has to know before believing the figures: aims missed, failures, subjects that are missing, a
 * busy machine.
 */
export function warningsOf({ results, machine }: ResultFile): readonly string[] {
  const aims = results.flatMap(({ cases }) => cases.flatMap(({ aims = [] }) => aims))
  const met = aims.filter(aim => aim.met).length
  const untold = aims.filter(({ measured }) => !isFigure(measured)).length
  const missing = results.flatMap(({ unavailable }) => unavailable)
  const failing = results.flatMap(({ scenario, cases }) =>
    cases.flatMap(({ name, subjects }) =>
      subjects
        .map(({ subject, rounds }) => ({ subject, failures: sum(rounds.map(({ failures }) => failures)) }))
        .filter(({ failures }) => failures > 0)
        .map(({ subject, failures }) => `${subject} (${scenario}, ${name}): ${figureText(failures)}`),
    ),
  )
  const lines: string[] = []
  if (aims.length > 0) {
    const rest = aims.length - met - untold
    lines.push(`Aims: ${met} met, ${rest} missed, ${untold} not measured.`)
  }
  if (failing.length > 0)
    lines.push(`Failures, whose subjects may look faster than they are: ${failing.join('; ')}.`)
  if (missing.length > 0) {
    lines.push(
      `Not measured: ${missing.map(({ subject }) => subject).join('; ')}. The reasons stand with the scenario.`,
    )
  }
  if (machine.loadAtStart > BUSY_LOAD) {
    lines.push(`The machine was in use when the run began (load ${figureText(machine.loadAtStart)}).`)
  }
  return lines
}

function sum(values: readonly (number | undefined)[]): number {
  return values.filter(isFigure).reduce((total, value) => total + value, 0)
}
