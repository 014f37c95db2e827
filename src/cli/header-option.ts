import { isToken } from './is-token.ts'
import { usageError } from './usage-error.ts'

/** RFC 9110 5.5; obs-text is as much as there is of others than ASCII. */
const NOT_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** `--header 'K: V'`: the lower-case name and the value. */
export function headerOption(text: string): [string, string] {
  const [, name, value] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(text) ?? []
  if (name === undefined || value === undefined) {
    throw usageError(`--header must be 'Name: value', not ${JSON.stringify(text)}`)
  }
  if (!isToken(name)) throw usageError(`--header: ${JSON.stringify(name)} is no name of a field`)
  // Not shown: it may be a secret.
  if (NOT_VALUE.test(value))
    throw usageError(`--header: the value of ${name} has a character that none may have`)
  return [name.toLowerCase(), value]
}
