import type { LoadJob } from '../load/load-job.ts'
import type { LoadReport } from '../load/load-tally.ts'
import { Histogram } from './histogram.ts'
import type { Measurement, Metric, WireBytes } from './scenario-result.ts'

/** One round of one subject: what was asked of it, and what came of that. */
export interface LoadRound {
  readonly job: Pick<LoadJob, 'arrival' | 'measure'>
  readonly report: LoadReport
  /**
   * User and system time of the origin's processes meanwhile, as all of this without the warm-up; undefined:
   * not ours to see.
   */
  readonly originCpuMs?: number | undefined
  /** What passed the path meanwhile, counted there; undefined: nobody counts. */
  readonly wire?: WireBytes | undefined
  /** Of the path, as it was measured; undefined: it was not. */
  readonly roundTripMs?: number | undefined
}

/**
 * The columns of a load, of which a table has those that somebody can fill. Megabytes are millions of bytes.
 */
export const LOAD_METRICS: readonly Metric[] = [
  { key: 'p50Ms', title: 'p50 ms', better: 'less' },
  { key: 'p90Ms', title: 'p90 ms', better: 'less' },
  { key: 'p95Ms', title: 'p95 ms', better: 'less' },
  { key: 'p99Ms', title: 'p99 ms', better: 'less' },
  { key: 'p999Ms', title: 'p99.9 ms', better: 'less' },
  { key: 'maxMs', title: 'max ms', better: 'less' },
  { key: 'meanMs', title: 'mean ms', better: 'less' },
  { key: 'firstByteP50Ms', title: 'first byte p50 ms', better: 'less' },
  { key: 'firstByteP90Ms', title: 'first byte p90 ms', better: 'less' },
  { key: 'firstByteP99Ms', title: 'first byte p99 ms', better: 'less' },
  { key: 'learningMeanMs', title: 'first: mean ms', better: 'less' },
  { key: 'wallMs', title: 'ms for all', better: 'less' },
  { key: 'roundTrips', title: 'round trips', better: 'less' },
  { key: 'requestsPerCpuSecond', title: 'req/CPU-s', better: 'more' },
  { key: 'megabytesPerCpuSecond', title: 'MB/CPU-s', better: 'more' },
  { key: 'requestsPerSecond', title: 'req/s', better: 'more' },
  { key: 'goodputMegabytesPerSecond', title: 'goodput MB/s', better: 'more' },
  { key: 'requests', title: 'requests' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'cpuMsPerRequest', title: 'CPU ms/req', better: 'less' },
  { key: 'originCpuMsPerRequest', title: 'origin CPU ms/req', better: 'less' },
  { key: 'cpuSeconds', title: 'CPU s', better: 'less' },
  { key: 'originCpuSeconds', title: 'origin CPU s', better: 'less' },
  { key: 'cpuShare', title: 'CPU share' },
  { key: 'rssMiB', title: 'RSS MiB', better: 'less' },
  { key: 'http1Percent', title: '% h1' },
  { key: 'h2Percent', title: '% h2' },
  { key: 'h3Percent', title: '% h3' },
  { key: 'connections', title: 'connections' },
  { key: 'reuseRatio', title: 'reuse ratio', better: 'more' },
  { key: 'fullHandshakes', title: 'full handshakes' },
  { key: 'resumedHandshakes', title: 'resumed' },
  { key: 'earlyDataHandshakes', title: 'early data' },
  { key: 'cleartextConnections', title: 'cleartext' },
  { key: 'wireSentMegabytes', title: 'wire sent MB', better: 'less' },
  { key: 'wireReceivedMegabytes', title: 'wire received MB', better: 'less' },
  { key: 'wirePerBody', title: 'wire/body', better: 'less' },
  { key: 'stallP50Ms', title: 'stall p50 ms', better: 'less' },
  { key: 'stallMaxMs', title: 'stall max ms', better: 'less' },
  { key: 'lateRequests', title: 'most late' },
  { key: 'lateMs', title: 'late max ms' },
]

/**
 * What a round comes to. Latencies are those of requests that did not fail; rates and costs are by those as
 * well. What it cannot tell is left out.
 */
export function loadMeasurement({ job, report, originCpuMs, wire, roundTripMs }: LoadRound): Measurement {
  const latency = Histogram.fromRecord(report.latency)
  const firstByte = Histogram.fromRecord(report.firstByte)
  const stall = report.stall && Histogram.fromRecord(report.stall)
  const done = report.requests - report.failures
  const { opened } = report
  const bodyBytes = report.receivedBytes + report.sentBytes
  // A load that its time ends takes that time, and what failed may end sooner than what did not.
  const isComplete = report.failures === 0 && report.requests >= job.measure.requests
  // Whoever asks only when it was answered is never late.
  const late = job.arrival.kind === 'open' ? report.late : undefined
  return measured({
    p50Ms: tellable(latency, 0.5),
    p90Ms: tellable(latency, 0.9),
    p95Ms: tellable(latency, 0.95),
    p99Ms: tellable(latency, 0.99),
    p999Ms: tellable(latency, 0.999),
    maxMs: latency.maxMs,
    meanMs: latency.meanMs,
    firstByteP50Ms: tellable(firstByte, 0.5),
    firstByteP90Ms: tellable(firstByte, 0.9),
    firstByteP99Ms: tellable(firstByte, 0.99),
    learningMeanMs: report.warmUp?.meanMs,
    wallMs: isComplete ? report.wallMs : undefined,
    roundTrips: isComplete && roundTripMs !== undefined ? report.wallMs / roundTripMs : undefined,
    requestsPerCpuSecond: (done * 1000) / report.cpuMs,
    megabytesPerCpuSecond: bodyBytes === 0 ? undefined : bodyBytes / 1000 / report.cpuMs,
    requestsPerSecond: (done * 1000) / report.wallMs,
    goodputMegabytesPerSecond: bodyBytes === 0 ? undefined : bodyBytes / 1000 / report.wallMs,
    requests: report.requests,
    failures: report.failures,
    cpuMsPerRequest: report.cpuMs / done,
    originCpuMsPerRequest: originCpuMs === undefined ? undefined : originCpuMs / done,
    cpuSeconds: report.cpuMs / 1000,
    originCpuSeconds: originCpuMs === undefined ? undefined : originCpuMs / 1000,
    cpuShare: report.cpuMs / report.wallMs,
    rssMiB: report.rssMiB,
    http1Percent: percentOf('http/1.1', report.byProtocol),
    h2Percent: percentOf('h2', report.byProtocol),
    h3Percent: percentOf('h3', report.byProtocol),
    connections: report.usable,
    reuseRatio: report.usable === undefined ? undefined : 1 - report.usable / report.requests,
    fullHandshakes: opened?.full,
    resumedHandshakes: opened?.resumed,
    earlyDataHandshakes: opened?.earlyData,
    cleartextConnections: opened?.cleartext,
    wireSentMegabytes: wire && wire.sentBytes / 1e6,
    wireReceivedMegabytes: wire && wire.receivedBytes / 1e6,
    wirePerBody: wire && (wire.sentBytes + wire.receivedBytes) / bodyBytes,
    stallP50Ms: stall && tellable(stall, 0.5),
    stallMaxMs: stall?.maxMs,
    lateRequests: late?.mostWaiting,
    lateMs: late?.longestMs,
  })
}

/** Of those that reported who carried them. */
function percentOf(protocol: string, byProtocol: LoadReport['byProtocol']): number | undefined {
  const total = Object.values(byProtocol).reduce((sum, count) => sum + count, 0)
  return total === 0 ? undefined : (100 * (byProtocol[protocol] ?? 0)) / total
}

/**
 * A share above which not a single value lies is nothing but the longest one: the 99th percentile needs 100
 * of them.
 */
function tellable(histogram: Histogram, share: number): number | undefined {
  const isTold = share <= 0.5 || histogram.count * (1 - share) >= 1 - 1e-9
  return isTold ? histogram.quantile(share) : undefined
}

function measured(figures: Readonly<Record<string, number | undefined>>): Measurement {
  const measurement: Record<string, number> = {}
  for (const [key, value] of Object.entries(figures)) {
    if (value !== undefined && Number.isFinite(value)) measurement[key] = value
  }
  return measurement
}
