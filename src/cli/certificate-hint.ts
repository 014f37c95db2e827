import { type TlsHint, tlsHintOf } from '../base/tls-hints.ts'
import type { ErrorCode } from '../index.ts'

const NO_CHECK = '--insecure (-k) does without the check'
const TRUST = `if it is yours: --ca FILE trusts the PEM certificates in FILE; ${NO_CHECK}`

/** The way out by what is wrong with a certificate, in the options of every command that connects. */
const CERTIFICATE_HINTS: Partial<Readonly<Record<TlsHint, string>>> = {
  selfSigned: `if it is yours: --ca FILE trusts it, once FILE holds this very certificate (PEM); ${NO_CHECK}`,
  untrusted: TRUST,
  expired: `renew it at the origin, and check the clock of this machine; until then ${NO_CHECK}`,
  notYetValid: `check the clock of this machine, and the dates of the certificate; ${NO_CHECK}`,
  names: `use a URL whose host the certificate names; ${NO_CHECK}`,
  revoked: `its authority has revoked it: the origin needs another one; ${NO_CHECK}`,
  broken: `it is not made as it should be: the origin needs another one; ${NO_CHECK}`,
}

/**
 * What to do about an error in the words of a command. Undefined: it is not about a certificate, and its own
 * hint says it.
 */
export function certificateHint(error: {
  readonly code?: ErrorCode | undefined
  readonly hint?: string | undefined
}): string | undefined {
  if (error.code !== 'MM_TLS_CERTIFICATE') return undefined
  const cause = tlsHintOf(error.hint)
  return (cause && CERTIFICATE_HINTS[cause]) ?? TRUST
}
