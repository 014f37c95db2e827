import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { ConfigFault } from '../config/config-fault.ts'
import { readConfigText } from '../config/read-config.ts'
import type { ServiceSettings } from '../config/service-settings.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'
import type { ConfigText, Prepared } from './messages.ts'
import type { Supervisor } from './supervisor.ts'

const PREPARE_MS = 5_000
const COMMIT_MS = 5_000

/** A configuration as it was read, once for all workers. */
export type ReadText =
  | { readonly ok: true; readonly config: ConfigText; readonly settings: ServiceSettings }
  | { readonly ok: false; readonly faults: readonly ConfigFault[] }

export async function readText(file: string): Promise<ReadText> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { ok: false, faults: [{ path: '', message: `cannot read the configuration: ${message}` }] }
  }
  const config = { text, directory: dirname(resolve(file)) }
  const read = readConfigText(text, config.directory)
  return read.ok ? { ok: true, config, settings: read.settings } : read
}

/**
 * Reads the file again, for all workers or for none, in two steps: each reads the text, and the files that it
 * names; when all have read the same, each goes on with it. Who did not say that it has is replaced.
 */
export async function reloadWorkers(supervisor: Supervisor, file: string): Promise<ReloadResult> {
  const read = await readText(file)
  if (!read.ok) return read
  const { config, settings } = read
  const workers = supervisor.ready
  const prepared = await Promise.allSettled(
    workers.map(({ channel }) => channel.ask('prepare', config, PREPARE_MS)),
  )
  const answers = prepared.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const refused = firstFaults(answers)
  if (refused !== undefined) return { ok: false, faults: refused }
  const committed = await Promise.allSettled(
    workers.map(async ({ id, channel }, index) => {
      if (prepared[index]?.status !== 'fulfilled') throw new Error('it was not prepared')
      return { id, result: await channel.ask('commit', {}, COMMIT_MS) }
    }),
  )
  const results = committed.flatMap(result => (result.status === 'fulfilled' ? [result.value] : []))
  const taken = results.filter(({ result }) => result.ok)
  const first = results[0]?.result
  // The transport may refuse what the reader of configurations does not: all workers do then.
  if (taken.length === 0 && first !== undefined) return first
  supervisor.setConfig(
    config,
    settings,
    taken.map(({ id }) => id),
  )
  return { ok: true, warnings: [], changes: [] } // the service compares it with its own
}

/** Why a reload is refused before anything has changed. */
function firstFaults(answers: readonly Prepared[]): readonly ConfigFault[] | undefined {
  const digests = new Set<string>()
  for (const answer of answers) {
    if (!answer.ok) return answer.faults
    digests.add(answer.digest)
  }
  if (digests.size <= 1) return undefined
  const message = 'files that the configuration names changed while they were read: reload again'
  return [{ path: '', message }]
}
