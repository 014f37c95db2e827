import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import type { Clock, Timer } from '../../base/clock.ts'
import type { QuicFinding } from '../../base/events/probe-report.ts'
import { guardedListener } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import { socketFailure } from '../../quic/dial-error.ts'
import { checkEndpoint, probeWithTimeout } from './probe-with-timeout.ts'
import {
  formatVersion,
  VERSION_PROBE_BYTES,
  type VersionProbe,
  versionProbe,
  versionsOf,
} from './version-probe-packet.ts'

/** When each datagram leaves: one of them may be lost, or two. */
const SEND_AT_MS = [0, 250, 750] as const
/** The round trip that is left to the answer to the last one. */
const DEFAULT_QUIC_VERSIONS_MS = 2_000

export interface QuicVersionsOptions {
  readonly clock: Clock
  /** How long an answer is waited for in all. Default 2000. */
  readonly timeoutMs?: number
  /** An address of this machine to leave from. Default: the kernel chooses. */
  readonly localAddress?: string | undefined
}

/** A probe that is under way. */
interface Sent {
  readonly probe: VersionProbe
  readonly at: number
}

/**
 * Draws a stateless Version Negotiation from a UDP port. Says whether anybody answers in QUIC there; that
 * HTTP/3 is spoken takes a handshake to know. Loads no QUIC engine. Rejects after an abort only, or with
 * MM_INVALID_ARGUMENT for what is no endpoint.
 */
export async function quicVersions(
  endpoint: Endpoint,
  { clock, timeoutMs = DEFAULT_QUIC_VERSIONS_MS, localAddress }: QuicVersionsOptions,
  signal: AbortSignal,
): Promise<QuicFinding> {
  checkEndpoint(endpoint)
  const silent = `${formatEndpoint(endpoint)} no answer: a firewall drops UDP, or nothing speaks QUIC there`
  const onTimeout = (): QuicFinding => ({ fault: silent, why: 'silent', code: 'MM_CONNECT_TIMEOUT' })
  return await probeWithTimeout<QuicFinding>({ clock, timeoutMs, onTimeout }, signal, answer => {
    const sent: Sent[] = []
    const timers: Timer[] = []
    const fail = (error: Error | null): void => {
      if (error !== null) answer(faultOf(error, endpoint))
    }
    const socket = createSocket({
      type: endpoint.family === 6 ? 'udp6' : 'udp4',
      // Addresses are all that comes here.
      lookup: (host, _options, callback) => callback(null, host, endpoint.family),
    })
    socket.unref()
    // Connected, so that nobody else is heard, and ICMP errors are.
    socket.on(
      'error',
      guardedListener('an error of a probe', fail, ({ message, code }) => answer({ fault: message, code })),
    )
    const onDatagram = (datagram: Buffer): void => {
      const now = clock.now()
      for (const { probe, at } of sent) {
        const versions = versionsOf(datagram, probe)
        if (versions !== undefined)
          return answer({ found: { versions: versions.map(formatVersion), ms: now - at } })
      }
    }
    socket.on('message', guardedListener('an answer to a probe', onDatagram, fail))
    const onConnected = (): void => {
      for (const delayMs of SEND_AT_MS) {
        const send = (): void => {
          // Ids of its own each time: the answer then says which datagram it belongs to, and how long it
          // took.
          const probe = versionProbe(randomBytes(VERSION_PROBE_BYTES))
          sent.push({ probe, at: clock.now() })
          socket.send(probe.packet, fail)
        }
        if (delayMs === 0) send()
        else timers.push(clock.setTimer(delayMs, send))
      }
    }
    socket.once('connect', guardedListener('a probe', onConnected, fail))
    if (localAddress === undefined) socket.connect(endpoint.port, endpoint.address)
    else {
      const connect = (): void => socket.connect(endpoint.port, endpoint.address)
      socket.bind({ address: localAddress, exclusive: true }, guardedListener('a probe', connect, fail))
    }
    return () => close(socket, timers)
  })
}

function close(socket: Socket, timers: readonly Timer[]): void {
  for (const timer of timers) timer.cancel()
  socket.removeAllListeners('listening')
  socket.removeAllListeners('connect')
  socket.close()
}

/** Errors of connect(2), of sendto(2), and what ICMP says. */
function faultOf(error: Error, endpoint: Endpoint): QuicFinding {
  const system = 'code' in error ? String(error.code) : ''
  const { message, code } = socketFailure(error, formatEndpoint(endpoint))
  if (system === 'ECONNREFUSED') return { fault: message, code, why: 'refused' }
  // No file descriptor, no memory: that is nothing that the network says.
  const isLocal = system === 'EMFILE' || system === 'ENFILE' || system === 'ENOBUFS' || system === 'ENOMEM'
  return isLocal ? { fault: message, code } : { fault: message, code, why: 'unreachable' }
}
