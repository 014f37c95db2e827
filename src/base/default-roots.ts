import { readFileSync } from 'node:fs'
import * as tls from 'node:tls'

let roots: Buffer | undefined

/**
 * The authorities that node:tls trusts when nobody says otherwise, as PEM: TCP and QUIC to one origin must
 * agree about its certificate. Node 20 cannot be asked, so they are put together as it does: its own list,
 * and the file that NODE_EXTRA_CA_CERTS names.
 */
export function defaultRoots(): Buffer {
  roots ??= Buffer.from(fromRuntime().join('\n'), 'latin1')
  return roots
}

function fromRuntime(): readonly string[] {
  // Node 22.15 and later.
  if ('getCACertificates' in tls && typeof tls.getCACertificates === 'function') {
    const known: unknown = tls.getCACertificates('default')
    if (Array.isArray(known)) return known.map(String)
  }
  return [...tls.rootCertificates, ...extraRoots()]
}

/** Like Node, which warns about a file that it cannot read and goes on. */
function extraRoots(): readonly string[] {
  const path = process.env['NODE_EXTRA_CA_CERTS']
  if (path === undefined || path === '') return []
  try {
    return [readFileSync(path, 'latin1')]
  } catch {
    return []
  }
}
