import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { MIN_ROUNDS_FOR_INTERVAL } from '../../src/bench/results/statistics.ts'
import { BODY_SIZES } from './body-sizes.ts'

export interface BenchArguments {
  scenarios: readonly string[]
  rounds: number
  seconds: number
  warmUpSeconds: number
  sizes: readonly string[]
  subjects: readonly string[]
  cases: readonly string[]
  seed: number
  isQuick: boolean
  /** Where the result file goes; undefined: nowhere. */
  output: string | undefined
  /** Where the page goes; undefined: beside the result file. */
  html: string | undefined
}

export const USAGE = `usage: npm run bench -- [SCENARIO...] [options]
  --quick            one short round of few subjects and small bodies: does the bench work? all of it in three minutes
  --rounds N         rounds, each with every subject (default 6, the least for a 95 % interval)
  --seconds S        length of one measurement (default 6)
  --warm-up S        before the first round, for each subject (default 3)
  --sizes LIST       of ${Object.keys(BODY_SIZES).join(', ')} (default all)
  --subjects LIST    only these (default all)
  --cases LIST       only those whose name has one of these in it, with semicolons: "cold, 0 %;cold, 2 %" (scenarios that load origins)
  --output DIR       where the result file goes (default bench/results; with --quick bench/results/tmp)
  --html FILE        where the page with the charts goes (default beside the result file)
  --no-write         neither result file nor page
  --seed N           what losses and arrivals are drawn from (default 1)
       npm run bench -- --compare FILE FILE   two result files, the older one first`

/**
 * The two files of `--compare FILE FILE`; undefined: nothing is to be compared. Throws an Error with a
 * message for the user.
 */
export function parseComparison(args: readonly string[]): readonly [string, string] | undefined {
  if (!args.includes('--compare')) return undefined
  const [a, b, ...more] = args.filter(word => word !== '--compare')
  if (a === undefined || b === undefined || more.length > 0 || [a, b].some(word => word.startsWith('-')))
    throw new Error('--compare takes two result files and nothing else')
  return [a, b]
}

/**
 * Throws an Error with a message for the user. `known` are the scenarios; without any all of them are meant.
 */
export function parseBenchArguments(
  args: readonly string[],
  known: readonly string[],
  resultDirectory: string,
): BenchArguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      sizes: { type: 'string' },
      subjects: { type: 'string' },
      cases: { type: 'string' },
      seed: { type: 'string' },
      output: { type: 'string' },
      html: { type: 'string' },
      'no-write': { type: 'boolean', default: false },
    },
  })
  const { quick } = values
  const sizes = list(values.sizes) ?? (quick ? ['1k'] : Object.keys(BODY_SIZES))
  refuseUnknown('size', sizes, Object.keys(BODY_SIZES))
  refuseUnknown('scenario', positionals, known)
  return {
    scenarios: positionals.length === 0 ? known : positionals,
    rounds: Math.ceil(positive('rounds', values.rounds) ?? (quick ? 1 : MIN_ROUNDS_FOR_INTERVAL)),
    seconds: positive('seconds', values.seconds) ?? (quick ? 0.5 : 6),
    warmUpSeconds: positive('warm-up', values['warm-up']) ?? (quick ? 0.2 : 3),
    sizes,
    subjects: list(values.subjects) ?? [],
    cases: list(values.cases, ';') ?? [],
    seed: Math.ceil(positive('seed', values.seed) ?? 1),
    isQuick: quick,
    html: values['no-write'] ? undefined : values.html,
    output: values['no-write']
      ? undefined
      : (values.output ?? (quick ? join(resultDirectory, 'tmp') : resultDirectory)),
  }
}

function list(text: string | undefined, separator = ','): string[] | undefined {
  return text?.split(separator).filter(part => part !== '')
}

function positive(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (!(value > 0)) throw new Error(`--${name} must be a number above 0, not ${text}`)
  return value
}

function refuseUnknown(what: string, given: readonly string[], known: readonly string[]): void {
  const stranger = given.find(name => !known.includes(name))
  if (stranger !== undefined) throw new Error(`no ${what} called ${stranger}: ${known.join(', ')}`)
}
