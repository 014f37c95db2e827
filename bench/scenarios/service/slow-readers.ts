import { mkdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { runRounds } from '../../../src/bench/load/rounds.ts'
import { formatNumber } from '../../../src/bench/report/table.ts'
import type {
  CaseResult,
  Measurement,
  Metric,
  ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import type { Nginx } from '../../../test/support/nginx.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import { runWrk, wrkFailures } from '../../../test/support/wrk.ts'
import { type CpuPlan, memory, planCpus } from '../../lib/cpus.ts'
import { startBenchOrigin } from '../../lib/forwarding.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { middlemileH2Peer, middlemilePeer } from '../../peers/middlemile.ts'
import { haproxyH2Peer, haproxyPeer, nginxPeer } from '../../peers/other-peers.ts'
import { availablePeers, type Peer } from '../../peers/peer.ts'

const READERS = 1_000
const QUICK_READERS = 50
/** More than the sockets on both sides take in. */
const UNREAD = '/10m'
const OPENING_TIMEOUT_MS = 30_000
/** Windows and buffers fill while nobody looks. */
const SETTLE_MS = 2_000
/** What is returned, is by then. */
const GONE_MS = 10_000
const NEIGHBORS = 16

const CASES: readonly { name: string; peers: readonly Peer[] }[] = [
  { name: 'HTTP/1.1 origin', peers: [nginxPeer, haproxyPeer, middlemilePeer] },
  { name: 'HTTP/2 origin', peers: [nginxPeer, haproxyH2Peer, middlemileH2Peer] },
]

const METRICS: readonly Metric[] = [
  { key: 'kibibytesPerReader', title: 'KiB/reader', better: 'less' },
  { key: 'readers', title: 'readers', better: 'more' },
  { key: 'aloneP50Ms', title: 'alone p50 ms', better: 'less' },
  { key: 'aloneP99Ms', title: 'alone p99 ms', better: 'less' },
  { key: 'openingP50Ms', title: 'opening p50 ms', better: 'less' },
  { key: 'openingP99Ms', title: 'opening p99 ms', better: 'less' },
  { key: 'heldP50Ms', title: 'held p50 ms', better: 'less' },
  { key: 'heldP99Ms', title: 'held p99 ms', better: 'less' },
  { key: 'failures', title: 'failed', better: 'less' },
  { key: 'beforeMiB', title: 'RSS before MiB' },
  { key: 'heldMiB', title: 'held MiB', better: 'less' },
  { key: 'goneMiB', title: 'gone MiB', better: 'less' },
]
const COMPARED = ['kibibytesPerReader', 'heldP50Ms', 'heldP99Ms', 'openingP99Ms']

interface Surroundings {
  readonly origin: Nginx
  readonly cpus: CpuPlan
  readonly settings: BenchSettings
}

/** Many clients that stop reading: what is each in memory, and what are they all to the others? */
export async function slowReaders(settings: BenchSettings): Promise<ScenarioResult> {
  const missing = requireBinary('nginx', 'wrk')
  if (missing !== undefined) throw new Error(missing)
  const all = [...new Set(CASES.flatMap(({ peers }) => peers))]
  const names = chooseSubjects(
    all.map(({ name }) => name),
    settings,
  )
  const { peers: available, unavailable } = availablePeers(all.filter(({ name }) => names.includes(name)))
  const cpus = planCpus()
  await using origin = await startBenchOrigin(cpus, { http2: true })
  const cases: CaseResult[] = []
  for (const { name, peers } of CASES) {
    if (settings.cases.length > 0 && !settings.cases.some(part => name.includes(part))) continue
    const subjects = peers.filter(peer => available.includes(peer))
    const measurements = await runRounds<Peer>({
      subjects,
      rounds: settings.rounds,
      warmUp: () => Promise.resolve(), // each measurement has a process of its own
      measure: peer => measure(peer, { origin, cpus, settings }),
      onMeasured(peer, round, { kibibytesPerReader, readers, heldP99Ms, aloneP99Ms }) {
        settings.log(
          `  ${name} round ${round + 1} ${peer.name}: ${formatNumber(kibibytesPerReader)} KiB for each of ${readers}, p99 ${formatNumber(heldP99Ms)} ms, alone ${formatNumber(aloneP99Ms)} ms`,
        )
      },
    })
    const byName = new Map([...measurements].map(([peer, rounds]) => [peer.name, rounds]))
    cases.push(summarizeCase(name, byName, COMPARED, () => [nginxPeer.name]))
  }
  return {
    scenario: 'slow-readers',
    description: `${readerCount(settings)} clients that ask for ${UNREAD} and read nothing, and ${NEIGHBORS} that ask for /1k all the time: before the others come, while they open, and while they hold`,
    metrics: METRICS,
    cases,
    unavailable,
    limits: [
      'memory is that of the processes: what sockets hold in the kernel is in no figure',
      'nginx has HTTP/1.1 for both origins',
    ],
  }
}

function readerCount({ isQuick }: BenchSettings): number {
  return isQuick ? QUICK_READERS : READERS
}

async function measure(peer: Peer, { origin, cpus, settings }: Surroundings): Promise<Measurement> {
  using directory = makeTemporaryDirectory('bench')
  const own = join(directory.path, 'peer')
  mkdirSync(own)
  const port = await freePort()
  const target = { port: origin.tlsPort, serverName: 'localhost', caFile: origin.certificates.caFile }
  const running = await peer.start({
    directory: own,
    port,
    ingress: 'http/1.1',
    cpu: cpus.subject,
    origin: target,
  })
  const neighbors = (seconds: number) =>
    runWrk({
      url: `http://127.0.0.1:${port}/1k`,
      connections: NEIGHBORS,
      // Whole seconds only.
      seconds: Math.ceil(seconds),
      timeoutSeconds: 30,
      cpu: cpus.load,
    })
  try {
    await neighbors(settings.warmUpSeconds)
    const alone = await neighbors(settings.seconds)
    const before = memory(running.pid).rssMiB
    const opening = neighbors(settings.seconds)
    const readers = await openUnreadResponses(port, UNREAD, readerCount(settings), OPENING_TIMEOUT_MS)
    const whileOpening = await opening
    await delay(SETTLE_MS)
    const held = memory(running.pid).rssMiB
    const open = readers.open()
    const whileHeld = await neighbors(settings.seconds)
    readers.close()
    await delay(GONE_MS)
    return {
      // Nothing is left to divide by where all were turned away.
      kibibytesPerReader: open === 0 ? Number.NaN : ((held - before) * 1024) / open,
      readers: open,
      aloneP50Ms: alone.latencyMs.p50,
      aloneP99Ms: alone.latencyMs.p99,
      openingP50Ms: whileOpening.latencyMs.p50,
      openingP99Ms: whileOpening.latencyMs.p99,
      heldP50Ms: whileHeld.latencyMs.p50,
      heldP99Ms: whileHeld.latencyMs.p99,
      failures: wrkFailures(alone) + wrkFailures(whileOpening) + wrkFailures(whileHeld),
      beforeMiB: before,
      heldMiB: held,
      goneMiB: memory(running.pid).rssMiB,
    }
  } finally {
    await running.stop()
  }
}

/** Clients that ask and, after the first bytes of the answer, read no more. */
interface UnreadResponses {
  /**
   * Those that were answered with 200 and are still connected. A socket that is not read does not notice a
   * reset: the kernel is asked. An end in good order waits behind the data that nobody reads, and is not
   * seen.
   */
  open(): number
  close(): void
}

/**
 * Opens them all at once. Resolves when each has its first bytes or has failed, at the latest after
 * `timeoutMs`.
 */
async function openUnreadResponses(
  port: number,
  path: string,
  count: number,
  timeoutMs: number,
): Promise<UnreadResponses> {
  const sockets: Socket[] = []
  const open = new Set<Socket>()
  const begun = Array.from(
    { length: count },
    () =>
      new Promise<void>(resolve => {
        const socket = connect({ port, host: '127.0.0.1' })
        sockets.push(socket)
        socket.on('error', () => {}) // 'close' follows
        socket.once('close', () => {
          open.delete(socket)
          resolve()
        })
        socket.once('data', (chunk: Buffer) => {
          socket.pause()
          if (chunk.toString('latin1', 9, 12) === '200') open.add(socket)
          resolve()
        })
        socket.write(`GET ${path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n`)
      }),
  )
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>(resolve => {
    timer = setTimeout(resolve, timeoutMs)
  })
  await Promise.race([Promise.all(begun), late])
  clearTimeout(timer)
  return {
    open() {
      const established = establishedPorts(port)
      return [...open].filter(({ localPort }) => localPort !== undefined && established.has(localPort)).length
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** TCP_ESTABLISHED in /proc/net/tcp. */
const ESTABLISHED = '01'

/** The local ports of the IPv4 connections to a port that neither side has ended. */
function establishedPorts(remotePort: number): Set<number> {
  const ports = new Set<number>()
  for (const line of readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1)) {
    const [, local, remote, state] = line.trim().split(/\s+/)
    if (state === ESTABLISHED && portOf(remote) === remotePort) ports.add(portOf(local))
  }
  return ports
}

/** `0100007F:1F90`: both in hexadecimal. */
function portOf(address = ''): number {
  return Number.parseInt(address.slice(address.indexOf(':') + 1), 16)
}
