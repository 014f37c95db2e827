import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { seededRandom } from '../../base/seeded-random.ts'
import type { Conditions, PathConditions } from './conditions.ts'
import type { OpenedPath, PathTarget } from './open-path.ts'

/**
 * How far above the wanted round trip a measured one may be: that share of it and so many milliseconds. It
 * may never be below.
 */
interface PathTolerance {
  readonly share: number
  readonly ms: number
}

export type PathTolerances = Readonly<Record<'tcp' | 'udp', PathTolerance>>

/**
 * Medians. `connectMs` is what a first answer takes longer than a later one: a difference of two medians, and
 * never checked by itself.
 */
export interface PathMeasurement {
  readonly tcp: { readonly connectMs: number; readonly roundTripMs: number }
  /** Undefined: no datagrams pass. */
  readonly udp: { readonly roundTripMs: number } | undefined
}

export interface MeasurePathOptions {
  readonly open: (target: PathTarget) => Promise<OpenedPath>
  readonly close: (path: number) => Promise<void>
  readonly conditions: PathConditions
  readonly hasUdp: boolean
  readonly tolerances: PathTolerances | undefined
}

/** Each of the two timers of a round trip is up to a millisecond late, and a busy machine is later. */
const DEFAULT_TOLERANCE: PathTolerance = { share: 0.05, ms: 4 }
const DEFAULT_TOLERANCES: PathTolerances = { tcp: DEFAULT_TOLERANCE, udp: DEFAULT_TOLERANCE }
const SAMPLES = 3
/** A machine that is busy for a moment is measured again. */
const ATTEMPTS = 4

/** See ImpairedPath.measurePath. */
export async function measurePath(options: MeasurePathOptions): Promise<PathMeasurement> {
  const { open, close, conditions, hasUdp, tolerances = DEFAULT_TOLERANCES } = options
  const toServer = delayOnly(conditions.toServer)
  const toClient = delayOnly(conditions.toClient)
  const roundTripMs = (toServer.delayMs ?? 0) + (toClient.delayMs ?? 0)
  await using echoes = await startEchoes()
  const { path, port } = await open({
    host: '127.0.0.1',
    tcpPort: echoes.tcpPort,
    udpPort: echoes.udpPort,
    conditions: { toServer, toClient },
    seed: 1,
  })
  try {
    await timeTcp(port) // compiles the relays' code
    for (let attempt = 1; ; attempt++) {
      const { measurement, firstMs } = await measureOnce(port, hasUdp)
      const fault =
        faultOf('first answer over TCP', firstMs, 2 * roundTripMs, tolerances.tcp) ??
        faultOf('round trip over TCP', measurement.tcp.roundTripMs, roundTripMs, tolerances.tcp) ??
        faultOf('round trip over UDP', measurement.udp?.roundTripMs, roundTripMs, tolerances.udp)
      if (fault === undefined) return measurement
      if (attempt === ATTEMPTS) throw new Error(fault)
    }
  } finally {
    await close(path)
  }
}

async function measureOnce(
  port: number,
  hasUdp: boolean,
): Promise<{ measurement: PathMeasurement; firstMs: number }> {
  const samples = await sample(() => timeTcp(port))
  const firstMs = middle(samples.map(({ firstMs }) => firstMs))
  const nextMs = middle(samples.map(({ nextMs }) => nextMs))
  const tcp = { connectMs: firstMs - nextMs, roundTripMs: nextMs }
  const udp = hasUdp ? { roundTripMs: middle(await sample(() => timeUdp(port))) } : undefined
  return { measurement: { tcp, udp }, firstMs }
}

/** Undefined: it is as it should be. */
function faultOf(
  what: string,
  ms: number | undefined,
  wantedMs: number,
  { share, ms: slackMs }: PathTolerance,
): string | undefined {
  if (ms === undefined || (ms >= wantedMs && ms <= wantedMs * (1 + share) + slackMs)) return undefined
  return `the impaired path's ${what} takes ${ms.toFixed(1)} ms, not ${wantedMs}: the machine is too busy for this`
}

function delayOnly({ delayMs = 0 }: Conditions): Conditions {
  return { delayMs }
}

async function sample<T>(take: () => Promise<T>): Promise<T[]> {
  const samples: T[] = []
  while (samples.length < SAMPLES) samples.push(await take())
  return samples
}

function middle(samples: readonly number[]): number {
  return samples.toSorted((a, b) => a - b)[samples.length >> 1] ?? Number.NaN
}

/** What comes to these ports of 127.0.0.1 goes back as it came. */
export interface Echoes extends AsyncDisposable {
  readonly tcpPort: number
  readonly udpPort: number
}

const HOST = '127.0.0.1'
/** What is not back by then does not come back. */
const PATIENCE_MS = 10_000
const BULK_BYTES = 1_000_000
const DATAGRAM_BYTES = 1200

export async function startEchoes(): Promise<Echoes> {
  const tcp = createServer({ noDelay: true }, socket => {
    socket.on('error', () => undefined)
    socket.pipe(socket)
  })
  const udp = createSocket('udp4')
  udp.on('message', (datagram, { port, address }) => udp.send(datagram, port, address))
  tcp.listen({ port: 0, host: HOST })
  udp.bind(0, HOST)
  await Promise.all([once(tcp, 'listening'), once(udp, 'listening')])
  return {
    tcpPort: (tcp.address() as AddressInfo).port, // it listens on TCP
    udpPort: udp.address().port,
    async [Symbol.asyncDispose]() {
      tcp.close()
      await new Promise<void>(resolve => {
        udp.close(() => resolve())
      })
    },
  }
}

/**
 * One connection: a byte there and back, which with the handshake takes two round trips; another byte, which
 * takes one; then a megabyte, which must come back as it was.
 */
async function timeTcp(port: number): Promise<{ firstMs: number; nextMs: number }> {
  const socket = connect({ port, host: HOST, noDelay: true })
  try {
    const begun = performance.now()
    await sendAround(socket, Buffer.of(1))
    const first = performance.now()
    await sendAround(socket, Buffer.of(2))
    const next = performance.now()
    await sendAround(socket, patternOf(BULK_BYTES))
    return { firstMs: first - begun, nextMs: next - first }
  } finally {
    socket.destroy()
  }
}

/** A datagram there and back, in ms, after one that opens the path for it. */
async function timeUdp(port: number): Promise<number> {
  const socket = createSocket('udp4')
  try {
    await sendDatagramAround(socket, port)
    const begun = performance.now()
    await sendDatagramAround(socket, port)
    return performance.now() - begun
  } finally {
    socket.close()
  }
}

async function sendDatagramAround(socket: DatagramSocket, port: number): Promise<void> {
  const sent = patternOf(DATAGRAM_BYTES)
  socket.send(sent, port, HOST)
  // as: an event of node:dgram
  const [received] = (await once(socket, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [Buffer]
  if (!received.equals(sent)) throw new Error('the UDP relay changed what it carried')
}

/** Writes, and waits until the same has come back. */
function sendAround(socket: Socket, bytes: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0
    const timer = setTimeout(() => settle(new Error('the TCP relay did not answer')), PATIENCE_MS)
    const settle = (error?: Error): void => {
      clearTimeout(timer)
      socket.off('data', onData).off('close', onClose)
      if (error === undefined) resolve()
      else reject(error)
    }
    const onData = (chunk: Buffer): void => {
      const isSame = chunk.equals(bytes.subarray(received, received + chunk.length))
      received += chunk.length
      if (!isSame) settle(new Error('the TCP relay changed what it carried'))
      else if (received === bytes.length) settle()
    }
    const onClose = (): void => settle(new Error('the TCP relay closed'))
    // What it closes for is in 'close' already.
    socket.on('error', () => undefined)
    socket.on('data', onData).on('close', onClose)
    socket.write(bytes)
  })
}

/** No two places near each other alike: what is lost, doubled or moved is seen. */
function patternOf(bytes: number): Buffer {
  const random = seededRandom(bytes)
  return Buffer.from(Uint8Array.from({ length: bytes }, () => random() * 256))
}
