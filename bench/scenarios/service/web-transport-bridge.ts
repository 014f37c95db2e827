import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import {
  type Aim,
  type CaseResult,
  judgeAims,
  type Measurement,
  type Metric,
  type ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { createTransport, type WebTransportSession } from '../../../src/index.ts'
import { createCertificateAuthority, type IssuedCertificate } from '../../../src/testing/certificates.ts'
import { startHttp3Origin } from '../../../src/testing/http3-origin.ts'
import { startRealServer } from '../../../test/support/real-server.ts'
import { requireQuic } from '../../../test/support/require-quic.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { builtFile, NOT_BUILT } from '../../lib/repository.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'

const DIRECT = 'direct'
const BRIDGE = 'middlemile'
/** One at a time, so that none waits for another. */
const PAUSE_MS = 2
const STREAM_BYTES = 100_000_000
const PIECE = Buffer.alloc(65_536)

const METRICS: readonly Metric[] = [
  { key: 'p50Ms', title: 'datagram p50 ms', better: 'less' },
  { key: 'p99Ms', title: 'datagram p99 ms', better: 'less' },
  { key: 'addedMs', title: 'beyond direct ms', better: 'less' },
  { key: 'megabytesPerSecond', title: 'MB/s one way', better: 'more' },
]

const AIMS: readonly Aim[] = [{ subject: BRIDGE, metric: 'addedMs', atMost: 0.2 }]

/**
 * What the bridge of sessions costs: a datagram from a client to an origin, and the bytes of one stream. Both
 * are in this process and see one clock; the connector is a process of its own.
 */
export async function webTransportBridge(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireQuic()
  if (missing !== undefined) throw new Error(missing)
  const authority = await createCertificateAuthority()
  const identity = await authority.issue({ names: ['localhost', '127.0.0.1'] })
  const accepted: WebTransportSession[] = []
  const origin = await startHttp3Origin({
    tls: identity,
    onSession: session => void accepted.push(session),
  })
  const directory = makeTemporaryDirectory('bridge-bench')
  const connector = await startServing(directory.path, origin.url, identity)
  const transport = createTransport({ defaults: { protocols: ['h3'], tls: { ca: authority.cert } } })
  const urls: Readonly<Record<string, string>> = { [DIRECT]: origin.url, [BRIDGE]: connector.url }
  /** Both ends of a new session. */
  const open = async (
    subject: string,
  ): Promise<readonly [client: WebTransportSession, origin: WebTransportSession]> => {
    accepted.length = 0
    const session = transport.webTransport(`${urls[subject]}/bench`)
    await session.ready
    while (accepted[0] === undefined) await new Promise(resolve => setTimeout(resolve, 1))
    return [session, accepted[0]]
  }
  const seconds = settings.isQuick ? 0.5 : settings.seconds
  const bytes = settings.isQuick ? STREAM_BYTES / 10 : STREAM_BYTES
  let direct = 0
  const measureDatagrams = async (subject: string): Promise<Measurement> => {
    const latencies = await datagramLatencies(await open(subject), seconds)
    const [p50Ms, p99Ms] = [quantile(latencies, 0.5), quantile(latencies, 0.99)]
    if (subject === DIRECT) direct = p50Ms
    return { p50Ms, p99Ms, addedMs: p50Ms - direct }
  }
  const works: readonly (readonly [string, string, (subject: string) => Promise<Measurement>])[] = [
    ['datagrams', 'p50Ms', measureDatagrams],
    [
      'stream',
      'megabytesPerSecond',
      async subject => ({ megabytesPerSecond: await streamRate(await open(subject), bytes) }),
    ],
  ]
  const cases: CaseResult[] = []
  try {
    const subjects = chooseSubjects([DIRECT, BRIDGE], settings)
    for (const [name, metric, measure] of works) {
      const measurements = await runRounds<string>({
        subjects,
        rounds: settings.rounds,
        warmUp: async subject => void (await measure(subject)),
        // What is beyond the direct path is so within one round.
        measure: async subject => {
          if (name === 'datagrams' && subject === BRIDGE) await measure(DIRECT)
          return await measure(subject)
        },
        onMeasured: (subject, round, measurement) =>
          settings.log(
            `  round ${round + 1} ${name} ${subject}: ${Object.entries(measurement)
              .map(([key, value]) => `${key} ${formatNumber(value)}`)
              .join(', ')}`,
          ),
      })
      const result = summarizeCase(name, measurements, metric, () => [DIRECT])
      cases.push({ ...result, aims: name === 'datagrams' ? judgeAims(result, AIMS) : [] })
    }
  } finally {
    await transport.close()
    await connector.stop()
    await origin.close()
    directory.remove()
  }
  return {
    scenario: 'webtransport-bridge',
    description: `one datagram at a time from a client to an origin, and ${bytes} bytes of one stream, straight and through the connector; client and origin are one process`,
    metrics: METRICS,
    cases,
    unavailable: [],
  }
}

/** `middlemile serve` as a process of its own. */
async function startServing(directory: string, origin: string, { cert, key, ca }: IssuedCertificate) {
  const cli = builtFile('cli.js')
  if (cli === undefined) throw new Error(NOT_BUILT)
  const [port, adminPort] = [await freePort(), await freePort()]
  const config = join(directory, 'middlemile.json')
  const listen = {
    address: `127.0.0.1:${port}`,
    tls: { cert, key },
    protocols: ['h3', 'h2'],
    webTransport: true,
  }
  writeFileSync(
    config,
    JSON.stringify({
      workers: 'off',
      listen: [listen],
      admin: { address: `127.0.0.1:${adminPort}` },
      origins: { app: { url: origin, protocols: ['h3'], tls: { ca } } },
    }),
  )
  const args = [cli, 'serve', '-c', config]
  const env = { NODE_ENV: 'production' }
  const server = await startRealServer({ command: process.execPath, args, env, ports: [port, adminPort] })
  return { url: `https://127.0.0.1:${port}`, stop: () => server.stop('SIGKILL') }
}

async function datagramLatencies(
  [client, origin]: readonly [WebTransportSession, WebTransportSession],
  seconds: number,
): Promise<readonly number[]> {
  const latencies: number[] = []
  const writer = client.datagrams.writable.getWriter()
  const reader = origin.datagrams.readable.getReader()
  const until = performance.now() + seconds * 1_000
  while (performance.now() < until) {
    const sentAt = performance.now()
    await writer.write(Buffer.alloc(100))
    await reader.read()
    latencies.push(performance.now() - sentAt)
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
  }
  client.close()
  return latencies
}

async function streamRate(
  [client, origin]: readonly [WebTransportSession, WebTransportSession],
  bytes: number,
): Promise<number> {
  const writer = (await client.createUnidirectionalStream()).getWriter()
  const startedAt = performance.now()
  const write = async (): Promise<void> => {
    for (let written = 0; written < bytes; written += PIECE.length) await writer.write(PIECE)
    await writer.close()
  }
  const writing = write()
  const { value } = await origin.incomingUnidirectionalStreams.getReader().read()
  let read = 0
  if (value !== undefined) for await (const chunk of value) read += chunk.length
  await writing
  const rate = read / 1_000 / (performance.now() - startedAt)
  client.close()
  return rate
}

function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}
