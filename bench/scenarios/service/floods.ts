import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { CaseResult, Measurement, Metric } from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { writeCertificateFiles } from '../../../test/support/certificate-files.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { FLOOD_SUBJECTS, type FloodSubject } from '../../floods/flood-subjects.ts'
import {
  CLIENT_FLOODS,
  type Flood,
  type FloodJob,
  type FloodReport,
  ORIGIN_FLOODS,
} from '../../floods/floods.ts'
import { type ClientProgram, startClientProgram } from '../../lib/child-program.ts'
import { cpuMs, memory, planCpus } from '../../lib/cpus.ts'
import { type BenchSettings, chooseSubjects, type Scenario } from '../../lib/scenario.ts'
import type { RunningPeer } from '../../peers/peer.ts'

const MIB = 1_048_576
const BYTES = 4 * MIB
const QUICK_BYTES = MIB
const SECONDS = 6
const WARM_UP_MS = 2_000
const BASE_MS = 1_000
const MEMORY_EVERY_MS = 50

const METRICS: readonly Metric[] = [
  { key: 'cpuMsPerMiB', title: 'CPU ms/MiB', better: 'less' },
  { key: 'sentMiB', title: 'MiB taken' },
  { key: 'connections', title: 'connections' },
  { key: 'peakMiB', title: 'memory +MiB', better: 'less' },
  { key: 'p99Ms', title: 'neighbor p99 ms', better: 'less' },
  { key: 'failures', title: 'neighbor failed', better: 'less' },
]

type Program = ClientProgram<FloodJob, FloodReport>

/** Who stands around the proxy. */
interface World extends AsyncDisposable {
  readonly attacker: Program
  readonly neighbor: Program
  readonly originPort: number
  readonly floodingPort: number
  readonly caFile: string
}

/**
 * What floods of HTTP/2 cost a proxy, from its clients and from its origins, and what its other clients
 * notice.
 */
export const floods: Scenario = async settings => {
  const names = chooseSubjects(
    FLOOD_SUBJECTS.map(({ name }) => name),
    settings,
  )
  const wanted = FLOOD_SUBJECTS.filter(({ name }) => names.includes(name))
  const unavailable = wanted.flatMap(subject => {
    const because = subject.unavailable()
    return because === undefined ? [] : [{ subject: subject.name, because }]
  })
  const subjects = wanted.filter(subject => subject.unavailable() === undefined)
  await using world = await startWorld()
  const cases = [
    await measureRole('from clients', CLIENT_FLOODS, subjects, world, settings),
    await measureRole(
      'from origins',
      ORIGIN_FLOODS,
      subjects.filter(({ hasHttp2Origins }) => hasHttp2Origins),
      world,
      settings,
    ),
  ]
  return {
    scenario: 'floods',
    description: `up to ${bytesOf(settings) / MIB} MiB of each flood over HTTP/2 within ${SECONDS} s, over as many connections as it takes, each proxy anew; a neighbor asks for 1 KB all the while`,
    metrics: METRICS,
    cases,
    unavailable,
    limits: [
      'The flooder comes by loopback, where middlemile does not count addresses (ingress.maxFloodsPerMinute).',
      'What the kernels take of a connection that is over counts as taken: who keeps a flooder waiting costs less per MiB, and has fewer connections.',
    ],
  }
}

const bytesOf = ({ isQuick }: BenchSettings): number => (isQuick ? QUICK_BYTES : BYTES)

async function measureRole(
  role: 'from clients' | 'from origins',
  all: readonly Flood[],
  subjects: readonly FloodSubject[],
  world: World,
  settings: BenchSettings,
): Promise<CaseResult> {
  const rows = new Map<string, Measurement[]>()
  const chosen = all.filter(
    ({ name }) => settings.cases.length === 0 || settings.cases.some(part => name.includes(part)),
  )
  for (const { name } of chosen) {
    for (const subject of subjects) {
      for (let round = 0; round < settings.rounds; round++) {
        const measured = await measure(role, name, subject, world, bytesOf(settings))
        const row = `${name}: ${subject.name}`
        rows.set(row, [...(rows.get(row) ?? []), measured])
        const { cpuMsPerMiB = Number.NaN, sentMiB = 0 } = measured
        settings.log(`  ${role}, ${row}: ${cpuMsPerMiB.toFixed(1)} ms/MiB of ${sentMiB.toFixed(2)} MiB`)
      }
    }
  }
  return summarizeCase(role, rows, 'cpuMsPerMiB', () => [])
}

async function measure(
  role: 'from clients' | 'from origins',
  flood: string,
  subject: FloodSubject,
  world: World,
  bytes: number,
): Promise<Measurement> {
  using directory = makeTemporaryDirectory('floods')
  const port = await freePort()
  const cpu = planCpus().subject
  const peer = await subject.start({ ...world, directory: directory.path, port, cpu })
  try {
    await world.neighbor.run({ kind: 'neighbor-start', port })
    await sleep(WARM_UP_MS) // what is compiled and opened once is no cost of the flood
    const base = cpuMs(peer.pid)
    await sleep(BASE_MS)
    const basePerMs = (cpuMs(peer.pid) - base) / BASE_MS
    const peak = watchMemory(peer)
    const before = cpuMs(peer.pid)
    const beganAt = performance.now()
    const kind = role === 'from clients' ? 'flood-as-client' : 'flood-as-origin'
    const report = await world.attacker.run({ kind, flood, port, bytes, seconds: SECONDS })
    // Its answer shows that what was taken is worked off.
    const neighbor = await world.neighbor.run({ kind: 'neighbor-stop' })
    const cost = cpuMs(peer.pid) - before - basePerMs * (performance.now() - beganAt)
    const { sentBytes, connections } = report as Extract<FloodReport, { sentBytes: number }> // to a flood
    const { p99Ms, failures } = neighbor as Extract<FloodReport, { p99Ms: number }> // 'neighbor-stop'
    const sentMiB = sentBytes / MIB
    return {
      cpuMsPerMiB: Math.max(0, cost) / sentMiB,
      sentMiB,
      connections,
      peakMiB: peak(),
      p99Ms,
      failures,
    }
  } finally {
    await peer.stop()
  }
}

/** Answers by how much it grew at the most since now. */
function watchMemory({ pid }: RunningPeer): () => number {
  const before = memory(pid).rssMiB
  let most = before
  const look = (): void => void (most = Math.max(most, memory(pid).rssMiB))
  const timer = setInterval(look, MEMORY_EVERY_MS)
  return () => {
    clearInterval(timer)
    look()
    return most - before
  }
}

async function startWorld(): Promise<World> {
  const directory = makeTemporaryDirectory('flood-world')
  const { certFile, keyFile, caFile } = await writeCertificateFiles(directory.path)
  const [cert, key] = [certFile, keyFile].map(file => readFileSync(file, 'utf8')) as [string, string] // two
  const { load, origin } = planCpus()
  const program = (cpu: number | undefined): Promise<Program> =>
    startClientProgram<FloodJob, FloodReport>({ program: 'floods/flood-process', args: [], cpu })
  const server = await program(origin)
  const attacker = await program(load)
  const neighbor = await program(load)
  // as: the answer to 'serve'
  const portOf = (report: FloodReport): number => (report as Extract<FloodReport, { port: number }>).port
  return {
    attacker,
    neighbor,
    originPort: portOf(await server.run({ kind: 'serve', cert, key })),
    floodingPort: portOf(await attacker.run({ kind: 'serve-floods', cert, key })),
    caFile,
    async [Symbol.asyncDispose]() {
      for (const one of [server, attacker, neighbor]) await one[Symbol.asyncDispose]()
      directory.remove()
    },
  }
}
