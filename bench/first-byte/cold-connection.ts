import { setTimeout as sleep } from 'node:timers/promises'
import { formatNumber } from '../../src/bench/report/table.ts'
import type { Measurement } from '../../src/bench/results/scenario-result.ts'
import type { LossyLink } from '../../test/support/lossy-link.ts'
import { type ClientProgram, startClientProgram } from '../lib/child-program.ts'
import {
  type Claims,
  disproof,
  type FirstByteJob,
  type FirstByteReport,
  type FirstByteSetting,
  witnessesOf,
} from './first-byte-rows.ts'

/** Makes one cold connection at a time. */
export type FirstByteClient = ClientProgram<FirstByteJob, FirstByteReport>

/** `prefix` stands before its command line: where it runs. */
export function startFirstByteClient(
  setting: FirstByteSetting,
  prefix: readonly string[],
  cpu: number | undefined,
): Promise<FirstByteClient> {
  return startClientProgram({
    program: 'first-byte/first-byte-process',
    args: [JSON.stringify(setting)],
    prefix,
    cpu,
  })
}

/** Who makes a connection over the link, and what is to have taken place then. */
export interface ColdSubject {
  readonly name: string
  readonly job: FirstByteJob
  readonly claims: Claims
  /** Whether the origin's kernel counts it: QUIC has no SYN. */
  readonly isTcp: boolean
}

/** `because`: it was not what its subject is called, so that its figure would be somebody else's. */
export type ColdResult = { readonly measurement: Measurement } | { readonly because: string }

const WARM_UP_REST_MS = 20
const START_TIMEOUT_MS = 10_000

/**
 * So many connections that do not count. Also waits for the origin, which may need a moment. Answers why the
 * subject cannot be measured; undefined: it can.
 */
export async function warmUpCold(
  { job }: ColdSubject,
  connections: number,
  client: FirstByteClient,
): Promise<string | undefined> {
  const deadline = performance.now() + START_TIMEOUT_MS
  for (let done = 0; done < connections; ) {
    const report = await run(client, job)
    if ('because' in report) {
      if (performance.now() > deadline) return report.because
    } else done++
    await sleep(WARM_UP_REST_MS)
  }
  return undefined
}

/** One connection; `restMs` later its last packets have arrived. */
export async function measureCold(
  { job, claims, isTcp }: ColdSubject,
  link: LossyLink,
  client: FirstByteClient,
  restMs: number,
): Promise<ColdResult> {
  const before = { syns: await link.syns(), server: link.tcpCounters('server') }
  const report = await run(client, job)
  const after = { syns: await link.syns(), server: link.tcpCounters('server') }
  await sleep(restMs)
  if ('because' in report) return report
  const accepted = after.server.TCPFastOpenPassive - before.server.TCPFastOpenPassive
  const because =
    job.kind === 'connect' ? undefined : disproof(claims, witnessesOf(report, isTcp ? accepted : undefined))
  if (because !== undefined) return { because: `${because}; it took ${formatNumber(report.ms)} ms` }
  const { handshake } = report
  return {
    measurement: {
      firstByteMs: report.ms,
      ...(isTcp ? { synDataBytes: after.syns.dataBytes - before.syns.dataBytes } : {}),
      ...(handshake?.firstFlightBytes === undefined ? {} : { firstFlightBytes: handshake.firstFlightBytes }),
      ...(handshake?.bytes === undefined ? {} : { handshakeBytes: handshake.bytes }),
      ...(handshake?.cpuMs === undefined ? {} : { handshakeCpuMs: handshake.cpuMs }),
    },
  }
}

async function run(
  client: FirstByteClient,
  job: FirstByteJob,
): Promise<FirstByteReport | { readonly because: string }> {
  try {
    const report = await client.run(job)
    if (job.kind === 'connect' || report.status === 200) return report
    return { because: `answered with ${report.status}` }
  } catch (error) {
    return { because: error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error) }
  }
}
