import type { Transport, TransportOptions } from '../index.ts'
import type { Service, ServiceConfig, StartOptions } from '../service/index.ts'

/** What a command touches of the outside, so that tests can hand it something else. */
export interface CliIo {
  /** Standard output. */
  write(text: string): void
  /** Standard error. */
  writeError(text: string): void
  createTransport(options: TransportOptions): Transport
  startService(config: ServiceConfig, options?: StartOptions): Promise<Service>
  startServiceFromFile(file: string, options?: StartOptions): Promise<Service>
  /** Asks whoever sits at the terminal: yes or no. Undefined: nobody does. */
  confirm(question: string): Promise<boolean | undefined>
  signals: SignalSource
}

export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: () => void): unknown
  /** Ends the process at once. */
  exit(code: number): void
}
