/**
 * Why a connection was to move:
 * - `forced`: it was asked for
 * - `address-gone`: the local address has vanished from this machine
 * - `socket-error`: the system can send no more from there (EADDRNOTAVAIL, ENETUNREACH, EINVAL)
 * - `timeouts`, `slow`, `silent`: what the watch of its path has found: loss timeouts that nothing answered,
 *   round trips that have grown, silence where data flowed
 */
export type MigrationCause = 'forced' | 'address-gone' | 'socket-error' | 'timeouts' | 'slow' | 'silent'

/**
 * What became of it; a metric label.
 * - `moved`: packets have come over the new path
 * - `validation-failed`: the new path did not answer; the connection stays where it was
 * - `refused`: it was not tried, or the peer did not follow; the connection stays where it was
 * - `redial`: this connection cannot move any more; a new one takes its place
 * - `ended`: the connection ended before it was known
 */
export type MigrationOutcome = 'moved' | 'validation-failed' | 'refused' | 'redial' | 'ended'

/** One end of a path: an IP address, without a zone, and a port. */
export interface PathEnd {
  readonly host: string
  readonly port: number
}

/**
 * One move of a connection to another path, for operators.
 *
 * @example
 * ```ts
 * const [result] = await transport.migrate('https://origin.example')
 * if (result?.report?.outcome === 'moved') console.log(result.report.gapMs)
 * ```
 */
export interface MigrationReport {
  readonly cause: MigrationCause
  readonly outcome: MigrationOutcome
  readonly from: PathEnd
  /** Undefined: there was no other socket yet. */
  readonly to: PathEnd | undefined
  /**
   * The longest time in which no byte of any stream moved, from the last one before the move to the first one
   * after it, in ms. Undefined: nothing was waited for.
   */
  readonly gapMs: number | undefined
  /** One line that says why, for people. */
  readonly because: string
}

/**
 * `127.0.0.1:5000`, `[::1]:5000`.
 *
 * @example
 * ```ts
 * formatPathEnd({ host: '::1', port: 5000 }) // '[::1]:5000'
 * ```
 */
export function formatPathEnd({ host, port }: PathEnd): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
