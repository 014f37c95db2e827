import type { Outcome } from './answer-check.ts'
import type { SoakRequest } from './soak-request.ts'

/** What a client reports of one request. */
export interface ClientAnswer {
  readonly outcome: Outcome
  /** When it was written to a connection, on performance.now(). Undefined: it never was. */
  readonly leftAt: number | undefined
  /** Its connection was made for it. */
  readonly isNew: boolean
}

/** Makes one request at a time, over one connection or a stream of one. */
export interface SoakClient {
  /** Never rejects. `expected`: the body that a correct answer has; undefined: any. */
  send(request: SoakRequest, expected: Buffer | undefined): Promise<ClientAnswer>
  close(): Promise<void>
}
