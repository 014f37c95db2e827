import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ServiceConfig } from '../../../src/service/index.ts'
import { startRealServer } from '../../../test/support/real-server.ts'
import { freePort } from '../../../test/support/tcp-port.ts'
import { builtFile, NOT_BUILT } from '../../lib/repository.ts'
import { HANGING_NAMES, plannedOrigin } from '../plan.ts'
import type { SoakProxy, SoakProxyParts } from './soak-proxy.ts'

/** Requests that took longer have a line in the log. */
const SLOW_REQUEST = '500ms'

/**
 * `middlemile serve` with a configuration file, with metrics, admin and log, and everything that the faults
 * do not concern at its default.
 */
export async function startMiddlemile({
  directory,
  addresses,
  certificates,
  resolver,
}: SoakProxyParts): Promise<SoakProxy> {
  const cli = builtFile('cli.js')
  if (cli === undefined) throw new Error(NOT_BUILT)
  const port = await freePort()
  const adminPort = await freePort()
  const origins: ServiceConfig['origins'] = {}
  for (const { name, scheme, ports } of addresses) {
    origins[name] = {
      url: `${scheme}://localhost:${ports.at(-1)}`,
      // The others go by name, and so by whoever looks names up.
      ...(ports.length > 1 && { endpoints: ports.map(endpoint => `127.0.0.1:${endpoint}`) }),
      hosts: [...plannedOrigin(name).hosts],
      ...(scheme === 'https' && { tls: { ca: certificates.caFile } }),
      ...(name === 'http3' && { protocols: ['h3'] }),
    }
  }
  for (const host of resolver === undefined ? [] : HANGING_NAMES.hosts) {
    origins[host.replace(/\..*/, '')] = { url: `http://${host}`, hosts: [host] }
  }
  const config: ServiceConfig = {
    listen: [{ address: `127.0.0.1:${port}` }],
    admin: { address: `127.0.0.1:${adminPort}` },
    log: { level: 'info', format: 'json', slowRequest: SLOW_REQUEST },
    origins,
  }
  const file = join(directory, 'middlemile.json')
  const logFile = join(directory, 'middlemile.log')
  writeFileSync(file, JSON.stringify(config, undefined, 2))
  const serve = [process.execPath, cli, 'serve', '-c', file]
  const server = await startRealServer({
    // Its log goes into a file, as a supervisor would have it: what reads a pipe has the CPU's turns as well.
    command: '/bin/sh',
    args: ['-c', 'exec "$@" >"$SOAK_LOG"', 'sh', ...(resolver?.wrap(serve) ?? serve)],
    env: { NODE_ENV: 'production', SOAK_LOG: logFile },
    ports: [port, adminPort],
  })
  return {
    name: 'middlemile',
    pid: server.pid,
    http1Port: port,
    http2Port: port,
    hasExited: () => server.hasExited(),
    output: () => server.output(),
    adminUrl: `http://127.0.0.1:${adminPort}`,
    logFile,
    [Symbol.asyncDispose]: () => server.stop(),
  }
}
