import type { ClientJob, ClientReport, ClientSetting } from '../../clients/client-job.ts'
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
