import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type Dispatcher, Pool } from 'undici'
import { UPSTREAM_CONNECTIONS } from './peer.ts'

/**
 * A forwarding proxy on node:http and undici 7, made as strong as these two allow: dispatch() instead of
 * request(), raw headers both ways, no streams for responses, small bodies in one write with their head. It
 * uses undici's older handler methods (onHeaders and its like): undici 7 calls those directly and wraps the
 * newer ones.
 *
 * Arguments: our port, the origin's port, the origin's name, the file with the authority to trust.
 */
const [listenPort = '', originPort = '', serverName = '', caFile = ''] = process.argv.slice(2)

const pool = new Pool(`https://127.0.0.1:${originPort}`, {
  connections: UPSTREAM_CONNECTIONS,
  pipelining: 1,
  headersTimeout: 0,
  bodyTimeout: 0,
  keepAliveTimeout: 300_000,
  keepAliveMaxTimeout: 600_000,
  allowH2: false,
  connect: { ca: readFileSync(caFile, 'utf8'), servername: serverName },
})

/** Fields of one hop (RFC 9110 7.6.1). `host` goes as well: undici writes its own. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])
/** Most names are none of these by their length alone: no lower-casing, no lookup. */
const HOP_BY_HOP_LENGTHS = new Set([...HOP_BY_HOP].map(name => name.length))

function isHopByHop(name: string): boolean {
  return HOP_BY_HOP_LENGTHS.has(name.length) && HOP_BY_HOP.has(name.toLowerCase())
}

function requestHeaders(raw: readonly string[]): string[] {
  const headers = ['host', serverName]
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] ?? ''
    if (isHopByHop(name) || (name.length === 4 && name.toLowerCase() === 'host')) continue
    headers.push(name, raw[i + 1] ?? '')
  }
  return headers
}

/**
 * What Buffer.toString('latin1') comes to, without its look at the arguments. Every Buffer has it; its types
 * do not tell.
 */
interface Latin1Sliceable {
  latin1Slice(): string
}

function latin1(bytes: Buffer | undefined): string {
  return bytes === undefined ? '' : (bytes as unknown as Latin1Sliceable).latin1Slice() // see Latin1Sliceable
}

class Forwarding implements Dispatcher.DispatchHandler {
  readonly #response: ServerResponse
  #status = 0
  #headers: string[] | undefined
  #contentLength = -1
  #resume: () => void = () => undefined
  #complete = false

  constructor(response: ServerResponse) {
    this.#response = response
  }

  onConnect(abort: () => void): void {
    this.#response.once('close', () => {
      if (!this.#complete) abort()
    })
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void): boolean {
    if (status < 200) return true
    const headers: string[] = []
    for (let i = 0; i < raw.length; i += 2) {
      const name = latin1(raw[i])
      if (isHopByHop(name)) continue
      const value = latin1(raw[i + 1])
      if (name.length === 14 && name.toLowerCase() === 'content-length') this.#contentLength = Number(value)
      headers.push(name, value)
    }
    this.#status = status
    this.#headers = headers
    this.#resume = resume
    return true
  }

  onData(chunk: Buffer): boolean {
    const response = this.#response
    if (this.#headers !== undefined) {
      this.#writeHead(this.#headers)
      if (chunk.length === this.#contentLength) {
        response.end(chunk)
        return true
      }
    }
    if (response.write(chunk)) return true
    response.once('drain', this.#resume)
    return false
  }

  onComplete(): void {
    this.#complete = true
    if (this.#headers !== undefined) this.#writeHead(this.#headers)
    if (!this.#response.writableEnded) this.#response.end()
  }

  onError(error: Error): void {
    this.#complete = true
    const response = this.#response
    if (response.headersSent || response.destroyed) response.destroy(error)
    else response.writeHead(502, ['content-length', '0']).end()
  }

  #writeHead(headers: string[]): void {
    this.#headers = undefined
    this.#response.sendDate = false // the origin's Date is passed on
    this.#response.writeHead(this.#status, headers)
  }
}

function hasBody(request: IncomingMessage): boolean {
  return (
    request.headers['transfer-encoding'] !== undefined || (request.headers['content-length'] ?? '0') !== '0'
  )
}

const server = createServer(
  { noDelay: true, keepAliveTimeout: 300_000, requestTimeout: 0 },
  (request, response) => {
    pool.dispatch(
      {
        path: request.url ?? '/',
        method: request.method ?? 'GET',
        headers: requestHeaders(request.rawHeaders),
        body: hasBody(request) ? request : null,
      },
      new Forwarding(response),
    )
  },
)
server.headersTimeout = 0
server.listen(Number(listenPort), '127.0.0.1')
