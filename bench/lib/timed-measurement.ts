import type { Measurement } from '../../src/bench/results/measurement.ts'
import { mean, quantile } from '../../src/bench/results/statistics.ts'
import type { TimedReport, TimedRequest } from '../clients/timed-job.ts'

/** What one round of a timed client comes to. Shares are percents of the measured requests. */
export function timedMeasurement({ requests, failures, connections }: TimedReport): Measurement {
  const learning = requests.filter(({ isLearning }) => isLearning).map(({ ms }) => ms)
  const measured = requests.filter(({ isLearning }) => !isLearning)
  const times = measured.map(({ ms }) => ms)
  const percent = (is: (request: TimedRequest) => boolean): number =>
    (100 * measured.filter(is).length) / measured.length
  return {
    meanMs: mean(times),
    p50Ms: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    requests: times.length,
    learningMeanMs: mean(learning),
    learningRequests: learning.length,
    h3Percent: percent(({ protocol }) => protocol === 'h3'),
    h2Percent: percent(({ protocol }) => protocol === 'h2'),
    http1Percent: percent(({ protocol }) => protocol === 'http/1.1'),
    connections,
    failures,
  }
}

/** `tcp 41, h3 9`: who carried how many, the busiest first. */
export function laneCounts(requests: readonly TimedRequest[]): string {
  const counts = new Map<string, number>()
  for (const { lane = 'no lane', protocol } of requests) {
    // What ALPN came to on the lane of TCP.
    const name = lane === 'tcp' ? `tcp (${protocol ?? 'unknown'})` : lane
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts]
    .sort(([, a], [, b]) => b - a)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}
