import { TransportError } from '../errors.ts'
import type { TlsOptions } from './options.ts'

const SHA256 = /^[0-9a-f]{64}$/

/** `tls.certificateHashes` as digests have them: lower case, no colons. Throws MM_INVALID_ARGUMENT. */
export function pinnedHashes(hashes: readonly string[]): readonly string[] {
  if (hashes.length === 0) throw invalid('is empty: nobody could be trusted')
  return hashes.map(given => {
    const hash = given.replaceAll(':', '').toLowerCase()
    if (!SHA256.test(hash)) throw invalid(`takes SHA-256 in hex, 64 digits, not ${JSON.stringify(given)}`)
    return hash
  })
}

/** Nobody looks at them over TCP, so that they must not seem to hold there. */
export function checkPinned({ certificateHashes }: TlsOptions, protocols: readonly string[]): void {
  if (certificateHashes === undefined) return
  pinnedHashes(certificateHashes)
  if (protocols.some(protocol => protocol !== 'h3'))
    throw invalid('is checked over HTTP/3 only: protocols has to be h3 alone')
}

function invalid(what: string): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', `tls.certificateHashes ${what}`)
}
