import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type RealServer, startRealServer } from './real-server.ts'

export interface NginxProcess {
  /** For pids, output and stopping. It changes with restart(). */
  readonly server: RealServer
  /**
   * SIGHUP; resolves when new workers run. Old ones finish what they have and close their idle connections.
   */
  reload(): Promise<void>
  /** Stops it and starts it again on the same ports: every connection breaks. */
  restart(): Promise<void>
}

export interface NginxProcessOptions {
  /** Holds the configuration, the pid file and the temporary files. */
  directory: string
  /** What stands inside `http { }`. */
  http: string
  ports: readonly number[]
  workers?: number
  cpu?: number | undefined
}

/**
 * Starts nginx in the foreground with everything it writes inside `directory`, as root or as anybody else.
 */
export async function startNginxProcess(options: NginxProcessOptions): Promise<NginxProcess> {
  const { directory, ports, cpu } = options
  const config = join(directory, 'nginx.conf')
  mkdirSync(join(directory, 'tmp'), { recursive: true })
  writeFileSync(config, nginxConfig(options))
  const launch = (): Promise<RealServer> =>
    startRealServer({ command: 'nginx', args: ['-e', 'stderr', '-p', directory, '-c', config], ports, cpu })
  let server = await launch()
  return {
    get server() {
      return server
    },
    async reload() {
      const before = new Set(server.processes().map(process => process.pid))
      server.signal('SIGHUP')
      const deadline = performance.now() + 5_000
      while (performance.now() < deadline) {
        if (server.processes().some(process => !before.has(process.pid))) return
        await sleep(10)
      }
      throw new Error(`nginx did not reload:\n${server.output()}`)
    },
    async restart() {
      await server.stop()
      server = await launch()
    },
  }
}

function nginxConfig({ directory, http, workers = 1 }: NginxProcessOptions): string {
  // As root, workers would change to the user that nginx was built with, who may not enter our directory
  // (mode 0700). Anybody else may not change user at all, and nginx warns when it is asked to.
  const user = process.getuid?.() === 0 ? 'user root;' : ''
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map(kind => `${kind}_temp_path ${directory}/tmp/${kind};`)
    .join(' ')
  return `${user}
worker_processes ${workers};
daemon off;
pid ${directory}/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  ${temporary}
  access_log off;
  server_tokens off;
  gzip off;
  tcp_nodelay on;
${http}
}
`
}
