/**
 * What the system says holds the random name of a file: who tells a fault once must get the same words each
 * time.
 */
export function plainError(directory: string, verb: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('code' in cause)) return cause
  return new Error(`${directory} cannot be ${verb}: ${String(cause.code)}`, { cause })
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
