/**
 * What HTTP/3 costs without QUIC, both roles together. What QUIC, N-API and the kernel add is the difference
 * to client-h3: nearly all of it.
 */
import type { MicroSuite } from '../suite.ts'
import { Http3Pair } from './http3-pair.ts'

const CASES = [
  { streams: 1, bytes: 1024 },
  { streams: 32, bytes: 1024 },
  { streams: 100, bytes: 1024, hasSites: true },
  { streams: 32, bytes: 102_400 },
  { streams: 1, bytes: 1_048_576 },
] as const

export const suite: MicroSuite = {
  name: 'http3',
  operation: 'request',
  cases: CASES.map(({ streams, bytes, ...rest }) => ({
    ...rest,
    name: `${streams} at a time, ${bytes} bytes`,
    operationsPerCall: streams,
    bytesPerOperation: bytes,
    prepare: () => {
      const pair = new Http3Pair()
      return () => pair.run(streams, bytes)
    },
  })),
}
