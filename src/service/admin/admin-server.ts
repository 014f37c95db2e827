import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { isIP, Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { containFault, guardedListener } from '../../base/guard.ts'
import { descriptorOf } from '../../base/socket/stream-socket.ts'
import { unixAddress, unixPathOf } from '../../ingress/unix-socket.ts'
import type { ListenAddress } from '../config/fields/listen-address.ts'
import { type AdminAccess, accessRefusal, asksForCredentials } from './admin-access.ts'
import { type AdminActions, answerAdmin, text } from './admin-routes.ts'

/** What routes take is a handful of fields. */
const MAX_BODY_BYTES = 4_096

/** Where the admin server is, and who may use it. */
export interface AdminServerSettings {
  readonly address: ListenAddress
  /** PEM. Undefined: plain HTTP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined
  readonly access: AdminAccess
}

export interface AdminServer {
  readonly address: ListenAddress
  /** Of its listening socket, for a successor. Undefined: it has given that back. */
  readonly descriptor: number | undefined
  /** Gives the port back at once. Connections that are open are answered until close(). */
  release(): void
  close(): Promise<void>
}

/** Serves the admin routes, on an inherited socket if there is one, never on a listener's address. */
export async function startAdminServer(
  settings: AdminServerSettings,
  actions: AdminActions,
  inherited?: number,
): Promise<AdminServer> {
  const { address, tls, access } = settings
  const onRequest = guardedPerRequest((request, response) => respond(settings, actions, request, response))
  const server =
    tls === undefined
      ? createServer(onRequest)
      : createTlsServer(
          // Who shows no certificate may have a token, and is refused by route.
          {
            ...tls,
            ...(access.certificates !== undefined && clientCertificates(access.certificates.clientCa)),
          },
          onRequest,
        )
  await new Promise<void>((resolve, reject) => {
    const onListening = (): void => {
      server.off('error', reject)
      resolve()
    }
    server.once('error', reject)
    const guarded = guardedListener('starting the admin server', onListening, reject)
    const path = unixPathOf(address.host)
    if (inherited !== undefined) server.listen({ fd: inherited }, guarded)
    else if (path !== undefined) server.listen(path, guarded)
    else server.listen(address.port, address.host, guarded)
  })
  // An accept may fail later, when the process has no file descriptor left. The server lives on, and the next
  // accept may work.
  server.on('error', () => {})
  const closed = new Promise<void>(resolve => {
    server.once('close', resolve)
  })
  // http's own close() would end connections that are idle between two requests, though whoever polls
  // readiness over one is to read "draining" there.
  const release = (): void => {
    if (server.listening) Server.prototype.close.call(server)
  }
  return {
    address: addressOf(server) ?? address,
    get descriptor() {
      return descriptorOf(server)
    },
    release,
    async close() {
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** Where it listens; undefined: nowhere. */
function addressOf(server: Server): ListenAddress | undefined {
  const at = server.address()
  if (at === null) return undefined
  return typeof at === 'string' ? unixAddress(at) : { host: at.address, port: at.port }
}

/** Of a client certificate that was verified. */
function certificateNames(socket: Socket): readonly string[] | undefined {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined
  const { subject, subjectaltname = '' } = socket.getPeerCertificate()
  const alternatives = subjectaltname
    .split(', ')
    .flatMap(entry => /^(?:DNS|URI):(.+)$/.exec(entry)?.[1] ?? [])
  return [...alternatives, ...[subject.CN ?? []].flat()]
}

/** What goes wrong with one request ends that one, and its connection. */
function guardedPerRequest(
  answer: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    answer(request, response).catch((error: unknown) => {
      containFault('a request to the admin server', error, () => request.socket.destroy())
    })
  }
}

function clientCertificates(clientCa: string) {
  return { ca: clientCa, requestCert: true, rejectUnauthorized: false }
}

async function respond(
  { address, access }: AdminServerSettings,
  actions: AdminActions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { method = 'GET', headers } = request
  const target = targetOf(request.url ?? '/')
  if (target === undefined) {
    refuse(request, response, 400, 'the target of the request is no URL')
    return
  }
  const { pathname, searchParams: query } = target
  const { host, origin, 'sec-fetch-site': site } = headers
  const asked = { method, path: pathname, host, origin, site }
  const isOutOfReach = asksForCredentials(access) || unixPathOf(address.host) !== undefined
  const because = foreignBecause(asked, isOutOfReach ? undefined : address.host)
  if (because !== undefined) {
    refuse(request, response, 403, because)
    return
  }
  const refusal = accessRefusal(access, method, pathname, {
    authorization: headers.authorization,
    certificateNames: certificateNames(request.socket),
  })
  if (refusal !== undefined) {
    if (refusal.status === 401) response.setHeader('www-authenticate', 'Bearer realm="middlemile"')
    refuse(request, response, refusal.status, refusal.because)
    return
  }
  try {
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

/** Undefined: it is no URL. A path that begins with two slashes is a path, and names no host. */
function targetOf(url: string): URL | undefined {
  try {
    return new URL(url.startsWith('/') ? `http://admin${url}` : url, 'http://admin')
  } catch {
    return undefined
  }
}

function refuse(request: IncomingMessage, response: ServerResponse, status: number, because: string): void {
  request.resume()
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${because}\n`)
}

/** What a browser says of a request, and of the page that made it. */
export interface AskedBy {
  readonly method: string
  readonly path: string
  readonly host: string | undefined
  readonly origin: string | undefined
  readonly site: string | undefined
}

/** Monitors ask for these by whatever name they know, and a page that reads them learns little. */
const ANSWERED_TO_ANY_NAME: ReadonlySet<string> = new Set(['/metrics', '/healthz', '/readyz'])

/**
 * Why a request may come from a page of another site, in a browser that reaches us; undefined: it does not.
 * `ownHost` is the host of `admin.address`; undefined: credentials are asked for, which no page has, or it is
 * a Unix socket, which no browser reaches.
 *
 * 1. No CORS check applies to a plain POST. Browsers name the page's origin with it, and `null` where they
 *    hide that. Fetch Metadata tell the same, but go to https and to loopback only. Other clients send
 *    neither.
 * 2. A page may have its own name point to our address (DNS rebinding), and is of the same origin then. What
 *    it cannot have is an address, localhost, or a name that is the operator's. A browser shows another site
 *    neither our token nor, for its own name, a certificate that is ours.
 */
export function foreignBecause(
  { method, path, host, origin, site }: AskedBy,
  ownHost: string | undefined,
): string | undefined {
  const isReading = method !== 'POST'
  const asked = host === undefined ? undefined : parsed(`http://${host}`)
  if (!isReading) {
    const isOtherSite = site !== undefined && site !== 'same-origin' && site !== 'none'
    const isOtherOrigin = origin !== undefined && (asked === undefined || parsed(origin)?.host !== asked.host)
    if (isOtherSite || isOtherOrigin) return 'not from another site' // 1
  }
  // HTTP/1.0 may name no host; browsers always do.
  if (ownHost === undefined || host === undefined || (isReading && ANSWERED_TO_ANY_NAME.has(path)))
    return undefined
  return asked !== undefined && isOurs(asked.hostname, ownHost)
    ? undefined
    : `ask by an IP address, as localhost, or by the name in admin.address, not as ${JSON.stringify(host)}` // 2
}

function isOurs(hostname: string, ownHost: string): boolean {
  const isAddress = isIP(hostname.replace(/^\[(.*)\]$/, '$1')) !== 0
  return isAddress || hostname === 'localhost' || hostname === ownHost.toLowerCase()
}

function parsed(url: string): URL | undefined {
  try {
    return new URL(url)
  } catch {
    return undefined
  }
}
