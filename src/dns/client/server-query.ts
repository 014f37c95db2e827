import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import type { Clock } from '../../base/clock.ts'
import { guarded, guardedListener } from '../../base/guard.ts'
import { lookUpLiteral } from '../addresses.ts'
import { type DnsQuery, type ReadReply, readReply } from '../records/dns-message.ts'
import type { DnsServer } from './dns-server.ts'

/** One query to one server. */
export interface DnsTry {
  readonly server: DnsServer
  readonly query: DnsQuery
  readonly clock: Clock
  readonly timeoutMs: number
  /** Not aborted yet. */
  readonly signal: AbortSignal
}

/**
 * What became of it. `silent`: no answer came in time; `unreachable`: the system says that there is nobody,
 * or no way.
 */
export type DnsTryOutcome =
  | Exclude<ReadReply, { kind: 'foreign' }>
  | { readonly kind: 'silent' | 'unreachable' | 'aborted'; readonly because: string }

const ENDING = 'the end of a DNS query'

/**
 * Runs one try to its end: what settles it first, be it an answer, the time or the signal, calls the stop
 * that `start` returned, once. Nothing is left behind then.
 */
function runTry(
  { clock, timeoutMs, signal }: DnsTry,
  start: (settle: (outcome: DnsTryOutcome) => void) => () => void,
): Promise<DnsTryOutcome> {
  return new Promise(resolve => {
    let isOver = false
    let stop: (() => void) | undefined
    const settle = (outcome: DnsTryOutcome): void => {
      if (isOver) return
      isOver = true
      timer.cancel()
      signal.removeEventListener('abort', onAbort)
      if (stop !== undefined) guarded(ENDING, stop)
      resolve(outcome)
    }
    const giveUp = (): void => settle({ kind: 'aborted', because: 'given up' })
    const onAbort = guardedListener(ENDING, giveUp, settleFault(resolve))
    const timer = clock.setTimer(timeoutMs, () => {
      settle({ kind: 'silent', because: `no answer within ${timeoutMs} ms` })
    })
    signal.addEventListener('abort', onAbort, { once: true })
    // A socket that cannot even be made may say so at once.
    stop = start(settle)
    if (isOver) guarded(ENDING, stop)
  })
}

/** For what must not throw: the answer is as good as none, and another server is asked. */
function settleFault(settle: (outcome: DnsTryOutcome) => void): (error: Error) => void {
  return error => settle({ kind: 'malformed', because: error.message })
}

/** A socket's error, as an outcome. */
function unreachable(error: Error): DnsTryOutcome {
  const code = 'code' in error && typeof error.code === 'string' ? error.code : error.message
  return { kind: 'unreachable', because: code === 'ECONNREFUSED' ? 'nobody listens there' : code }
}

/**
 * Datagrams that are no answer to the query, after which TCP is asked instead: somebody is guessing ids
 * (PowerDNS stops after one, `spoof-nearmiss-max`; a late answer to another query cannot come, since each has
 * a port of its own).
 */
const MAX_FOREIGN = 8

/**
 * One query over UDP. The socket is connected: the kernel chooses its port at random, drops what others send,
 * and says when nobody listens (ICMP). It never keeps the process alive.
 */
export function askOverUdp(dnsTry: DnsTry): Promise<DnsTryOutcome> {
  const { server, query } = dnsTry
  return runTry(dnsTry, settle => {
    const socket = createSocket({ type: server.family === 6 ? 'udp6' : 'udp4', lookup: lookUpLiteral })
    socket.unref()
    let isOpen = true
    let foreign = 0
    const guard = <Args extends readonly unknown[]>(listener: (...args: Args) => void) =>
      guardedListener('an answer of a DNS server', listener, settleFault(settle))
    socket.on(
      'error',
      guard((error: Error) => settle(unreachable(error))),
    )
    const onDatagram = (datagram: Buffer): void => {
      const read = readReply(datagram, query)
      if (read.kind !== 'foreign') settle(read)
      else if (++foreign === MAX_FOREIGN) settle({ kind: 'truncated' })
    }
    socket.on('message', guard(onDatagram))
    const onConnected = (error?: Error): void => {
      if (error !== undefined && error !== null) return settle(unreachable(error))
      // Reported a tick later: the try may have been given up by then.
      if (!isOpen) return
      socket.send(query.bytes, failure => {
        if (failure !== null) settle(unreachable(failure))
      })
    }
    socket.connect(server.port, server.address, guard(onConnected))
    return () => {
      isOpen = false
      socket.close()
    }
  })
}

/** In front of each message (RFC 1035 4.2.2); with it, no message is longer than 64 KiB. */
const LENGTH_BYTES = 2

/** One query over TCP, on a connection of its own that never keeps the process alive. */
export function askOverTcp(dnsTry: DnsTry): Promise<DnsTryOutcome> {
  const { server, query } = dnsTry
  return runTry(dnsTry, settle => {
    const socket = connect({ host: server.address, port: server.port, family: server.family })
    socket.unref()
    const chunks: Buffer[] = []
    let received = 0
    // Length and query in one segment: some servers read only once (RFC 7766 section 8).
    const length = Buffer.alloc(LENGTH_BYTES)
    length.writeUInt16BE(query.bytes.length)
    socket.write(Buffer.concat([length, query.bytes]))
    const guard = <Args extends readonly unknown[]>(listener: (...args: Args) => void) =>
      guardedListener('an answer of a DNS server', listener, settleFault(settle))
    socket.on(
      'error',
      guard((error: Error) => settle(unreachable(error))),
    )
    socket.on(
      'close',
      guard(() => settle(cutShort)),
    )
    const onData = (chunk: Buffer): void => {
      chunks.push(chunk)
      received += chunk.length
      const wanted = wantedBytes(chunks)
      if (wanted === undefined || received < wanted) return
      const message = Buffer.concat(chunks, wanted).subarray(LENGTH_BYTES)
      const read = readReply(message, query)
      if (read.kind === 'foreign') settle({ kind: 'malformed', because: 'it answers another question' })
      else if (read.kind === 'truncated') settle({ kind: 'malformed', because: 'truncated, even over TCP' })
      else settle(read)
    }
    socket.on('data', guard(onData))
    return () => socket.destroy()
  })
}

const cutShort: DnsTryOutcome = { kind: 'malformed', because: 'the connection ended before the answer did' }

/** Length and message together, once the length is there. */
function wantedBytes(chunks: readonly Buffer[]): number | undefined {
  const [first, second] = chunks
  const high = first?.[0]
  // A socket hands out no empty chunk: two of them hold the length.
  const low = first?.[1] ?? second?.[0]
  return high === undefined || low === undefined ? undefined : LENGTH_BYTES + high * 256 + low
}
