import { parseArgs } from 'node:util'
import { MIN_ROUNDS_FOR_INTERVAL } from '../../src/bench/results/statistics.ts'

export interface MicroArguments {
  readonly suites: readonly string[]
  readonly rounds: number
  /** A share of the stored figure. */
  readonly margin: number
  readonly isStored: boolean
  readonly note: string | undefined
  readonly failsOnRegression: boolean
}

/**
 * With so many one round that is off on either side leaves the interval alone; with 6 to 8 it is the least
 * and the most.
 */
const ROUNDS = 9

export const MICRO_USAGE = `usage: npm run bench:micro -- [SUITE...] [options]
  --rounds N            of every suite, each in a process of its own (default ${ROUNDS}; with fewer than ${MIN_ROUNDS_FOR_INTERVAL} nothing is judged)
  --margin PERCENT      what a figure may be beyond the stored interval (default 10)
  --fail-on-regression  exit code 1 when there is one
  --store               the result replaces the stored one of this kind of machine; all suites
  --note TEXT           goes into the stored file`

/** Throws an Error with a message for the user. `known` are the suites; without any all of them are meant. */
export function parseMicroArguments(args: readonly string[], known: readonly string[]): MicroArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      rounds: { type: 'string' },
      margin: { type: 'string' },
      store: { type: 'boolean', default: false },
      note: { type: 'string' },
      'fail-on-regression': { type: 'boolean', default: false },
    },
  })
  const stranger = positionals.find(name => !known.includes(name))
  if (stranger !== undefined) throw new Error(`no suite called ${stranger}: ${known.join(', ')}`)
  const rounds = numberOf('rounds', values.rounds, ROUNDS)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error('--rounds takes a whole number above 0')
  const { store, note } = values
  if (note !== undefined && !store) throw new Error('--note goes with --store')
  if (store && positionals.length > 0) throw new Error('--store takes all suites')
  if (store && rounds < MIN_ROUNDS_FOR_INTERVAL)
    throw new Error(
      `--store takes at least ${MIN_ROUNDS_FOR_INTERVAL} rounds: with fewer nothing can be judged`,
    )
  return {
    suites: positionals.length === 0 ? known : [...new Set(positionals)],
    rounds,
    margin: numberOf('margin', values.margin, 10) / 100,
    isStored: store,
    note,
    failsOnRegression: values['fail-on-regression'],
  }
}

function numberOf(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text)
  if (text?.trim() === '' || !(value >= 0 && value < Number.POSITIVE_INFINITY))
    throw new Error(`--${name} must be a number, not ${text}`)
  return value
}
