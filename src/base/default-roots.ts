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
  return runtimeRoots() ?? [...tls.rootCertificates, ...extraRoots()]
}

/**
 * What the runtime trusts now, by its own word. Undefined: it cannot be asked, before Node 22.15.
 * `Reflect` keeps the name from bundlers: an import of it, which webpack makes of
 * `tls.getCACertificates`, fails to link there.
 */
export function runtimeRoots(): readonly string[] | undefined {
  const ask: unknown = Reflect.get(tls, 'getCACertificates')
  const known: unknown = typeof ask === 'function' ? ask('default') : undefined
  return Array.isArray(known) ? known.map(String) : undefined
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
