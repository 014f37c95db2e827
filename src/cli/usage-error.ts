import { TransportError } from '../index.ts'

/** A mistake on the command line: exit code 2. */
export function usageError(message: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message)
}
