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
import { median } from '../../../src/bench/results/statistics.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { type LossyLink, startLossyLink } from '../../../test/support/lossy-link.ts'
import { requireNamespaces } from '../../../test/support/network-namespace.ts'
import type { RealServer } from '../../../test/support/real-server.ts'
import { requireBinary } from '../../../test/support/require-binary.ts'
import { makeTemporaryDirectory } from '../../../test/support/temporary-directory.ts'
import {
  type ColdSubject,
  type FirstByteClient,
  measureCold,
  startFirstByteClient,
  warmUpCold,
} from '../../first-byte/cold-connection.ts'
import { COLD_PROXIES, startColdProxies } from '../../first-byte/cold-proxies.ts'
import { type FarCaddy, type FarNginx, startFarCaddy, startFarNginx } from '../../first-byte/far-servers.ts'
import {
  claimsOf,
  type FirstByteJob,
  PLAIN,
  QUIC_EARLY,
  TFO_EARLY_HTTP1,
  TFO_EARLY_HTTP2,
  TRANSPORT_ROWS,
} from '../../first-byte/first-byte-rows.ts'
import { planCpus } from '../../lib/cpus.ts'
import { builtFile, NOT_BUILT } from '../../lib/repository.ts'
import { type BenchSettings, chooseSubjects } from '../../lib/scenario.ts'
import { LINK_SOURCE, requireLossyPath } from '../../load/load-path.ts'

const ROUND_TRIP_MS = 80
/** A connection takes a third of a second: each round has that many of every subject, interleaved. */
const CONNECTIONS_PER_ROUND = 3
/** Without delay: Node compiles, and the first ones bring the ticket and the cookie. */
const WARM_UPS = 25
const QUICK_WARM_UPS = 5
/** Between two connections: the last packets arrive, tickets among them. */
const REST_MS = 3 * ROUND_TRIP_MS
const CADDY_PORT = 8443
/** A row of its own: what the others are multiples of. */
const ROUND_TRIP = 'TCP connect (a round trip)'

const METRICS: readonly Metric[] = [
  { key: 'firstByteMs', title: 'first byte ms', better: 'less' },
  { key: 'leastMs', title: 'least', better: 'less' },
  { key: 'mostMs', title: 'most', better: 'less' },
  { key: 'roundTrips', title: '/ RTT', better: 'less' },
  { key: 'synDataBytes', title: 'bytes in SYN' },
  { key: 'firstFlightBytes', title: 'first flight' },
  { key: 'handshakeBytes', title: 'handshake bytes', better: 'less' },
  { key: 'handshakeCpuMs', title: 'handshake CPU ms', better: 'less' },
  { key: 'connections', title: 'connections' },
]

const AIMS: readonly Aim[] = [TFO_EARLY_HTTP1, TFO_EARLY_HTTP2].map(subject => ({
  subject,
  metric: 'roundTrips',
  atMost: 1.1,
}))

/** Why a connection was not what its subject is called, in the order in which they came. */
type Disproofs = Map<string, string[]>

/**
 * How long is the way to the first byte of the first response? Over a long way that is a matter of round
 * trips and of nothing else.
 */
export async function firstByte(settings: BenchSettings): Promise<ScenarioResult> {
  const missing =
    requireLossyPath() ??
    requireNamespaces() ??
    requireBinary('nginx', 'haproxy') ??
    (builtFile('index.js') === undefined ? NOT_BUILT : undefined)
  const empty: ScenarioResult = {
    scenario: 'first-byte',
    description: `the first response over a connection that was not there before, from the call to its head, at ${ROUND_TRIP_MS} ms of round trip between two network namespaces, no loss; nginx at the far end (TLS 1.3, early data, Fast Open), for QUIC caddy; the proxies stand beside the client and keep no connection to the origin`,
    metrics: METRICS,
    cases: [],
    unavailable: [],
  }
  if (missing !== undefined) return { ...empty, unavailable: [{ subject: 'all', because: missing }] }
  const cpus = planCpus()
  using directory = makeTemporaryDirectory('bench')
  await using link = await startLossyLink(0, LINK_SOURCE)
  await link.setFastOpen(3)
  await using origin = await startFarNginx(link, cpus.origin)
  await using http3 = await startFarCaddy(link, cpus.origin, CADDY_PORT)
  await using client = await startFirstByteClient(
    {
      ca: origin.certificates.ca + http3.ca,
      resolve: { [`${origin.name}:${origin.port}`]: origin.address, ...http3.resolve },
    },
    link.prefix('client'),
    cpus.subject,
  )
  const subjects = subjectsFor(origin, http3, settings)
  const proxies = COLD_PROXIES.filter(({ name }) => subjects.some(subject => subject.name === name))
  const servers: RealServer[] = []
  try {
    // Proxies are waited for on 127.0.0.1 of that end.
    using _stay = link.enter('client')
    for (const program of new Set(proxies.map(proxy => proxy.program))) {
      servers.push(await startColdProxies(program, proxies, origin, directory.path, cpus.subject))
    }
    return { ...empty, ...(await measureAll({ subjects, link, client, settings })) }
  } finally {
    for (const server of servers) await server.stop()
  }
}

function subjectsFor(origin: FarNginx, http3: FarCaddy, settings: BenchSettings): ColdSubject[] {
  const all: ColdSubject[] = TRANSPORT_ROWS.map(({ name, protocol, options, claims }) => ({
    name,
    claims,
    isTcp: protocol !== 'h3',
    job: {
      kind: 'transport',
      name,
      options,
      keepsTickets: claims.resumed,
      url: protocol === 'h3' ? `${http3.url}/1k` : `https://${origin.name}:${origin.port}/first-byte`,
    },
  }))
  for (const { name, port, claims } of COLD_PROXIES) {
    const job: FirstByteJob = { kind: 'proxy', port, authority: origin.name, path: '/first-byte' }
    all.push({ name, claims, isTcp: true, job })
  }
  const names = chooseSubjects(
    all.map(({ name }) => name),
    settings,
    [PLAIN, TFO_EARLY_HTTP1, QUIC_EARLY],
  )
  const connect: FirstByteJob = { kind: 'connect', address: origin.address, port: origin.port }
  const roundTrip: ColdSubject = { name: ROUND_TRIP, claims: claimsOf(''), isTcp: true, job: connect }
  return [roundTrip, ...all.filter(({ name }) => names.includes(name))]
}

interface Setting {
  readonly subjects: readonly ColdSubject[]
  readonly link: LossyLink
  readonly client: FirstByteClient
  readonly settings: BenchSettings
}

async function measureAll(setting: Setting): Promise<Pick<ScenarioResult, 'cases' | 'unavailable'>> {
  const { subjects, link, client, settings } = setting
  const disproofs: Disproofs = new Map(subjects.map(({ name }) => [name, []]))
  const unavailable: { subject: string; because: string }[] = []
  const able: ColdSubject[] = []
  for (const subject of subjects) {
    const because = await warmUpCold(subject, settings.isQuick ? QUICK_WARM_UPS : WARM_UPS, client)
    if (because === undefined) able.push(subject)
    else unavailable.push({ subject: subject.name, because })
  }
  await link.delay(ROUND_TRIP_MS / 2)
  const measured = await runRounds<ColdSubject>({
    subjects: able,
    rounds: settings.isQuick ? 1 : settings.rounds * CONNECTIONS_PER_ROUND,
    warmUp: () => Promise.resolve(),
    async measure(subject) {
      const result = await measureCold(subject, link, client, REST_MS)
      if ('measurement' in result) return result.measurement
      disproofs.get(subject.name)?.push(result.because)
      return {}
    },
    onMeasured({ name }, round, { firstByteMs }) {
      const said = firstByteMs === undefined ? disproofs.get(name)?.at(-1) : `${formatNumber(firstByteMs)} ms`
      settings.log(`  connection ${round + 1} ${name}: ${said}`)
    },
  })
  const rows = new Map<string, Measurement[]>()
  for (const [{ name }, all] of measured) {
    const valid = all.filter(({ firstByteMs }) => firstByteMs !== undefined)
    if (valid.length > 0) rows.set(name, valid)
    else unavailable.push({ subject: name, because: `${disproofs.get(name)?.at(-1)}` })
  }
  const notes = [...disproofs]
    .filter(([name, reasons]) => reasons.length > 0 && rows.has(name))
    .map(([name, reasons]) => `${name}: ${reasons.length} connections left out: ${reasons.at(-1)}`)
  return { cases: [summarize(rows, notes)], unavailable }
}

/** Beside the medians the spread: what a single connection took. */
function summarize(rows: ReadonlyMap<string, readonly Measurement[]>, notes: readonly string[]): CaseResult {
  // The link is a program, and timers are late: how long a round trip really is tells the kernel that waits
  // for one.
  const roundTripMs = median((rows.get(ROUND_TRIP) ?? []).map(({ firstByteMs = Number.NaN }) => firstByteMs))
  const compared = new Map(
    [...rows].map(([name, measurements]) => [
      name,
      measurements.map(one => ({ ...one, roundTrips: (one['firstByteMs'] ?? Number.NaN) / roundTripMs })),
    ]),
  )
  const isReference = (name: string): boolean => name === PLAIN || name === ROUND_TRIP
  const result = summarizeCase('first byte', compared, 'firstByteMs', name =>
    isReference(name) ? [] : [PLAIN],
  )
  const subjects = result.subjects.map(subject => {
    const times = subject.rounds.map(({ firstByteMs = Number.NaN }) => firstByteMs)
    const spread = { leastMs: Math.min(...times), mostMs: Math.max(...times), connections: times.length }
    return { ...subject, median: { ...subject.median, ...spread } }
  })
  const judged = { ...result, subjects }
  return { ...judged, aims: judgeAims(judged, AIMS), notes }
}
