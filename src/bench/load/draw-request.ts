import type { RequestKind } from './load-job.ts'

/** What is asked for next, and of which origin. */
export type DrawRequest = () => { readonly request: RequestKind; readonly origin: number }

/**
 * Kinds by their weights; origins in turns, but for kinds that name theirs. `random` is asked only where
 * there is something to draw.
 */
export function requestDraw(
  requests: readonly RequestKind[],
  origins: number,
  random: () => number,
): DrawRequest {
  const weights = requests.map(({ weight = 1 }) => weight)
  const total = weights.reduce((sum, weight) => sum + weight, 0)
  const [first] = requests
  if (first === undefined || !(total > 0)) throw new RangeError('a load needs requests with weights above 0')
  let turn = 0
  const draw = (): RequestKind => {
    if (requests.length === 1) return first
    let left = random() * total
    return requests.find((_, i) => (left -= weights[i] ?? 0) < 0) ?? first
  }
  return () => {
    const request = draw()
    return { request, origin: request.origin ?? turn++ % origins }
  }
}
