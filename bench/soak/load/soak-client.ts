import type { Outcome } from './answer-check.ts'
import type { SoakRequest } from './soak-request.ts'

/** Makes one request at a time, over one connection or a stream of one. */
export interface SoakClient {
  /** Never rejects. `expected`: the body that a correct answer has; undefined: any. */
  send(request: SoakRequest, expected: Buffer | undefined): Promise<Outcome>
  close(): Promise<void>
}
