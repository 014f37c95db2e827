import type { FirstByteJob, FirstByteReport, FirstByteSetting } from '../../clients/first-byte-job.ts'
import { type ClientProgram, startClientProgram } from './client-program.ts'

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
