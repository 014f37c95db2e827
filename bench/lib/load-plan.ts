import type { LoadCase, LoadScenario } from './load-case.ts'
import type { LoadSubject } from './load-subject.ts'
import type { OriginPlan } from './origins/load-origin-config.ts'
import { type BenchSettings, chooseSubjects } from './scenario.ts'

/** What of a scenario is measured in this run. */
export interface LoadPlan {
  /** With the subjects that are wanted and have an origin here. */
  readonly cases: readonly LoadCase[]
  /** Those that they need. */
  readonly origins: Readonly<Record<string, OriginPlan>>
  readonly unavailable: readonly { readonly subject: string; readonly because: string }[]
}

/**
 * `missing` says why an origin cannot run here; undefined: it can. Throws when none of the subjects is one
 * that the command line asks for.
 */
export function planLoad(
  definition: LoadScenario,
  settings: Pick<BenchSettings, 'subjects' | 'cases' | 'sizes' | 'isQuick'>,
  missing: (plan: OriginPlan) => string | undefined,
): LoadPlan {
  const { origins } = definition
  const cases = chooseCases(definition.cases, settings.cases)
  const all = cases.flatMap(({ subjects }) => subjects)
  const names = chooseSubjects(namesOf(all), settings, namesOf(all.filter(({ isExtra }) => !isExtra)))
  const absent = new Map<string, string>()
  for (const [name, plan] of Object.entries(origins)) {
    const because = missing(plan)
    if (because !== undefined) absent.set(name, because)
  }
  const wanted = cases
    .filter(({ isLong }) => !(settings.isQuick && isLong === true))
    .filter(({ size }) => size === undefined || settings.sizes.includes(size))
    .map(entry => ({ ...entry, subjects: entry.subjects.filter(({ name }) => names.includes(name)) }))
  const unavailable = new Map(
    wanted.flatMap(({ subjects }) => subjects).map(({ name, origin }) => [name, absent.get(origin)] as const),
  )
  const able = wanted
    .map(entry => ({ ...entry, subjects: entry.subjects.filter(({ origin }) => !absent.has(origin)) }))
    .filter(({ subjects }) => subjects.length > 0)
  const needed = new Set(able.flatMap(({ subjects }) => subjects.map(({ origin }) => origin)))
  return {
    cases: able,
    origins: Object.fromEntries(Object.entries(origins).filter(([name]) => needed.has(name))),
    unavailable: [...unavailable].flatMap(([subject, because]) =>
      because === undefined ? [] : [{ subject, because }],
    ),
  }
}

/** None at all is a slip of the hand. */
function chooseCases(all: readonly LoadCase[], wanted: readonly string[]): readonly LoadCase[] {
  if (wanted.length === 0) return all
  const chosen = all.filter(({ name }) => wanted.some(part => name.includes(part)))
  if (chosen.length > 0) return chosen
  const names = all.map(({ name }) => name).join('; ')
  throw new Error(`no case has any of these in its name: ${wanted.join(', ')}; there are ${names}`)
}

function namesOf(subjects: readonly LoadSubject[]): string[] {
  return [...new Set(subjects.map(({ name }) => name))]
}
