import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { z } from 'zod'

/**
 * A file with PEM blocks, named relative to the configuration; its contents are the value. A value that holds
 * a PEM block itself is taken as it is, for configurations that are made by a program.
 */
export function pemField(directory: string) {
  return z.string().transform((value, context) => {
    if (value.includes('-----BEGIN ')) return value
    const file = resolve(directory, value)
    let contents: string
    try {
      contents = readFileSync(file, 'utf8')
    } catch (error) {
      context.addIssue({ code: 'custom', message: `cannot read ${file}: ${readFailure(error)}` })
      return z.NEVER
    }
    if (contents.includes('-----BEGIN ')) return contents
    context.addIssue({ code: 'custom', message: `${file} holds no PEM block` })
    return z.NEVER
  })
}

const READ_FAILURES: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  EACCES: 'permission denied',
  EISDIR: 'it is a directory',
}

function readFailure(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return READ_FAILURES[code] ?? (error instanceof Error ? error.message : String(error))
}
