import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from '../config/listen-address.ts'
import { type AdminActions, answerAdmin } from './admin-routes.ts'

export interface AdminServer {
  readonly address: ListenAddress
  close(): Promise<void>
}

/** Serves the admin routes. It is apart from the listeners: it answers while they drain, and never on their addresses. */
export async function startAdminServer(address: ListenAddress, actions: AdminActions): Promise<AdminServer> {
  const server = createServer((request, response) => {
    void respond(actions, request, response)
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(address.port, address.host, resolve)
  })
  const { address: host, port } = server.address() as AddressInfo // it listens on TCP
  return {
    address: { host, port },
    close: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

async function respond(
  actions: AdminActions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  request.resume()
  if (isForeignPage(request)) {
    response.writeHead(403, { 'content-type': 'text/plain' }).end('not from another site\n')
    return
  }
  const { method = 'GET', url = '/' } = request
  try {
    const path = new URL(url, 'http://admin').pathname
    const answer = await answerAdmin(actions, method, path)
    response.writeHead(answer.status, {
      'content-type': answer.contentType,
      'content-length': Buffer.byteLength(answer.text),
      'cache-control': 'no-store',
      ...(answer.allow !== undefined && { allow: answer.allow }),
    })
    response.end(method === 'HEAD' ? undefined : answer.text)
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    response.writeHead(500, { 'content-type': 'text/plain; charset=utf-8' }).end(`${message}\n`)
  }
}

/**
 * A page of another site may make a browser on this machine send us a POST (no CORS check applies to a plain one). Browsers say so
 * (Fetch Metadata); other clients do not send the field.
 */
function isForeignPage(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site']
  return request.method === 'POST' && site !== undefined && site !== 'same-origin' && site !== 'none'
}
