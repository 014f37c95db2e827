import {
  type Aim,
  judgeAims,
  type Measurement,
  type Metric,
  type ScenarioResult,
} from '../../../src/bench/results/scenario-result.ts'
import { summarizeCase } from '../../../src/bench/results/summaries.ts'
import { type ClientProgram, startClientProgram } from '../../lib/child-program.ts'
import { planCpus } from '../../lib/cpus.ts'
import { chooseSubjects, type Scenario } from '../../lib/scenario.ts'
import type { EndFigures, SessionJob } from '../../webtransport/session-process.ts'
import type { SessionWork } from '../../webtransport/session-work.ts'

const OURS = 'middlemile h3'
const THEIRS = 'package h2'
const LARGE = 'middlemile h3, packets of 16 KB'
const LIBRARIES: Readonly<Record<string, string>> = {
  [OURS]: 'middlemile',
  [LARGE]: 'middlemile-16k',
  [THEIRS]: 'package',
}

const METRICS: readonly Metric[] = [
  { key: 'perCpuSecond', title: 'per CPU s', better: 'more' },
  { key: 'perSecond', title: 'per s', better: 'more' },
  { key: 'clientCpu', title: 'client CPU s' },
  { key: 'serverCpu', title: 'server CPU s' },
]

interface Case {
  readonly name: string
  readonly what: SessionWork
  readonly amount: (figures: EndFigures) => number
  readonly aims: readonly Aim[]
}

const CASES: readonly Case[] = [
  {
    name: 'MB one way, 64 KiB at a time',
    what: 'bulk',
    amount: ({ bytes }) => bytes / 1e6,
    aims: [OURS, LARGE].map(subject => ({ subject, metric: 'perCpuSecond', atLeast: 150 })),
  },
  {
    name: 'streams with 16 bytes each way, 32 at a time',
    what: 'streams',
    amount: ({ streams }) => streams,
    aims: [],
  },
  { name: 'datagrams of 1000 bytes', what: 'datagrams', amount: ({ datagrams }) => datagrams, aims: [] },
]

type End = ClientProgram<SessionJob, EndFigures>

/** Sessions between two processes over loopback: what the CPU of both brings about. */
export const webTransport: Scenario = async settings => {
  const subjects = chooseSubjects(Object.keys(LIBRARIES), settings)
  const chosen = CASES.filter(
    ({ name }) => settings.cases.length === 0 || settings.cases.some(part => name.includes(part)),
  )
  const plan = planCpus()
  const rounds = new Map(chosen.map(({ name }) => [name, new Map<string, Measurement[]>()]))
  for (let round = 0; round < settings.rounds; round++) {
    // In turns, so that what else the machine does meets both.
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const library = LIBRARIES[subject] ?? ''
      await using server = await start('server', library, plan.origin)
      await using client = await start('client', library, plan.subject)
      for (const { name, what, amount } of chosen) {
        const seconds = { warmUp: settings.warmUpSeconds, measured: settings.seconds }
        const measured = await measure({ server, client, what, amount, seconds })
        const bySubject = rounds.get(name)
        const known = bySubject?.get(subject) ?? []
        bySubject?.set(subject, [...known, measured])
        settings.log(`${name}, ${subject}: ${measured['perCpuSecond']?.toFixed(0)} per CPU second`)
      }
    }
  }
  return resultOf(chosen, rounds)
}

function start(role: 'server' | 'client', library: string, cpu: number | undefined): Promise<End> {
  return startClientProgram({ program: 'webtransport/session-process', args: [role, library], cpu })
}

async function measure(setting: {
  readonly server: End
  readonly client: End
  readonly what: SessionWork
  readonly amount: Case['amount']
  readonly seconds: { readonly warmUp: number; readonly measured: number }
}): Promise<Measurement> {
  const { server, client, what, amount, seconds } = setting
  const { port, hash } = await server.run({ kind: 'figures' })
  const run = (ms: number): Promise<EndFigures> => client.run({ kind: 'work', what, ms, port, hash })
  const clientBefore = await run(seconds.warmUp * 1000)
  const serverBefore = await server.run({ kind: 'figures' })
  const beganAt = performance.now()
  const clientAfter = await run(seconds.measured * 1000)
  const took = (performance.now() - beganAt) / 1000
  const serverAfter = await server.run({ kind: 'figures' })
  const done = amount(serverAfter) - amount(serverBefore)
  const clientCpu = clientAfter.cpuSeconds - clientBefore.cpuSeconds
  const serverCpu = serverAfter.cpuSeconds - serverBefore.cpuSeconds
  return { perCpuSecond: done / (clientCpu + serverCpu), perSecond: done / took, clientCpu, serverCpu }
}

function resultOf(
  cases: readonly Case[],
  rounds: ReadonlyMap<string, ReadonlyMap<string, readonly Measurement[]>>,
): ScenarioResult {
  return {
    scenario: 'webtransport',
    description:
      'sessions of WebTransport between a client and a server, each a process of its own, over loopback: ours over HTTP/3, and @fails-components/webtransport 1.6.8 over its own HTTP/2; CPU is that of both',
    metrics: METRICS,
    cases: cases.map(({ name, aims }) => {
      const summary = summarizeCase(name, rounds.get(name) ?? new Map(), 'perCpuSecond', subject =>
        subject === THEIRS ? [] : [THEIRS],
      )
      return { ...summary, aims: judgeAims(summary, aims) }
    }),
    unavailable: [],
    limits: [
      'the HTTP/2 of the package speaks with itself alone, has no back-pressure, and its datagrams are reliable',
      'packets of 16 KB fit through loopback, and through few networks',
      'datagrams that were lost, since their reader had no room, are in the CPU and not in the count',
    ],
  }
}
