import { TransportError } from '../../index.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EACCES: 'permission denied',
  EADDRNOTAVAIL: 'this machine does not have that address',
}

/** Why a server could not be opened, with the address that it was to have. */
export function listenFailure(what: string, address: ListenAddress, cause: unknown): TransportError {
  const reason = REASONS[errorCode(cause)] ?? (cause instanceof Error ? cause.message : String(cause))
  return new TransportError(
    'MM_LISTEN_FAILED',
    `cannot open ${what} on ${formatListenAddress(address)}: ${reason}`,
    {
      cause,
    },
  )
}

export function isAddressInUse(error: unknown): boolean {
  return errorCode(error) === 'EADDRINUSE'
}

function errorCode(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
