import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'

/** One request as a scripted origin reads it. */
export interface SeenRequest {
  /** `GET /path`. */
  readonly line: string
  /** The whole head, without the empty line. */
  readonly head: string
  /** Which connection, from 1 on, and which request on it, from 1 on. */
  readonly connection: number
  readonly place: number
  /** For whatever the script wants to happen. */
  readonly socket: Socket
  /** Resolves with the body when it is complete; never when it does not come. */
  body(): Promise<Buffer>
}

/** An origin that reads HTTP/1.1 requests and does with the socket what the script says, byte by byte. */
export interface ScriptedOrigin extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string
  readonly port: number
  /** Connections so far. */
  accepted(): number
  /** Connections that are open now. */
  open(): number
  /** Every request so far, in order, as `GET /path`. */
  readonly requests: readonly string[]
  /** Sockets that are open now. */
  readonly sockets: ReadonlySet<Socket>
}

/**
 * The script is called when the head of a request is there; the next request on a connection is read when its
 * body is complete.
 */
export async function startScriptedOrigin(script: (request: SeenRequest) => void): Promise<ScriptedOrigin> {
  const sockets = new Set<Socket>()
  const requests: string[] = []
  let accepted = 0
  const server = createServer({ allowHalfOpen: true, noDelay: true }, socket => {
    accepted++
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => {}) // clients may do as they like
    socket.on('end', () => socket.end())
    const reader = new RequestReader(socket, accepted, request => {
      requests.push(request.line)
      script(request)
    })
    socket.on('data', (chunk: Buffer) => reader.receive(chunk))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a server on a port has an AddressInfo
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    accepted: () => accepted,
    open: () => sockets.size,
    requests,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A response with a length. */
export function ok(body = 'ok', extraHeaders = ''): string {
  return `HTTP/1.1 200 OK\r\ncontent-length: ${Buffer.byteLength(body)}\r\n${extraHeaders}\r\n${body}`
}

/** Just enough of a parser: our own requests are well formed. */
class RequestReader {
  readonly #socket: Socket
  readonly #connection: number
  readonly #onRequest: (request: SeenRequest) => void
  #received: Buffer = Buffer.alloc(0)
  #place = 0
  #current: { head: string; resolve: (body: Buffer) => void } | undefined

  constructor(socket: Socket, connection: number, onRequest: (request: SeenRequest) => void) {
    this.#socket = socket
    this.#connection = connection
    this.#onRequest = onRequest
  }

  receive(chunk: Buffer): void {
    this.#received = Buffer.concat([this.#received, chunk])
    while (this.#readHead() || this.#readBody());
  }

  #readHead(): boolean {
    if (this.#current !== undefined) return false
    const end = this.#received.indexOf('\r\n\r\n')
    if (end < 0) return false
    const head = this.#received.toString('latin1', 0, end)
    this.#received = this.#received.subarray(end + 4)
    let resolve: (body: Buffer) => void = () => {}
    const body = new Promise<Buffer>(done => {
      resolve = done
    })
    this.#current = { head, resolve }
    this.#place++
    this.#onRequest({
      line: head.slice(0, head.indexOf(' HTTP/')),
      head,
      connection: this.#connection,
      place: this.#place,
      socket: this.#socket,
      body: () => body,
    })
    return true
  }

  #readBody(): boolean {
    if (this.#current === undefined) return false
    const { head, resolve } = this.#current
    const length = Number(/^content-length: (\d+)/m.exec(head)?.[1] ?? 0)
    let body = this.#received.subarray(0, length)
    let end: number
    if (head.includes('transfer-encoding: chunked')) {
      const chunks = readChunks(this.#received)
      if (chunks === undefined) return false
      body = chunks.body
      end = chunks.end
    } else {
      if (this.#received.length < length) return false
      end = length
    }
    this.#received = this.#received.subarray(end)
    this.#current = undefined
    resolve(Buffer.from(body))
    return this.#received.length > 0
  }
}

/** A complete chunked body without trailers, or undefined. */
function readChunks(bytes: Buffer): { body: Buffer; end: number } | undefined {
  const pieces: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = bytes.indexOf('\r\n', at)
    if (lineEnd < 0) return undefined
    const length = Number.parseInt(bytes.toString('latin1', at, lineEnd), 16)
    const start = lineEnd + 2
    if (bytes.length < start + length + 2) return undefined
    if (length === 0) return { body: Buffer.concat(pieces), end: start + 2 }
    pieces.push(bytes.subarray(start, start + length))
    at = start + length + 2
  }
}
