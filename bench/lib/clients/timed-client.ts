import type { TimedJob, TimedReport, TimedSetting } from '../../clients/timed-job.ts'
import { type ClientProgram, startClientProgram } from './client-program.ts'

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
