import { isShown, pairedRatio, type Ratio } from './estimates.ts'
import { EVEN_WITHIN, type Http3Outcome, type Http3Verdict } from './http3-verdict.ts'
import type { Measurement } from './measurement.ts'
import type { Metric } from './scenario-result.ts'

/** By subject, the rounds of a case. */
type Rounds = ReadonlyMap<string, readonly Measurement[]>

/**
 * Where HTTP/3 wins and where it loses. `rivals` says with whom over TCP a subject is compared; of one
 * that does not go over HTTP/3 it has none. Figures that are not better one way are left out.
 */
export function judgeHttp3(
  rounds: Rounds,
  metrics: readonly Metric[],
  rivals: (subject: string) => readonly string[],
): readonly Http3Verdict[] {
  return [...rounds].flatMap(([subject, ours]) =>
    rivals(subject).flatMap(to => {
      const theirs = rounds.get(to) ?? []
      return metrics.flatMap(({ key, better }) => {
        const ratio = pairedRatio(valuesOf(ours, key), valuesOf(theirs, key))
        if (ratio === undefined || better === undefined) return []
        return [{ subject, to, metric: key, outcome: outcomeOf(ratio, better, ours, theirs), ratio }]
      })
    }),
  )
}

function outcomeOf(
  ratio: Ratio,
  better: 'less' | 'more',
  ours: readonly Measurement[],
  theirs: readonly Measurement[],
): Http3Outcome {
  if (!isShown(ratio)) return 'not-shown'
  if (Math.abs(ratio.median - 1) < EVEN_WITHIN) return 'even'
  const isAhead = ratio.median < 1 === (better === 'less')
  // Times and rates are those of requests that did not fail: who fails more is spared the slow ones.
  const [winner, loser] = isAhead ? [ours, theirs] : [theirs, ours]
  if (failureRate(winner) > failureRate(loser)) return 'not-shown'
  return isAhead ? 'wins' : 'loses'
}

function failureRate(rounds: readonly Measurement[]): number {
  const total = (key: string): number =>
    valuesOf(rounds, key).reduce<number>((sum, value) => sum + (value ?? 0), 0)
  const requests = total('requests')
  return requests === 0 ? 0 : total('failures') / requests
}

function valuesOf(rounds: readonly Measurement[], key: string): readonly (number | undefined)[] {
  return rounds.map(round => round[key])
}
