import { connect as connectHttp2 } from 'node:http2'
import { createServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { createServer as createTlsServer } from 'node:tls'
import { literals } from '../../test/support/http2-fields.ts'
import { FLAG, headers, PREFACE, settings, windowUpdate } from '../../test/support/http2-wire.ts'
import { serveJobs } from '../lib/child-program.ts'
import {
  CLIENT_FLOODS,
  FLOODING_HOST,
  type Flood,
  type FloodJob,
  type FloodReport,
  ORIGIN_FLOODS,
} from './floods.ts'
import { type AttackLimits, Http2Attacker } from './http2-attacker.ts'

/** A program: somebody who floods a proxy, or who is beside that and wants to be served. */
const BODY = Buffer.alloc(1024, 'x')
const PAUSE_MS = 5
/** So long an asked origin may take to begin. */
const PATIENCE_MS = 100
const NEIGHBOR_PAUSE_MS = 10
const NEIGHBOR_TIMEOUT_MS = 10_000

let attack:
  | { flood: Flood; limits: AttackLimits; sentBytes: number; connections: number; running: number }
  | undefined
let stopNeighbor: (() => Promise<FloodReport>) | undefined
serveJobs(run)

function run(job: FloodJob): Promise<FloodReport> {
  switch (job.kind) {
    case 'serve':
      return listening(
        createServer(job, (request, response) => request.resume().on('end', () => response.end(BODY))),
      )
    case 'serve-floods':
      return listening(
        createTlsServer({ cert: job.cert, key: job.key, ALPNProtocols: ['h2'] }, socket => {
          const attacker = new Http2Attacker(socket, 'origin')
          attacker.onRequest = streamId => {
            attacker.onRequest = undefined
            void floodAsked(attacker, streamId)
          }
        }),
      )
    case 'flood-as-client':
      return floodAsClient(job)
    case 'flood-as-origin':
      return floodAsOrigin(job)
    case 'neighbor-start':
      stopNeighbor = startNeighbor(job.port)
      return Promise.resolve({ port: job.port })
    default: // 'neighbor-stop'
      return stopNeighbor?.() ?? Promise.reject(new Error('there is no neighbor'))
  }
}

function listening(server: Server): Promise<FloodReport> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => resolve({ port: (server.address() as AddressInfo).port })) // on TCP
  })
}

type AttackJob = Extract<FloodJob, { flood: string }>

function named(floods: readonly Flood[], name: string): Flood {
  const flood = floods.find(one => one.name === name)
  if (flood === undefined) throw new Error(`there is no flood ${name}`)
  return flood
}

const limitsOf = ({ bytes, seconds }: AttackJob): AttackLimits => ({
  bytes,
  deadlineMs: performance.now() + seconds * 1000,
})

/** Over one connection after the other, until so much was sent. */
async function floodAsClient(job: AttackJob): Promise<FloodReport> {
  const flood = named(CLIENT_FLOODS, job.flood)
  const limits = limitsOf(job)
  let sentBytes = 0
  let connections = 0
  while (sentBytes < job.bytes && performance.now() < limits.deadlineMs) {
    const attacker = new Http2Attacker(
      connect({ port: job.port, host: '127.0.0.1', noDelay: true }),
      'client',
    )
    connections += 1
    sentBytes += await attacker.attack(flood, 1, { ...limits, bytes: job.bytes - sentBytes })
    attacker.end()
    await sleep(PAUSE_MS)
  }
  return { sentBytes, connections }
}

/**
 * Asks the proxy for what the flooding origin has, one request after the other, until that has sent so much.
 */
async function floodAsOrigin(job: AttackJob): Promise<FloodReport> {
  const limits = limitsOf(job)
  attack = { flood: named(ORIGIN_FLOODS, job.flood), limits, sentBytes: 0, connections: 0, running: 0 }
  const block = literals(
    [':method', 'GET'],
    [':scheme', 'http'],
    [':authority', FLOODING_HOST],
    [':path', '/'],
  )
  const request = headers(1, block, FLAG.END_HEADERS | FLAG.END_STREAM)
  while (attack.sentBytes < job.bytes && performance.now() < limits.deadlineMs) {
    const socket = connect({ port: job.port, host: '127.0.0.1' })
    socket.on('error', () => {}).resume()
    // With windows for all that may come.
    socket.write(Buffer.concat([PREFACE, settings({ 4: 0x7fffffff }), windowUpdate(0, 0x7fff0000), request]))
    do await sleep(PATIENCE_MS)
    while (attack.running > 0)
    socket.destroy()
  }
  const { sentBytes, connections } = attack
  attack = undefined
  return { sentBytes, connections }
}

async function floodAsked(attacker: Http2Attacker, streamId: number): Promise<void> {
  const mine = attack
  if (mine === undefined) return attacker.end()
  mine.connections += 1
  mine.running += 1
  mine.sentBytes += await attacker.attack(mine.flood, streamId, mine.limits)
  mine.running -= 1
  attacker.end()
}

/** One request at a time over a connection of its own that is kept. */
function startNeighbor(port: number): () => Promise<FloodReport> {
  const session = connectHttp2(`http://127.0.0.1:${port}`)
  session.on('error', () => {})
  const times: number[] = []
  let failures = 0
  let isOver = false
  const ask = (): Promise<boolean> =>
    new Promise(resolve => {
      const stream = session.request({ ':path': '/1k' })
      let status = 0
      stream.setTimeout(NEIGHBOR_TIMEOUT_MS, () => stream.close())
      stream.on('response', head => void (status = head[':status'] ?? 0))
      stream.on('error', () => {}).on('close', () => resolve(status === 200))
      stream.resume()
    })
  const loop = (async () => {
    while (!isOver && !session.closed) {
      const beganAt = performance.now()
      if (await ask()) times.push(performance.now() - beganAt)
      else failures += 1
      await sleep(NEIGHBOR_PAUSE_MS)
    }
  })()
  return async () => {
    isOver = true
    await loop
    session.destroy()
    times.sort((a, b) => a - b)
    return { p99Ms: times[Math.floor(times.length * 0.99)] ?? Number.NaN, requests: times.length, failures }
  }
}
