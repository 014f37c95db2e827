import { createServer, type IncomingMessage, request } from 'node:http'
import { Duplex } from 'node:stream'

/** One message as Node's own parser (llhttp) reads it, through node:http and a stream in memory. */
interface NodeMessage {
  method: string | undefined
  url: string | undefined
  status: number | undefined
  /** Flat, names in lower case. */
  headers: string[]
  trailers: string[]
  body: string
  isComplete: boolean
}

export interface NodeReading {
  messages: NodeMessage[]
  /** Status codes of 1xx responses. */
  informational: number[]
  /** The parser's error code, such as HPE_INVALID_CONSTANT. */
  errors: string[]
}

const LIMITS = { maxHeaderSize: 1_000_000 }

/** Lets everything happen that the bytes cause. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise(resolve => setImmediate(resolve))
}

function memorySocket(): Duplex {
  return new Duplex({ read: () => undefined, write: (_chunk, _encoding, callback) => callback() })
}

function collect(reading: NodeReading, message: IncomingMessage): NodeMessage {
  const record: NodeMessage = {
    method: message.method ?? undefined,
    url: message.url,
    status: message.statusCode ?? undefined,
    headers: lowerNames(message.rawHeaders),
    trailers: [],
    body: '',
    isComplete: false,
  }
  reading.messages.push(record)
  message.on('data', (chunk: Buffer) => void (record.body += chunk.toString('latin1')))
  message.on('error', () => undefined)
  message.on('end', () => {
    record.isComplete = message.complete
    record.trailers = lowerNames(message.rawTrailers)
  })
  return record
}

function lowerNames(list: readonly string[]): string[] {
  return list.map((text, i) => (i % 2 === 0 ? text.toLowerCase() : text))
}

let current: NodeReading = { messages: [], informational: [], errors: [] }
const server = createServer({ ...LIMITS, requireHostHeader: true })
const onRequest = (message: IncomingMessage, response: { end(): unknown }): void => {
  collect(current, message)
  // Answering earlier would throw the rest of the body away.
  message.on('end', () => response.end())
}
server.on('request', onRequest)
server.on('checkExpectation', onRequest)
server.on(
  'clientError',
  (error: NodeJS.ErrnoException) => void current.errors.push(error.code ?? error.message),
)
server.on('connect', () => undefined)

/** How a node:http server reads these bytes. */
export async function nodeReadsRequests(bytes: Buffer): Promise<NodeReading> {
  const reading: NodeReading = { messages: [], informational: [], errors: [] }
  current = reading
  const socket = memorySocket()
  socket.on('error', () => undefined)
  server.emit('connection', socket)
  socket.push(bytes)
  await settle()
  socket.destroy()
  return reading
}

/** How a node:http client reads these bytes as the answer to a request. */
export async function nodeReadsResponse(bytes: Buffer, method: string): Promise<NodeReading> {
  const reading: NodeReading = { messages: [], informational: [], errors: [] }
  const socket = memorySocket()
  const outgoing = request({ ...LIMITS, method, host: 'a', createConnection: () => socket })
  outgoing.on('response', message => void collect(reading, message))
  outgoing.on('information', ({ statusCode }) => void reading.informational.push(statusCode))
  outgoing.on('continue', () => undefined)
  outgoing.on(
    'error',
    (error: NodeJS.ErrnoException) => void reading.errors.push(error.code ?? error.message),
  )
  outgoing.end()
  await new Promise(resolve => setImmediate(resolve))
  socket.push(bytes)
  await settle()
  socket.push(null)
  await settle()
  socket.destroy()
  return reading
}
