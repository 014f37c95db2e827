import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { type RealServer, startRealServer } from './real-server.ts'
import { freePort } from './tcp-port.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'

export interface RedisOptions {
  readonly password?: string
  /** With TLS instead of plain TCP. */
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
  /** More arguments of redis-server. */
  readonly more?: readonly string[]
}

/** Debian's redis-server, which keeps nothing on disk: started again it has lost everything. */
export interface Redis extends AsyncDisposable {
  readonly port: number
  readonly server: RealServer
  readonly pid: number
  /** SIGKILL, and waits for its end. */
  kill(): Promise<void>
  /** One command by redis-cli, with its answer as text. */
  command(...words: readonly string[]): Promise<string>
  /** At the same port. */
  start(): Promise<void>
}

export async function startRedis({ password, tls, more = [] }: RedisOptions = {}): Promise<Redis> {
  const directory = makeTemporaryDirectory('redis')
  const port = await freePort()
  const words =
    tls === undefined
      ? `--port ${port}`
      : `--port 0 --tls-port ${port} --tls-auth-clients no --tls-cert-file ${tls.certFile} --tls-key-file ${tls.keyFile} --tls-ca-cert-file ${tls.caFile}`
  const start = async (): Promise<RealServer> =>
    await startRealServer({
      command: 'redis-server',
      args: [
        ...words.split(' '),
        ...'--bind 127.0.0.1 --appendonly no'.split(' '),
        '--save',
        '',
        '--dir',
        directory.path,
        ...(password === undefined ? [] : ['--requirepass', password]),
        ...more,
      ],
      ports: [port],
    })
  let server = await start()
  return {
    port,
    get server() {
      return server
    },
    get pid() {
      return server.pid
    },
    async command(...words) {
      const login = password === undefined ? [] : ['-a', password, '--no-auth-warning']
      const { stdout } = await promisify(execFile)('redis-cli', ['-p', String(port), ...login, ...words])
      return stdout
    },
    async kill() {
      await server.stop('SIGKILL')
    },
    async start() {
      server = await start()
    },
    async [Symbol.asyncDispose]() {
      await server.stop()
      directory.remove()
    },
  }
}
