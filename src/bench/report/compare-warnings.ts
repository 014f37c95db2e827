import type { ResultFile } from '../results/result-file.ts'
import type { MachineFacts } from '../results/scenario-result.ts'
import type { ComparedCase } from './comparison.ts'

const FACTS: readonly [keyof MachineFacts, string][] = [
  ['cpuModel', 'CPU'],
  ['cores', 'cores'],
  ['memoryGiB', 'memory (GiB)'],
  ['kernel', 'kernel'],
  ['distribution', 'distribution'],
  ['congestionControl', 'congestion control'],
]

/** What of the two runs differs beside the code. */
export function compareWarnings(a: ResultFile, b: ResultFile): string[] {
  return [
    ...FACTS.flatMap(([key, title]) => difference(title, a.machine[key], b.machine[key])),
    ...differences('version of', a.machine.versions, b.machine.versions),
    ...differences('setting', a.settings, b.settings),
    ...busy('A', a.machine),
    ...busy('B', b.machine),
  ]
}

function differences(
  what: string,
  a: Readonly<Record<string, unknown>>,
  b: Readonly<Record<string, unknown>>,
): string[] {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...keys].flatMap(key => difference(`${what} ${key}`, a[key], b[key]))
}

function difference(title: string, a: unknown, b: unknown): string[] {
  return shown(a) === shown(b) ? [] : [`${title}: ${shown(a)} in A, ${shown(b)} in B`]
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value
  return value === undefined ? 'none' : JSON.stringify(value)
}

function busy(file: string, { loadAtStart, cores }: MachineFacts): string[] {
  return loadAtStart > cores / 2
    ? [`the machine of ${file} was busy when the run began: load ${loadAtStart.toFixed(2)} on ${cores} cores`]
    : []
}

/** Of so few it may be luck that they moved to the same side. */
const MIN_SUBJECTS = 3

/** Where every subject moved to the same side, what moved may be the machine, or what all of them share. */
export function driftWarnings(cases: readonly ComparedCase[]): string[] {
  return cases.flatMap(({ scenario, name, figures }) => {
    const own = figures.filter(({ to }) => to === undefined)
    return [...new Set(own.map(({ metric }) => metric))].flatMap(metric => {
      const all = own.filter(figure => figure.metric === metric)
      const sides = new Set(
        all.map(({ a, b, verdict }) =>
          verdict === 'no difference shown' ? 0 : Math.sign(b.median - a.median),
        ),
      )
      if (all.length < MIN_SUBJECTS || sides.size !== 1 || sides.has(0)) return []
      const way = sides.has(1) ? 'more' : 'less'
      return [
        `${scenario} / ${name}: all ${all.length} subjects have ${way} ${all[0]?.title ?? metric} in B: the machine, or what they share`,
      ]
    })
  })
}
