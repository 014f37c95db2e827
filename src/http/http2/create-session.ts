import { Http2Session } from './http2-session.ts'
import type { Session, SessionOptions } from './session.ts'

/** A session of either role. */
export function createSession(options: SessionOptions): Session {
  return new Http2Session(options)
}
