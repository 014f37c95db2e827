import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import { seededRandom } from '../../../src/base/seeded-random.ts'
import { parseRequestPath, payload } from '../payload.ts'
import type { OriginName } from '../plan.ts'
import { OriginLog } from '../soak-logs.ts'

/**
 * A program: one origin of the soak over HTTP/1.1, on node:http, with the fault of its name. Its only
 * argument is OriginJob as JSON; it sends `ready` when it listens, and lives until its parent goes.
 */
export interface OriginJob {
  readonly name: OriginName
  readonly port: number
  readonly logFile: string
  readonly seed: number
  readonly tls?: { readonly certFile: string; readonly keyFile: string } | undefined
}

const job = JSON.parse(process.argv[2] ?? '{}') as OriginJob // start-origins.ts writes it
const log = new OriginLog(job.logFile)
const random = seededRandom(job.seed)
const isClosing = job.name === 'closing'
/** Sockets that carry a request. */
const busy = new WeakSet<Socket>()
/** What closes the others. */
const idleTimers = new WeakMap<Socket, NodeJS.Timeout>()

const server = makeServer()
server.keepAliveTimeout = 0 // ours ends them, without announcing it in a field
server.requestTimeout = 0
server.on('request', receive)
server.on(job.tls === undefined ? 'connection' : 'secureConnection', onConnection)
server.listen(job.port, '127.0.0.1', 1024, () => process.send?.('ready'))
process.once('disconnect', () => process.exit(0))

function makeServer(): Server {
  if (job.tls === undefined) return createServer()
  const { certFile, keyFile } = job.tls
  return createTlsServer({ cert: readFileSync(certFile), key: readFileSync(keyFile) })
}

function onConnection(socket: Socket): void {
  socket.setNoDelay(true)
  socket.on('error', () => {})
  // Before or after its first request has arrived, as it comes.
  if (isClosing && random() < 0.02) setTimeout(() => socket.destroy(), random() * 10)
}

function receive(request: IncomingMessage, response: ServerResponse): void {
  const { socket } = request
  const target = parseRequestPath(request.url ?? '')
  if (target === undefined) {
    response.writeHead(404, { 'content-length': 0 }).end()
    return
  }
  clearTimeout(idleTimers.get(socket))
  busy.add(socket)
  response.once('close', () => onAnswered(socket))
  const { id, bytes } = target
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('error', () => {}) // the client has gone
  request.on('end', () => {
    const body = Buffer.concat(chunks)
    if (request.method === 'POST') log.processed(id)
    if (body.length > 0 && !body.equals(payload(id, body.length))) {
      response.writeHead(400, { 'content-length': 0, 'x-soak-id': id, 'x-soak-body': 'wrong' }).end()
    } else if (!spoils(socket, id, bytes)) answer(request, response, id, bytes)
  })
}

function onAnswered(socket: Socket): void {
  busy.delete(socket)
  if (job.name === 'short-keepalive') closeLater(socket, 50)
  if (!isClosing) return
  // Right behind the answer, or at some moment.
  if (random() < 0.03) socket.end()
  else closeLater(socket, -Math.log(1 - random()) * 300)
}

/**
 * Closes it unless a request has come by then. Node's timers run before what has arrived is read, and would
 * close on it: servers like nginx read first, and so does this one.
 */
function closeLater(socket: Socket, afterMs: number): void {
  const close = (): void => {
    if (!busy.has(socket)) socket.destroy()
  }
  idleTimers.set(
    socket,
    setTimeout(() => setImmediate(close), afterMs),
  )
}

/** Whether the fault of this origin befell the request. */
function spoils(socket: Socket, id: string, bytes: number): boolean {
  if (isClosing && random() < 0.01) {
    log.fault(id, 'unanswered')
    socket.destroy()
    return true
  }
  if (job.name !== 'faulty') return false
  const lot = random()
  const half = payload(id, bytes >> 1)
  if (lot < 0.007) {
    log.fault(id, 'malformed')
    socket.end('HTP/1.1 two hundred\r\nx soak\r\n\r\n')
  } else if (lot < 0.014) {
    log.fault(id, 'truncated')
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\nx-soak-id: ${id}\r\n\r\n`)
    socket.end(half)
  } else if (lot < 0.02) {
    log.fault(id, 'reset')
    socket.write(`HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nx-soak-id: ${id}\r\n\r\n`)
    socket.write(`${half.length.toString(16)}\r\n`)
    socket.write(half, () => socket.resetAndDestroy())
  } else return false
  return true
}

function answer(request: IncomingMessage, response: ServerResponse, id: string, bytes: number): void {
  const body = payload(id, bytes)
  response.setHeader('x-soak-id', id)
  // One in four has no length, and is chunked.
  if (random() < 0.75 || request.method === 'HEAD') response.setHeader('content-length', bytes)
  if (job.name !== 'slow') {
    response.end(body)
    return
  }
  const lot = random()
  if (lot < 0.5) setTimeout(() => response.end(body), random() * 300)
  else if (lot < 0.95) drip(response, body, Math.ceil(bytes / 8), random() * 30)
  else setTimeout(() => response.end(body), 500 + random() * 2_000)
}

function drip(response: ServerResponse, body: Buffer, piece: number, everyMs: number): void {
  if (response.destroyed) return
  response.write(body.subarray(0, piece))
  const rest = body.subarray(piece)
  if (rest.length === 0) response.end()
  else setTimeout(() => drip(response, rest, piece, everyMs), everyMs)
}
