import { Http3Session } from './http3-session.ts'
import type { Session, SessionOptions } from './session.ts'

/** The one way to a session, so that drivers know its interface and nothing of its inside. */
export function createSession(options: SessionOptions): Session {
  return new Http3Session(options)
}
