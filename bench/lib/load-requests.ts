import type { RequestKind } from '../../src/bench/load/load-job.ts'
import { BODY_SIZES } from './body-sizes.ts'

const BYTES = { ...BODY_SIZES, '10k': 10_240, '1m': 1_048_576 } as const

/** A file of every origin. `weight`: how often beside the others. */
export function get(size: keyof typeof BYTES, weight = 1): RequestKind {
  return { label: size, method: 'GET', path: `/${size}`, expectedBytes: BYTES[size], weight }
}

/** So many bytes to a place that answers when it has them all. */
export function upload(size: keyof typeof BYTES): RequestKind {
  return { label: size, method: 'POST', path: '/sink', uploadBytes: BYTES[size] }
}

/** A call as gRPC makes it: 200 bytes there, 200 bytes and trailers back. */
export const UNARY_CALL: RequestKind = {
  label: 'call',
  method: 'POST',
  path: '/middlemile.bench.Calls/Unary',
  headers: ['content-type', 'application/grpc', 'te', 'trailers'],
  uploadBytes: 200,
  expectedBytes: 200,
}
