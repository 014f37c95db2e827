import type { Measurement } from '../../src/bench/results/measurement.ts'
import type { ClientReport } from '../clients/client-job.ts'

/** What a client's report comes to. Megabytes are millions of bytes of response bodies. */
export function clientMeasurement(report: ClientReport): Measurement {
  return {
    requestsPerCpuSecond: (report.requests * 1000) / report.cpuMs,
    megabytesPerCpuSecond: report.bytes / 1000 / report.cpuMs,
    cpuMsPerRequest: report.cpuMs / report.requests,
    requestsPerSecond: (report.requests * 1000) / report.wallMs,
    rssMiB: report.rssMiB,
    cpuShare: report.cpuMs / report.wallMs,
    failures: report.failures,
    requests: report.requests,
  }
}
