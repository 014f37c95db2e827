import { usageError } from './usage-error.ts'

/** `--header 'K: V'`: the lower-case name and the value. */
export function headerOption(text: string): [string, string] {
  const [, name, value] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw usageError(`--header must be 'Name: value', not ${JSON.stringify(text)}`)
  }
  return [name.toLowerCase(), value]
}
