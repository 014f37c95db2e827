import { parseArgs } from 'node:util'
import { BODY_SIZES } from './body-sizes.ts'

export interface BenchArguments {
  scenarios: readonly string[]
  rounds: number
  seconds: number
  warmUpSeconds: number
  sizes: readonly string[]
  subjects: readonly string[]
  /** Where the result file goes; undefined: nowhere. */
  output: string | undefined
}

export const USAGE = `usage: npm run bench -- [SCENARIO...] [options]
  --quick            one short round of the small bodies: does the bench work?
  --rounds N         rounds, each with every subject (default 5)
  --seconds S        length of one measurement (default 6)
  --warm-up S        before the first round, for each subject (default 3)
  --sizes LIST       of ${Object.keys(BODY_SIZES).join(', ')} (default all)
  --subjects LIST    only these (default all)
  --output DIR       where the result file goes (default bench/results)
  --no-write         no result file`

/** Throws an Error with a message for the user. `known` are the scenarios; without any all of them are meant. */
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
      output: { type: 'string' },
      'no-write': { type: 'boolean', default: false },
    },
  })
  const { quick } = values
  const sizes = list(values.sizes) ?? (quick ? ['1k', '100k'] : Object.keys(BODY_SIZES))
  refuseUnknown('size', sizes, Object.keys(BODY_SIZES))
  refuseUnknown('scenario', positionals, known)
  return {
    scenarios: positionals.length === 0 ? known : positionals,
    rounds: Math.ceil(positive('rounds', values.rounds) ?? (quick ? 1 : 5)),
    seconds: positive('seconds', values.seconds) ?? (quick ? 2 : 6),
    warmUpSeconds: positive('warm-up', values['warm-up']) ?? (quick ? 1 : 3),
    sizes,
    subjects: list(values.subjects) ?? [],
    output: values['no-write'] ? undefined : (values.output ?? resultDirectory),
  }
}

function list(text: string | undefined): string[] | undefined {
  return text?.split(',').filter(part => part !== '')
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
