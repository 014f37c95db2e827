import { connect } from 'node:net'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { UNDECIDING } from '../../src/bench/clients/client-settings.ts'
import {
  type DispatchHandle,
  type ExchangeController,
  type ExchangeHandler,
  NO_HEADERS,
} from '../../src/entry/dispatch.ts'
import { createTransport, parseOrigin, type Transport, TransportError } from '../../src/index.ts'
import { serveJobs } from '../lib/child-program.ts'
import type { FirstByteJob, FirstByteReport, FirstByteSetting } from './first-byte-rows.ts'

/**
 * A program: one cold connection after the other, each with the time to its first byte. Arguments: setting as
 * JSON.
 */
const setting = JSON.parse(process.argv[2] ?? '{}') as FirstByteSetting // written by first-byte-client.ts
const transports = new Map<string, Transport>()

const PATIENCE_MS = 10_000
/** No server of the bench answers with more. */
const MAX_BODY_BYTES = 64 * 1024
serveJobs(run)

function run(job: FirstByteJob): Promise<FirstByteReport> {
  if (job.kind === 'transport') return overTransport(job)
  return job.kind === 'proxy' ? overProxy(job) : overConnect(job)
}

type TransportJob = Extract<FirstByteJob, { kind: 'transport' }>

async function overTransport(job: TransportJob): Promise<FirstByteReport> {
  const url = new URL(job.url)
  const transport = transports.get(job.name) ?? makeTransport(job)
  transports.set(job.name, transport)
  const origin = parseOrigin(url.origin)
  const reader = new FirstByteReader()
  const startedAt = performance.now()
  const request = { method: 'GET', path: url.pathname, headers: NO_HEADERS, body: null }
  const handle: DispatchHandle = transport.dispatch(origin, request, reader)
  const timer = setTimeout(() => handle.abort(new TransportError('MM_ABORTED', 'no answer')), PATIENCE_MS)
  try {
    await reader.ended
  } finally {
    clearTimeout(timer)
  }
  await nextTurn() // what became of early data is written down behind the handler
  const { connection } = handle
  if (handle.reused || handle.retries > 0)
    throw new Error(`a connection was reused, or the request sent again ${handle.retries} times`)
  const { attempts: _, ...handshake } = connection?.handshake ?? neverThere()
  const { status, body } = reader
  return { ms: reader.headAt - startedAt, status, body, protocol: connection?.protocol, handshake }
}

function makeTransport({ options, keepsTickets }: TransportJob): Transport {
  return createTransport({
    // Each request has a connection of its own.
    defaults: {
      select: UNDECIDING,
      ...options,
      tls: { ...options.tls, ca: setting.ca },
      pool: { maxRequests: 1 },
    },
    tickets: keepsTickets ? {} : { maxPeers: 0 },
    resolve: setting.resolve,
  })
}

function neverThere(): never {
  throw new Error('there was no connection')
}

/** Keeps a short body. */
class FirstByteReader implements ExchangeHandler {
  readonly ended: Promise<void>
  headAt = Number.NaN
  status = 0
  body = ''
  #resolve: () => void = () => {}
  #reject: (error: Error) => void = () => {}

  constructor() {
    this.ended = new Promise((resolve, reject) => {
      this.#resolve = resolve
      this.#reject = reject
    })
  }

  onRequestStart(): void {
    // nothing to abort
  }

  onInformational(): void {
    // nobody here sends one
  }

  onResponseStart(_controller: ExchangeController, status: number): void {
    this.headAt = performance.now()
    this.status = status
  }

  onResponseData(_controller: ExchangeController, chunk: Buffer): void {
    if (this.body.length < MAX_BODY_BYTES) this.body += chunk.toString('latin1')
  }

  onResponseEnd(): void {
    this.#resolve()
  }

  onUpgrade(): void {
    this.#reject(new Error('unexpected upgrade'))
  }

  onResponseError(_controller: ExchangeController | undefined, error: Error): void {
    this.#reject(error)
  }
}

type ProxyJob = Extract<FirstByteJob, { kind: 'proxy' }>

/** The connection to the proxy is new as well, and over loopback: a tenth of a millisecond. */
function overProxy({ port, authority, path }: ProxyJob): Promise<FirstByteReport> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    let firstAt = Number.NaN
    let text = ''
    const socket = connect(port, '127.0.0.1')
    socket.setNoDelay(true)
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('the proxy is silent')))
    socket.write(`GET ${path} HTTP/1.1\r\nhost: ${authority}\r\nconnection: close\r\n\r\n`)
    socket.setEncoding('latin1').on('data', (chunk: string) => {
      if (text === '') firstAt = performance.now()
      if (text.length < MAX_BODY_BYTES) text += chunk
    })
    socket.once('error', reject).once('end', () => {
      socket.destroy()
      const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0)
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      resolve({ ms: firstAt - startedAt, status, body, protocol: undefined, handshake: undefined })
    })
  })
}

type ConnectJob = Extract<FirstByteJob, { kind: 'connect' }>

function overConnect({ address, port }: ConnectJob): Promise<FirstByteReport> {
  return new Promise((resolve, reject) => {
    const startedAt = performance.now()
    const socket = connect(port, address)
    socket.setTimeout(PATIENCE_MS, () => socket.destroy(new Error('no connection')))
    socket.once('error', reject).once('connect', () => {
      const ms = performance.now() - startedAt
      socket.destroy()
      resolve({ ms, status: 0, body: '', protocol: undefined, handshake: undefined })
    })
  })
}
