import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from '../config/listen-address.ts'
import { text } from './admin-response.ts'
import { type AdminActions, answerAdmin } from './admin-routes.ts'

/** What routes take is a handful of fields. */
const MAX_BODY_BYTES = 4_096

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
  if (isForeignPage(request)) {
    request.resume()
    response.writeHead(403, { 'content-type': 'text/plain' }).end('not from another site\n')
    return
  }
  const { method = 'GET', url = '/' } = request
  try {
    const { pathname, searchParams: query } = new URL(url, 'http://admin')
    const body = await bodyOf(request)
    const answer =
      body === undefined
        ? text(413, `a body has ${MAX_BODY_BYTES} bytes at the most\n`)
        : await answerAdmin(actions, method, pathname, { query, body })
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

/** Undefined: it is too long. It is read to its end all the same, so that the answer can be. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request) {
    bytes += (chunk as Buffer).length // no encoding was set
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk as Buffer) // likewise
  }
  return bytes > MAX_BODY_BYTES ? undefined : Buffer.concat(chunks).toString('utf8')
}

/**
 * A page of another site may make a browser on this machine send us a POST (no CORS check applies to a plain one). Browsers say so
 * (Fetch Metadata); other clients do not send the field.
 */
function isForeignPage(request: IncomingMessage): boolean {
  const site = request.headers['sec-fetch-site']
  return request.method === 'POST' && site !== undefined && site !== 'same-origin' && site !== 'none'
}
