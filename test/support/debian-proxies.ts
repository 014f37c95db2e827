import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type RealServer, startRealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

/** A proxy that nobody here wrote, on 127.0.0.1. */
export interface DebianProxy extends AsyncDisposable {
  readonly port: number
  readonly server: RealServer
}

/** Allows tunnels to every port, and with `credentials` to nobody else. */
export function startTinyproxy(credentials?: { user: string; password: string }): Promise<DebianProxy> {
  const basic = credentials === undefined ? '' : `BasicAuth ${credentials.user} ${credentials.password}`
  return start('tinyproxy', ['-d', '-c'], port => [
    `Port ${port}`,
    'Listen 127.0.0.1',
    'Timeout 60',
    'MaxClients 50',
    'LogLevel Info',
    basic,
  ])
}

/** Its cache is off. `isStrict`: tunnels to port 443 alone, as Debian's own configuration has it. */
export function startSquid({ isStrict = false } = {}): Promise<DebianProxy> {
  return start('squid', ['-N', '-f'], (port, directory) => [
    `http_port 127.0.0.1:${port}`,
    ...(isStrict
      ? ['acl SSL_ports port 443', 'acl CONNECT method CONNECT', 'http_access deny CONNECT !SSL_ports']
      : []),
    'http_access allow all',
    'pid_filename none',
    'cache deny all',
    'access_log none',
    `cache_log ${join(directory, 'cache.log')}`,
    `coredump_dir ${directory}`,
    'shutdown_lifetime 0 seconds',
    'dns_v4_first on',
  ])
}

/** SOCKS5 for everybody, to everywhere. */
export function startDante(): Promise<DebianProxy> {
  return start('danted', ['-f'], port => [
    'logoutput: stderr',
    `internal: 127.0.0.1 port = ${port}`,
    'external: 127.0.0.1',
    'clientmethod: none',
    'socksmethod: none',
    'client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }',
    'socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }',
  ])
}

/** Takes CONNECT over HTTP/2 within TLS, and hands it to tinyproxy over HTTP/1.1. */
export async function startNghttpx(tls: { cert: string; key: string }): Promise<DebianProxy> {
  const behind = await startTinyproxy()
  const files = makeTemporaryDirectory('nghttpx')
  writeFileSync(join(files.path, 'cert.pem'), tls.cert)
  writeFileSync(join(files.path, 'key.pem'), tls.key, { mode: 0o600 })
  const proxy = await start('nghttpx', ['--conf'], port => [
    'http2-proxy=yes',
    `frontend=127.0.0.1,${port}`,
    `backend=127.0.0.1,${behind.port}`,
    `private-key-file=${join(files.path, 'key.pem')}`,
    `certificate-file=${join(files.path, 'cert.pem')}`,
    'workers=1',
    'single-process=yes',
  ])
  return {
    port: proxy.port,
    server: proxy.server,
    async [Symbol.asyncDispose]() {
      await proxy[Symbol.asyncDispose]()
      await behind[Symbol.asyncDispose]()
      files.remove()
    },
  }
}

async function start(
  command: string,
  options: readonly string[],
  configure: (port: number, directory: string) => readonly string[],
): Promise<DebianProxy> {
  const directory = makeTemporaryDirectory(command)
  try {
    const port = await freePort()
    const file = join(directory.path, 'proxy.conf')
    writeFileSync(file, `${configure(port, directory.path).join('\n')}\n`)
    const server = await startRealServer({
      command,
      args: [...options, file],
      ports: [port],
      startTimeoutMs: 20_000,
      // Squid waits for clients that it has none of.
      stopTimeoutMs: 200,
    })
    return {
      port,
      server,
      async [Symbol.asyncDispose]() {
        await server.stop()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}
