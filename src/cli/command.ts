import type { CliIo } from './cli-io.ts'

/** One command of the command line. */
export interface Command {
  readonly name: string
  /** One line for the list of commands. */
  readonly summary: string
  readonly help: string
  /** Resolves with the exit code. Rejects with MM_INVALID_ARGUMENT on bad usage. */
  run(args: readonly string[], io: CliIo): Promise<number>
}
