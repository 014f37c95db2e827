import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import tls from 'node:tls'

/** What tells OpenSSL and Node where to find authorities, beside the options of an origin. */
const PLACES = ['SSL_CERT_FILE', 'SSL_CERT_DIR'] as const
const FLAGS = /--use-(?:openssl|bundled|system)-ca/g

/**
 * What the runtime itself trusts, as a hash. Within a process it does not change, so that peer keys leave it
 * out; tickets that outlive the process must not meet another one, in which the certificate that vouches for
 * them would not be accepted.
 */
export function runtimeTrust(
  environment: NodeJS.ProcessEnv = process.env,
  flags: readonly string[] = process.execArgv,
  authorities: readonly string[] | undefined = defaultAuthorities(),
): string {
  const extra = environment['NODE_EXTRA_CA_CERTS']
  const chosen = [...flags, environment['NODE_OPTIONS'] ?? ''].join(' ').match(FLAGS)
  const parts = [
    process.version, // the built-in list of authorities comes with Node
    extra === undefined || extra === '' ? null : contents(extra),
    chosen,
    authorities ?? null,
    ...PLACES.map(name => environment[name] ?? null),
  ]
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

/**
 * The list that a program may replace while it runs: tls.setDefaultCACertificates, from Node 22.19 and 24.5
 * on. Undefined: it cannot. What it does after the transport was made is not seen.
 */
function defaultAuthorities(): readonly string[] | undefined {
  // What the types of Node 20 do not know yet.
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] }
  return getCACertificates?.('default')
}

/** Node warns of a file that it cannot read, and goes on without it; so do we. */
function contents(file: string): string {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('base64url')
  } catch {
    return ''
  }
}
