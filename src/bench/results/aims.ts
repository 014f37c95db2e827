import type { Measurement } from './measurement.ts'

/**
 * What a figure of one subject is meant to reach: by itself, or as a multiple of another subject's, round by
 * round.
 */
export interface Aim {
  subject: string
  metric: string
  /** With whom; undefined: the figure itself. Ratios are those that the case was summarized with. */
  to?: string
  atLeast?: number
  atMost?: number
}

export interface JudgedAim extends Aim {
  /** The median; undefined: it was not measured. */
  measured: number | undefined
  met: boolean
}

/** What a CaseResult has to be judged by. */
interface MeasuredCase {
  readonly subjects: readonly { readonly subject: string; readonly median: Measurement }[]
  readonly ratios: readonly {
    readonly subject: string
    readonly to: string
    readonly metric: string
    readonly median: number
  }[]
}

/** Those aims of a case whose subjects it has, beside what was measured. */
export function judgeAims(result: MeasuredCase, aims: readonly Aim[]): JudgedAim[] {
  return aims.flatMap(aim => {
    const medians = result.subjects.find(({ subject }) => subject === aim.subject)?.median
    if (medians === undefined) return []
    const measured = aim.to === undefined ? figure(medians, aim.metric) : ratio(result, aim)
    const met =
      measured !== undefined &&
      measured >= (aim.atLeast ?? Number.NEGATIVE_INFINITY) &&
      measured <= (aim.atMost ?? Number.POSITIVE_INFINITY)
    return [{ ...aim, measured, met }]
  })
}

function figure(medians: Measurement, metric: string): number | undefined {
  const value = medians[metric]
  return value === undefined || Number.isNaN(value) ? undefined : value
}

function ratio({ ratios }: MeasuredCase, { subject, to, metric }: Aim): number | undefined {
  return ratios.find(entry => entry.subject === subject && entry.to === to && entry.metric === metric)?.median
}
