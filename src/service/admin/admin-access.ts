import { createHash, timingSafeEqual } from 'node:crypto'

/** `read`: whatever changes nothing. `change`: everything. */
type AdminRole = 'read' | 'change'

/** How requests to the admin server prove who they are. */
export interface AdminAccess {
  /** What `Authorization: Bearer` has to say (RFC 6750). */
  readonly tokens: { readonly [Role in AdminRole]?: string | undefined }
  /** Client certificates are asked for. `changers` may change things, by name; undefined: all of them. */
  readonly certificates:
    | { readonly clientCa: string; readonly changers: readonly string[] | undefined }
    | undefined
}

/** What a request shows. */
export interface AdminCredentials {
  readonly authorization: string | undefined
  /** DNS names, URIs and the common name of a client certificate that was verified. Undefined: none was. */
  readonly certificateNames: readonly string[] | undefined
}

/** Orchestrators ask for these from anywhere, and they tell nothing. */
const ANSWERED_TO_ANYBODY: ReadonlySet<string> = new Set(['/healthz', '/readyz'])

/** False: whoever reaches the server may do everything, as on loopback without a token. */
export function asksForCredentials({ tokens, certificates }: AdminAccess): boolean {
  return tokens.read !== undefined || tokens.change !== undefined || certificates !== undefined
}

/**
 * Why a request is not answered. 401: it shows nothing that counts. 403: that is not enough. Undefined: it
 * is answered.
 */
export function accessRefusal(
  access: AdminAccess,
  method: string,
  path: string,
  credentials: AdminCredentials,
): { readonly status: 401 | 403; readonly because: string } | undefined {
  if (!asksForCredentials(access) || ANSWERED_TO_ANYBODY.has(path)) return undefined
  const role = roleOf(access, credentials)
  if (role === undefined) return { status: 401, because: 'a token or a client certificate is asked for' }
  if (role === 'change' || method === 'GET' || method === 'HEAD') return undefined
  return { status: 403, because: 'this token or certificate may only read' }
}

function roleOf(
  { tokens, certificates }: AdminAccess,
  { authorization, certificateNames }: AdminCredentials,
): AdminRole | undefined {
  const token = /^Bearer +(\S+) *$/i.exec(authorization ?? '')?.[1]
  const byToken = (['change', 'read'] as const).find(
    role => token !== undefined && isSame(token, tokens[role]),
  )
  if (byToken === 'change') return byToken
  if (certificates === undefined || certificateNames === undefined) return byToken
  const { changers } = certificates
  return changers === undefined || certificateNames.some(name => changers.includes(name)) ? 'change' : 'read'
}

/** Takes as long whatever differs, their lengths too: digests are compared. */
function isSame(given: string, expected: string | undefined): boolean {
  return expected !== undefined && timingSafeEqual(digest(given), digest(expected))
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
