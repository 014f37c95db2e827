import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Where a tool lives on Debian when its package has another name. */
const PACKAGES: Readonly<Record<string, string>> = {
  cc: 'gcc libc6-dev',
  danted: 'dante-server',
  gtlsclient: 'ngtcp2-client',
  gtlsserver: 'ngtcp2-server',
  h2load: 'nghttp2-client',
  ip: 'iproute2',
  nghttp: 'nghttp2-client',
  nghttpd: 'nghttp2-server',
  nghttpx: 'nghttp2-proxy',
  nsenter: 'util-linux',
  taskset: 'util-linux',
  promtool: 'prometheus',
  setpriv: 'util-linux',
  ss: 'iproute2',
  tc: 'iproute2',
}

/** The path of a program, or undefined. Servers live in /usr/sbin, which a user's PATH often leaves out. */
export function findBinary(name: string): string | undefined {
  for (const directory of [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin']) {
    if (directory === '') continue
    const path = join(directory, name)
    try {
      accessSync(path, constants.X_OK)
      return path
    } catch {
      // not here: look on
    }
  }
  return undefined
}

/**
 * Undefined when all the programs are there, else the reason to skip, which names what to install. A test
 * says it in the report: `it('…', ctx => { const missing = requireBinary('nginx'); ctx.skip(missing !==
 * undefined, missing); … })`, a suite with `describe.skipIf(missing !== undefined)(…)`.
 */
export function requireBinary(...names: readonly string[]): string | undefined {
  const packages = new Set(
    names.filter(name => findBinary(name) === undefined).map(name => PACKAGES[name] ?? name),
  )
  if (packages.size === 0) return undefined
  const list = [...packages].join(' ')
  return `skipped: install ${list} with apt-get install ${list}`
}
