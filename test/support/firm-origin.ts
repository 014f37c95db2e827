import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Nginx, startNginx } from './nginx.ts'

/** nginx before a server that has so many places and takes so long for each answer, and not a bit more. */
export interface FirmOrigin extends AsyncDisposable {
  readonly nginx: Nginx
  /** nginx answers 503 at once when all places are taken. */
  readonly refusing: string
  /** Who finds no place waits for one, in an endless queue; what nobody waits for any more is worked on as well. */
  readonly queueing: string
  /** Answers that were worked out so far. */
  readonly worked: number
}

export async function startFirmOrigin(places: number, serviceMs: number): Promise<FirmOrigin> {
  const queue: ServerResponse[] = []
  let busy = 0
  let worked = 0
  const next = (): void => {
    const response = queue.shift()
    if (response === undefined) return
    busy += 1
    setTimeout(() => {
      busy -= 1
      worked += 1
      response.end('done') // or to nobody
      next()
    }, serviceMs)
  }
  const server = createServer((_request, response) => {
    queue.push(response)
    if (busy < places) next()
  })
  server.keepAliveTimeout = 60_000
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // of a server on a port
  const proxied = 'proxy_pass http://work; proxy_http_version 1.1; proxy_set_header connection "";'
  const nginx = await startNginx({
    keepaliveRequests: 1_000_000,
    extraHttp: `
  limit_conn_zone $server_name zone=firm:1m;
  limit_conn_log_level info;
  upstream work { server 127.0.0.1:${port}; keepalive 64; }`,
    extraServer: `
    location /refusing { limit_conn firm ${places}; ${proxied} }
    location /queueing { ${proxied} }`,
  })
  return {
    nginx,
    refusing: `${nginx.plainUrl}/refusing`,
    queueing: `${nginx.plainUrl}/queueing`,
    get worked() {
      return worked
    },
    async [Symbol.asyncDispose]() {
      await nginx.stop()
      server.closeAllConnections()
      server.close()
    },
  }
}
