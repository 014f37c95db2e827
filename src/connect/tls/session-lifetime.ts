import { sessionFacts } from './session-facts.ts'

/**
 * How long the server said that its ticket lives. Milliseconds, or undefined when there is no hint or the
 * bytes are not what we know.
 */
export function sessionLifetimeMs(session: Uint8Array): number | undefined {
  const { lifetimeSeconds } = sessionFacts(session)
  return lifetimeSeconds === undefined ? undefined : lifetimeSeconds * 1000
}
