import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import { TransportError } from '../../index.ts'
import { formatListenAddress, type ListenAddress } from '../config/fields/listen-address.ts'

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the address is in use',
  EACCES: 'permission denied',
  ENOTSOCK: 'a file that is no socket is there',
  ENOENT: 'its directory is not there',
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

/** The IP addresses that an address may mean, the best first. Rejects with MM_LISTEN_FAILED. */
export async function resolveListenAddress({ host, port }: ListenAddress): Promise<readonly ListenAddress[]> {
  if (host === '')
    return [
      { host: '::', port },
      { host: '0.0.0.0', port },
    ]
  if (isIP(host) === 6) return [{ host: new URL(`http://[${host}]`).hostname.slice(1, -1), port }]
  if (isIP(host) === 4) return [{ host, port }]
  try {
    const { address } = await lookup(host)
    return [{ host: address, port }]
  } catch (error) {
    throw listenFailure('a listener', { host, port }, error)
  }
}
