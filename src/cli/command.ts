import type { Writable } from 'node:stream'
import type { Transport, TransportOptions } from '../index.ts'
import type { Service, ServiceConfig, StartOptions } from '../service/index.ts'
import type { SuperviseOptions, WithoutWorkers } from '../service/workers/supervised-service.ts'
import type { Rehearsal } from './rehearsal.ts'
import type { Screen } from './terminal.ts'

/** One command of the command line. */
export interface Command {
  readonly help: string
  /** Resolves with the exit code. Rejects with MM_INVALID_ARGUMENT on bad usage. */
  run(args: readonly string[], io: CliIo): Promise<number>
}

/** What a signal is for. */
export type KeptService = Pick<Service, 'reload' | 'reopenLogs' | 'drain' | 'close'> & {
  /** Absent: it cannot hand its sockets over. */
  upgrade?(): Promise<unknown>
}

/** What a command touches of the outside, so that tests can hand it something else. */
export interface CliIo {
  /** Standard output. */
  write(text: string): void
  /** Standard error. */
  writeError(text: string): void
  /** Standard output, for bytes as they are. Ending it leaves standard output open. */
  openOutput(): Writable
  /** What standard output and standard error can show. */
  readonly screen: Screen
  readonly errorScreen: Screen
  createTransport(options: TransportOptions): Transport
  startService(config: ServiceConfig, options?: StartOptions): Promise<Service>
  startServiceFromFile(file: string, options?: StartOptions): Promise<Service>
  /** The same with workers, or why everything goes in one process. */
  superviseFile(file: string, options: SuperviseOptions): Promise<KeptService | WithoutWorkers>
  /** Asks whoever sits at the terminal: yes or no. Undefined: nobody does. */
  confirm(question: string): Promise<boolean | undefined>
  /**
   * Does once what is measured next (see rehearsal.ts), and resolves with the highest number that a
   * connection of it had.
   */
  rehearse(rehearsal: Rehearsal): Promise<number>
  /** What a server shows, trusted or not. */
  presentedCertificate(endpoint: string, serverName: string): Promise<PresentedCertificate | undefined>
  signals: SignalSource
}

/** What a server shows, trusted or not. */
export interface PresentedCertificate {
  readonly issuer: string
  /** As ISO 8601. */
  readonly validUntil: string
}

export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2', listener: () => void): unknown
  /** Ends the process at once. */
  exit(code: number): void
}

/** What the exit code says. */
export const EXIT = {
  /** All responses came, whatever their status. */
  ok: 0,
  /** Some request failed. */
  failed: 1,
  /** Bad usage, or a bad configuration. */
  usage: 2,
  /** The process could not start. */
  cannotStart: 3,
  /** The process has met too many defects (`shutdown.maxFaults`), and ended itself: start it again. */
  faults: 4,
} as const
