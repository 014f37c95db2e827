import { socketCalls } from '../../src/connect/native/socket-calls.ts'

/** Undefined where native calls on sockets can be made, else the reason to skip. */
export function requireNative(): string | undefined {
  const loaded = socketCalls()
  return 'calls' in loaded ? undefined : `skipped: native calls cannot be made (${loaded.unavailable})`
}
