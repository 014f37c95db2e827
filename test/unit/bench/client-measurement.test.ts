import { expect, it } from 'vitest'
import { clientMeasurement } from '../../../bench/lib/scenario.ts'

it('has the rates and the costs of requests that did not fail', () => {
  const report = {
    requests: 200,
    failures: 100,
    bytes: 100_000,
    cpuMs: 1_000,
    wallMs: 2_000,
    rssMiB: 80,
    firstFailure: 'status 502',
  }
  expect(clientMeasurement(report)).toEqual({
    requestsPerCpuSecond: 100,
    megabytesPerCpuSecond: 0.1,
    cpuMsPerRequest: 10,
    requestsPerSecond: 50,
    rssMiB: 80,
    cpuShare: 0.5,
    failures: 100,
    requests: 200,
  })
})
