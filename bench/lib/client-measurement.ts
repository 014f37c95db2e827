import type { Measurement } from '../../src/bench/results/measurement.ts'
import type { ClientReport } from '../clients/client-job.ts'

/**
 * What a client's report comes to: rates and costs are by requests that did not fail. Megabytes are millions
 * of bytes of response bodies.
 */
export function clientMeasurement(report: ClientReport): Measurement {
  const done = report.requests - report.failures
  return {
    requestsPerCpuSecond: (done * 1000) / report.cpuMs,
    megabytesPerCpuSecond: report.bytes / 1000 / report.cpuMs,
    cpuMsPerRequest: report.cpuMs / done,
    requestsPerSecond: (done * 1000) / report.wallMs,
    rssMiB: report.rssMiB,
    cpuShare: report.cpuMs / report.wallMs,
    failures: report.failures,
    requests: report.requests,
  }
}
