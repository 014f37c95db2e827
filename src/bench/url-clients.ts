import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ClientSetting } from './load/bench-client.ts'
import type { LoadJob } from './load/load-job.ts'
import { type StartedClient, startClient } from './load/start-client.ts'
import type { UrlSubject } from './subjects.ts'
import type { UrlPlan } from './url-plan.ts'

/** One whose process runs, and that has answered. */
export interface RunningSubject extends AsyncDisposable {
  readonly name: string
  readonly client: StartedClient
}

/** Longer than a connect and its handshake may take. */
const TRIAL_SECONDS = 20

/** Of those that run: who interrupts a second time does not wait until they have ended. */
const ticketDirectories = new Set<string>()
process.once('exit', () => {
  for (const directory of ticketDirectories) removeTickets(directory)
})

function removeTickets(directory: string): void {
  rmSync(directory, { recursive: true, force: true })
  ticketDirectories.delete(directory)
}

/** Starts its process and asks once. Rejects with the reason why it cannot be measured. */
export async function startSubject(
  { name, client: program, protocol, connections }: UrlSubject,
  plan: UrlPlan,
  endpoint: string | undefined,
  signal: AbortSignal,
): Promise<RunningSubject> {
  if (program.isColdOnly === true && !plan.isCold)
    throw new Error(
      'it is a process for each request, so that each of them is cold: measured with --cold only',
    )
  const stateDirectory = plan.isResumed ? mkdtempSync(join(tmpdir(), 'middlemile-bench-')) : undefined
  if (stateDirectory !== undefined) ticketDirectories.add(stateDirectory)
  const forget = (): void => {
    if (stateDirectory !== undefined) removeTickets(stateDirectory)
  }
  const setting: ClientSetting = {
    origins: [plan.url.origin],
    ca: plan.ca,
    resolve: plan.resolve,
    endpoint,
    connections,
    ...(protocol !== undefined && { protocols: [protocol] }),
    stateDirectory,
    earlyData: plan.isEarly,
  }
  try {
    const module = new URL(`./clients/${program.file}.js`, import.meta.url).href
    const client = await startClient({ module, make: program.make, setting })
    const stop = (): void => void client[Symbol.asyncDispose]()
    signal.addEventListener('abort', stop, { once: true })
    try {
      signal.throwIfAborted()
      await askOnce(client, plan, protocol)
    } catch (error) {
      await client[Symbol.asyncDispose]()
      throw error
    } finally {
      signal.removeEventListener('abort', stop)
    }
    return {
      name,
      client,
      async [Symbol.asyncDispose]() {
        await client[Symbol.asyncDispose]()
        forget()
      },
    }
  } catch (error) {
    forget()
    throw error
  }
}

async function askOnce(client: StartedClient, plan: UrlPlan, protocol: string | undefined): Promise<void> {
  const once: LoadJob = {
    requests: [plan.request],
    arrival: { kind: 'closed', concurrency: 1 },
    warmUp: { requests: 0, seconds: 0 },
    measure: { requests: 1, seconds: TRIAL_SECONDS },
    client: 'fresh',
    deadlineSeconds: TRIAL_SECONDS,
    seed: plan.seed,
  }
  const { failures, firstFailure, byProtocol } = await client.run(once)
  if (failures > 0) throw new Error(firstFailure ?? 'its request failed')
  const [carrier] = Object.keys(byProtocol)
  if (protocol !== undefined && carrier !== undefined && carrier !== protocol)
    throw new Error(`it was asked for ${protocol}, and ${carrier} carried the request`)
}
