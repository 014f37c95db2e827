import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/**
 * A request as an origin sees it.
 *
 * @example
 * ```ts
 * const describe = ({ method, path }: SeenRequest): string => `${method} ${path}`
 * const origin = await startQuickOrigin({ describe })
 * ```
 */
export interface SeenRequest {
  readonly method: string
  readonly path: string
  /** `1.1`, `2`, `3`. */
  readonly httpVersion: string
  /** Of the client: another one for each connection. */
  readonly remotePort: number
}

/**
 * What a test origin answers:
 *
 * | path | answer |
 * |---|---|
 * | `/` and all others | small JSON: method, path |
 * | `/bytes/N` | N bytes of a fixed pattern, with content-length; `/chunked/N` the same without |
 * | `/echo` | the request body, as it comes; in `x-request` JSON of method, url, rawHeaders |
 * | `/inspect` | JSON: method, url, rawHeaders, bodyBytes, bodySha256, trailers |
 * | `/slow?ms=N` | JSON after N ms |
 * | `/drip?n=N&ms=M` | N pieces of 10 bytes, M ms apart |
 * | `/trailers` | a chunked body with the trailer `x-checksum` |
 * | `/informational` | a 103 with a link, then JSON |
 * | `/redirect` | 302 to `/`; `/redirect?to=…` elsewhere |
 * | `/status/NNN` | that status |
 * | `/too-early` | 425 to a request that says that it came in early data (RFC 8470), JSON to others |
 * | `/abort` | a body that breaks off half-way, in cleartext with a reset |
 * | `/silent` | nothing, ever |
 */
export function answer(
  request: IncomingMessage,
  response: ServerResponse,
  describe?: (seen: SeenRequest) => string,
): void {
  const url = new URL(request.url ?? '/', 'http://origin')
  const [, first = '', second = ''] = url.pathname.split('/')
  const number = (name: string, fallback: number): number => Number(url.searchParams.get(name) ?? fallback)

  switch (first) {
    case 'bytes':
    case 'chunked': {
      const body = patternBytes(Number(second))
      if (first === 'bytes') response.setHeader('content-length', body.length)
      response.setHeader('content-type', 'application/octet-stream')
      sendLarge(response, body)
      break
    }
    case 'echo':
      echo(request, response)
      return
    case 'inspect':
      inspect(request, response)
      return
    case 'slow':
      setTimeout(sendJson, number('ms', 100), response, { slow: true }).unref()
      break
    case 'drip':
      drip(response, number('n', 5), number('ms', 20))
      break
    case 'trailers':
      response.writeHead(200, { 'content-type': 'text/plain', trailer: 'x-checksum' })
      response.write('with trailers')
      response.addTrailers({ 'x-checksum': 'abc123' })
      response.end()
      break
    case 'informational':
      response.writeEarlyHints({ link: '</style.css>; rel=preload; as=style' }, () =>
        sendJson(response, { informational: true }),
      )
      break
    case 'redirect':
      response.writeHead(302, { location: url.searchParams.get('to') ?? '/', 'content-length': 0 }).end()
      break
    case 'status':
      response.statusCode = Number(second)
      // Neither may have a body, and 204 no length either (RFC 9110 8.6); node:http would send one all the
      // same.
      if (second === '204' || second === '304') response.end()
      else sendJson(response, { status: Number(second) })
      break
    case 'too-early':
      if (request.headers['early-data'] === '1') response.statusCode = 425
      sendJson(response, { tooEarly: response.statusCode === 425 })
      break
    case 'abort':
      response.writeHead(200, { 'content-length': 1000 })
      response.write(Buffer.alloc(500), () => breakOff(request.socket))
      break
    case 'silent':
      break
    default:
      if (describe === undefined) sendJson(response, { method: request.method, path: request.url })
      else {
        const { method = '', url: path = '', httpVersion } = request
        const body = Buffer.from(
          describe({ method, path, httpVersion, remotePort: request.socket.remotePort ?? 0 }),
        )
        response
          .writeHead(200, { 'content-type': 'text/plain; charset=utf-8', 'content-length': body.length })
          .end(body)
      }
  }
  request.resume()
}

/** TLS cannot reset (Node throws): there the connection ends without a close_notify. */
function breakOff(socket: Socket): void {
  if (socket instanceof TLSSocket) socket.destroy()
  else socket.resetAndDestroy()
}

/** Accepts any upgrade and sends back what it gets, beginning with what came together with the request. */
export function upgradeToEcho(request: IncomingMessage, socket: Socket, head: Buffer): void {
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ${request.headers.upgrade}\r\n\r\n`,
  )
  socket.write(head)
  socket.pipe(socket)
}

/** The body of `/bytes/N`: byte i is i modulo 251, so that a shifted or repeated piece shows. */
export function patternBytes(length: number): Buffer {
  const bytes = Buffer.allocUnsafe(length)
  for (let i = 0; i < Math.min(length, 251); i++) bytes[i] = i
  // Each copy doubles what is there; a multiple of 251 stays in step with the pattern.
  for (let filled = 251; filled < length; filled *= 2)
    bytes.copy(bytes, filled, 0, Math.min(filled, length - filled))
  return bytes
}

const PIECE_BYTES = 65_536

/** Piece by piece, so that a slow reader holds up the writer and not the memory. */
function sendLarge(response: ServerResponse, body: Buffer): void {
  let offset = 0
  const more = (): void => {
    while (offset < body.length) {
      const piece = body.subarray(offset, offset + PIECE_BYTES)
      offset += piece.length
      if (!response.write(piece)) {
        response.once('drain', more)
        return
      }
    }
    response.end()
  }
  more()
}

function sendJson(response: ServerResponse, value: unknown): void {
  const body = Buffer.from(`${JSON.stringify(value)}\n`)
  response.setHeader('content-type', 'application/json')
  response.setHeader('content-length', body.length)
  response.end(body)
}

function echo(request: IncomingMessage, response: ServerResponse): void {
  const { method, url, rawHeaders } = request
  response.setHeader('x-request', JSON.stringify({ method, url, rawHeaders }))
  const type = request.headers['content-type']
  if (type !== undefined) response.setHeader('content-type', type)
  const length = request.headers['content-length']
  if (length !== undefined) response.setHeader('content-length', length)
  request.pipe(response)
}

function inspect(request: IncomingMessage, response: ServerResponse): void {
  const hash = createHash('sha256')
  let bodyBytes = 0
  request.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    bodyBytes += chunk.length
  })
  request.on('end', () => {
    const { method, url, rawHeaders, trailers } = request
    sendJson(response, { method, url, rawHeaders, bodyBytes, bodySha256: hash.digest('hex'), trailers })
  })
}

function drip(response: ServerResponse, pieces: number, everyMs: number): void {
  let sent = 0
  const timer = setInterval(() => {
    if (sent++ < pieces) {
      response.write(`${sent}`.padStart(9, '.') + '\n')
      return
    }
    clearInterval(timer)
    response.end()
  }, everyMs)
  response.once('close', () => clearInterval(timer))
}
