import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Nginx, NginxOptions } from './nginx.ts'
import { makeTemporaryDirectory } from './temporary-directory.ts'
import { until } from './until.ts'

/** An nginx that writes down every request that it has read, as `GET /path`. */
export interface LoggedNginx extends AsyncDisposable {
  readonly nginx: Nginx
  /** All so far, sorted. Asks nginx something first, so that what it has answered by then is written. */
  lines(): Promise<string[]>
}

/** `start` is given what makes it log, beside `extraServer`. */
export async function nginxLog(
  extraServer: string,
  start: (options: NginxOptions) => Promise<Nginx>,
): Promise<LoggedNginx> {
  const directory = makeTemporaryDirectory('nginx-log')
  const file = join(directory.path, 'requests')
  try {
    const nginx = await start({
      extraHttp: "log_format requests '$request_method $uri';",
      extraServer: `access_log ${file} requests; ${extraServer}`,
    })
    return {
      nginx,
      async lines() {
        await (await fetch(`${nginx.plainUrl}/log-is-read`)).arrayBuffer()
        await until(
          () => existsSync(file) && readFileSync(file, 'latin1').includes('/log-is-read'),
          'the log of nginx',
        )
        return readFileSync(file, 'latin1')
          .trim()
          .split('\n')
          .filter(line => !/log-is-read|nginx-status/.test(line))
          .toSorted()
      },
      async [Symbol.asyncDispose]() {
        await nginx.stop()
        directory.remove()
      },
    }
  } catch (error) {
    directory.remove()
    throw error
  }
}
