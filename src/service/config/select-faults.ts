import { DEFAULT_SELECT_OPTIONS } from '../../entry/options.ts'
import type { UnplacedFault } from './config-fault.ts'
import { parseDuration } from './fields/duration.ts'

/** Durations that must not exceed others, as a configuration spells them: [the smaller, the larger one]. */
const ORDER = [
  ['joinDelayMin', 'joinDelayMax'],
  ['brokenBase', 'brokenMax'],
] as const

type Mapping = Readonly<Record<string, unknown>>

/** Where a `select` group stands, as it was written. */
export interface SelectPlace {
  readonly path: UnplacedFault['path']
  readonly group: Mapping | undefined
}

/**
 * Faults between the options of `select`. An origin's are laid over those of `defaults` and these over the
 * built-in ones, so that a value may be wrong only together with one from elsewhere: the fault stands at what
 * the group itself says. Values that are no durations have a fault of their own already.
 */
export function selectFaults(defaults: SelectPlace, origins: readonly SelectPlace[]): UnplacedFault[] {
  const builtIn = Object.fromEntries(ORDER.flat().map(name => [name, DEFAULT_SELECT_OPTIONS[`${name}Ms`]]))
  const common = { ...builtIn, ...defaults.group }
  return [
    ...faultsOf(defaults, common),
    ...origins.flatMap(origin => faultsOf(origin, { ...common, ...origin.group })),
  ]
}

function faultsOf({ path, group }: SelectPlace, values: Mapping): UnplacedFault[] {
  if (group === undefined) return []
  return ORDER.flatMap(([smaller, larger]): UnplacedFault[] => {
    const own = [larger, smaller].find(name => group[name] !== undefined)
    const least = parseDuration(values[smaller])
    const most = parseDuration(values[larger])
    if (own === undefined || least === undefined || most === undefined || least <= most) return []
    return [
      {
        path: [...path, own],
        message: `${larger} (${most} ms) must not be below ${smaller} (${least} ms)`,
      },
    ]
  })
}
