import { type ParseArgsConfig, parseArgs } from 'node:util'
import { nearestName } from '../service/config/nearest-name.ts'
import { usageError } from './usage-error.ts'

type OptionSpec = NonNullable<ParseArgsConfig['options']>

interface ParseConfig<Spec extends OptionSpec> {
  args: string[]
  options: Spec
  allowPositionals: true
  strict: true
}

/** parseArgs with its complaints turned into usage errors, an unknown option with the nearest known one. */
export function parseOptions<const Spec extends OptionSpec>(
  args: readonly string[],
  options: Spec,
): ReturnType<typeof parseArgs<ParseConfig<Spec>>> {
  try {
    return parseArgs<ParseConfig<Spec>>({
      args: [...args],
      options,
      allowPositionals: true,
      strict: true,
    })
  } catch (error) {
    throw usageError(complaint(error, options))
  }
}

function complaint(error: unknown, options: OptionSpec): string {
  const message = error instanceof Error ? error.message : String(error)
  const [, unknown] = /^Unknown option '(-[^']*)'/.exec(message) ?? []
  if (unknown === undefined) return message.split('\n', 1).join('')
  const nearest = nearestName(unknown.replace(/^-+/, ''), Object.keys(options))
  return nearest === undefined
    ? `unknown option ${unknown}`
    : `unknown option ${unknown}; did you mean --${nearest}?`
}

/** A whole number of at least `min`, or undefined when the option is absent. */
export function countOption(name: string, text: string | undefined, min = 1): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value >= min) return value
  throw usageError(`--${name} must be a whole number of at least ${min}, not ${JSON.stringify(text)}`)
}

/** A number above 0, or undefined when the option is absent. */
export function positiveOption(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const value = Number(text)
  if (text.trim() !== '' && Number.isFinite(value) && value > 0) return value
  throw usageError(`--${name} must be a number above 0, not ${JSON.stringify(text)}`)
}
