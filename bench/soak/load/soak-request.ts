import { requestPath } from '../payload.ts'
import { ANSWER_SIZES, type PlannedOrigin, REQUEST_SIZES } from '../plan.ts'

/** One request of the load. */
export interface SoakRequest {
  /** Unique in the run. */
  readonly id: string
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT'
  readonly host: string
  readonly path: string
  /** Bytes of its body; 0: none. */
  readonly bodyBytes: number
  /** Bytes of the answer that it asks for. */
  readonly answerBytes: number
  readonly readsSlowly: boolean
}

/** Draws a request for an origin. `random` yields 0 to 1; the same numbers make the same request. */
export function drawRequest(origin: PlannedOrigin, id: string, random: () => number): SoakRequest {
  const lot = random()
  const { hosts, postShare, slowReaderShare } = origin
  const method =
    lot < postShare ? 'POST' : lot < postShare * 1.5 ? 'PUT' : lot < postShare * 1.5 + 0.06 ? 'HEAD' : 'GET'
  const bodyBytes = method === 'POST' || method === 'PUT' ? drawSize(REQUEST_SIZES, random()) : 0
  const readsSlowly = random() < slowReaderShare
  // Whoever reads slowly has something to read.
  const answerBytes = readsSlowly ? 1_048_576 : drawSize(ANSWER_SIZES, random())
  const path = requestPath(id, answerBytes)
  const host = hosts[Math.floor(random() * hosts.length)] ?? ''
  return { id, method, host, path, bodyBytes, answerBytes, readsSlowly }
}

function drawSize(sizes: readonly (readonly [bytes: number, share: number])[], lot: number): number {
  let left = lot
  for (const [bytes, share] of sizes) {
    left -= share
    if (left < 0) return bytes
  }
  return sizes[0]?.[0] ?? 0
}
