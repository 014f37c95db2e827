/** A part of the code that is measured by itself, without sockets, in a process of its own. */
export interface MicroSuite {
  readonly name: string
  /** What a case does over and over: the figures are per this. */
  readonly operation: string
  readonly cases: readonly MicroCase[]
}

export interface MicroCase {
  readonly name: string
  /**
   * Builds what is needed, once in a process, and returns the call that is timed. It can be made any number
   * of times and costs the same each time.
   */
  prepare(): () => void
  /** What one call does. A call takes 10 microseconds or more, or the clock is measured along. */
  readonly operationsPerCall: number
  /** Body bytes that an operation moves: its time is shown as MB/s too. */
  readonly bytesPerOperation?: number
  /** ns of CPU that an operation may cost. */
  readonly aimNs?: number
  /** A run of its suite alone shows which functions allocate. */
  readonly hasSites?: boolean
}

/** A case whose operation takes hardly longer than a look at the clock: so many of them in one call. */
export function batched(name: string, prepare: () => () => unknown, operations = 100): MicroCase {
  return {
    name,
    operationsPerCall: operations,
    prepare: () => {
      const operation = prepare()
      return () => {
        for (let i = 0; i < operations; i++) operation()
      }
    },
  }
}
