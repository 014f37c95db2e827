import type { ClientJob, ClientReport, ClientSetting } from '../../clients/client-job.ts'
import type { FirstByteJob, FirstByteReport, FirstByteSetting } from '../../clients/first-byte-job.ts'
import type { TimedJob, TimedReport, TimedSetting } from '../../clients/timed-job.ts'
import { type ClientProgram, startClientProgram } from './client-program.ts'

/** A client of that name, doing one job at a time. */
export interface MeasuredClient extends ClientProgram<ClientJob, ClientReport> {
  readonly name: string
}

export async function startMeasuredClient(
  name: string,
  setting: ClientSetting,
  cpu: number | undefined,
): Promise<MeasuredClient> {
  const args = [name, JSON.stringify(setting)]
  const program = await startClientProgram<ClientJob, ClientReport>({ program: 'client-process', args, cpu })
  return { name, run: job => program.run(job), [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() }
}

/** Makes one cold connection at a time. */
export type FirstByteClient = ClientProgram<FirstByteJob, FirstByteReport>

/** `prefix` stands before its command line: where it runs. */
export function startFirstByteClient(
  setting: FirstByteSetting,
  prefix: readonly string[],
  cpu: number | undefined,
): Promise<FirstByteClient> {
  return startClientProgram({ program: 'first-byte-process', args: [JSON.stringify(setting)], prefix, cpu })
}

/** Our transport, doing one timed job at a time. */
export type TimedClient = ClientProgram<TimedJob, TimedReport>

/** `prefix` stands before its command line: where it runs. */
export function startTimedClient(
  setting: TimedSetting,
  prefix: readonly string[],
  cpu: number | undefined,
): Promise<TimedClient> {
  return startClientProgram({
    program: 'timed-client-process',
    args: [JSON.stringify(setting)],
    prefix,
    cpu,
  })
}
