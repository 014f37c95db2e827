import type { Protocol } from '../../../src/index.ts'
import { BODY_SIZES, type BodySize } from '../body-sizes.ts'
import { builtFile, NOT_BUILT } from '../repository.ts'
import { type MeasuredClient, startMeasuredClient } from './measured-client.ts'

/** A client library with a setting, under the name that the tables have for it. */
export interface ClientSubject {
  name: string
  /** One of client-process.ts. */
  client: string
  /** At most so many connections; 0: as many as the client likes. */
  connections: number
  protocols?: readonly Protocol[]
  /** See ClientSetting. */
  stateDirectory?: string
  earlyData?: 'off' | 'safe'
}

/** What a subject must know of an origin. */
export interface SubjectOrigin {
  /** Where it speaks TLS, and QUIC if it does. */
  readonly tlsPort: number
  /** PEM. */
  readonly certificates: { readonly ca: string }
}

export interface StartedSubject {
  readonly name: string
  readonly client: MeasuredClient
}

/** Starts one in a process of its own. `port` is the origin's, or that of a relay before it. */
export async function startSubject(
  { name, client, ...how }: ClientSubject,
  origin: SubjectOrigin,
  port: number,
  cpu: number | undefined,
): Promise<StartedSubject> {
  const setting = { origin: `https://127.0.0.1:${port}`, ca: origin.certificates.ca, ...how }
  return { name, client: await startMeasuredClient(client, setting, cpu) }
}

/**
 * Why a subject cannot be measured: it gets one body first, which must be the right one. Undefined: it can.
 */
async function whyNotMeasurable(
  subject: ClientSubject,
  origin: SubjectOrigin,
  size: BodySize,
): Promise<string | undefined> {
  if (subject.client.startsWith('middlemile') && builtFile('index.js') === undefined) return NOT_BUILT
  const { client } = await startSubject(subject, origin, origin.tlsPort, undefined)
  try {
    const report = await client.run({
      kind: 'whole',
      path: `/${size}`,
      concurrency: 1,
      seconds: 10,
      requests: 1,
    })
    if (report.failures > 0) return report.firstFailure ?? 'its request failed'
    return report.bytes === BODY_SIZES[size] ? undefined : `it got ${report.bytes} bytes of /${size}`
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  } finally {
    await client[Symbol.asyncDispose]()
  }
}

/** Those that can be measured, and of the others why not. */
export async function sortOutSubjects(
  wanted: readonly ClientSubject[],
  origin: SubjectOrigin,
): Promise<{ subjects: ClientSubject[]; unavailable: { subject: string; because: string }[] }> {
  const subjects: ClientSubject[] = []
  const unavailable: { subject: string; because: string }[] = []
  for (const subject of wanted) {
    const because = await whyNotMeasurable(subject, origin, '1k')
    if (because === undefined) subjects.push(subject)
    else unavailable.push({ subject: subject.name, because })
  }
  return { subjects, unavailable }
}
