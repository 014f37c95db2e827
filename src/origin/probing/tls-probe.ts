import type { X509Certificate } from 'node:crypto'
import { TLSSocket } from 'node:tls'
import type { Clock, Timer } from '../../base/clock.ts'
import type { TransportError } from '../../base/errors.ts'
import type { Finding, ProbedCertificate, ProbedTickets } from '../../base/events/probe-report.ts'
import { guardedListener } from '../../base/guard.ts'
import { type Endpoint, formatEndpoint } from '../../base/http/endpoint.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { LocalAddress } from '../../connect/native/descriptor-socket.ts'
import { AttemptSocket } from '../../connect/tcp/attempt-socket.ts'
import { type AttemptPhase, attemptError } from '../../connect/tcp/connect-error.ts'
import { SecureContexts } from '../../connect/tls/secure-contexts.ts'
import { sessionFacts } from '../../connect/tls/session-facts.ts'
import type { TlsHandshake, TlsHandshakeOptions } from '../../select/probe/probe-tools.ts'
import { checkEndpoint, probeWithTimeout } from './probe-with-timeout.ts'

export interface TlsProbeOptions {
  readonly clock: Clock
  /** Those of the origin. Read once: new settings need a new probe. */
  readonly tls: TlsOptions
  /** For SNI and the certificate, without a dot at its end. */
  readonly serverName: string
  /** For a connect with its handshake. */
  readonly timeoutMs: number
  /** What it leaves from. Default: the kernel chooses. */
  readonly localOf?: ((endpoint: Endpoint) => LocalAddress | undefined) | undefined
}

type Version = 'TLSv1.2' | 'TLSv1.3'
type Answer = (answer: Finding<TlsHandshake>) => void

/** One context for each version, and one for both. */
const CONTEXTS = 3
const MAX_ISSUER_CHARS = 200
const DURING = 'an event of a TLS probe'

/**
 * TLS handshakes with an origin, as strict as those that carry its requests. Nothing is resumed, and no
 * ticket is kept.
 */
export class TlsProbe {
  readonly #options: TlsProbeOptions
  readonly #contexts = new SecureContexts(CONTEXTS)

  constructor(options: TlsProbeOptions) {
    this.#options = options
  }

  /**
   * Rejects after an abort, with MM_INVALID_ARGUMENT for what is no endpoint, and when OpenSSL cannot use the
   * options. `tunnel`: leads there through a proxy, and is ended with the handshake.
   */
  async handshake(
    endpoint: Endpoint,
    wanted: TlsHandshakeOptions,
    signal: AbortSignal,
    tunnel?: StreamSocket,
  ): Promise<Finding<TlsHandshake>> {
    checkEndpoint(endpoint)
    const { clock, tls, timeoutMs } = this.#options
    const { version } = wanted
    if (version !== undefined && !allows(tls, version)) {
      tunnel?.destroy()
      return { skipped: 'not allowed by tls.minVersion and tls.maxVersion' }
    }
    const settings = version === undefined ? tls : { ...tls, minVersion: version, maxVersion: version }
    const { context } = this.#contexts.get(settings)
    const look = new HandshakeLook(endpoint, wanted, this.#options, tunnel)
    return await probeWithTimeout(
      { clock, timeoutMs, onTimeout: () => look.timeoutAnswer() },
      signal,
      answer => look.start(context, answer),
    )
  }
}

/** One handshake under way. */
class HandshakeLook {
  readonly #endpoint: Endpoint
  readonly #wanted: TlsHandshakeOptions
  readonly #options: TlsProbeOptions
  readonly #at: string
  readonly #tunnel: StreamSocket | undefined
  #phase: AttemptPhase = 'connect'
  #startedAt = 0
  #tickets: Buffer[] = []
  #timer: Timer | undefined
  #isOver = false
  /** The handshake is done, and tickets are waited for. */
  #done: Omit<TlsHandshake, 'tickets'> | undefined

  constructor(
    endpoint: Endpoint,
    wanted: TlsHandshakeOptions,
    options: TlsProbeOptions,
    tunnel: StreamSocket | undefined,
  ) {
    this.#tunnel = tunnel
    this.#endpoint = endpoint
    this.#wanted = wanted
    this.#options = options
    this.#at = formatEndpoint(endpoint)
  }

  start(context: ReturnType<SecureContexts['get']>['context'], answer: Answer): () => void {
    const { clock, serverName, tls } = this.#options
    const attempt = new AttemptSocket(
      {
        endpoint: this.#endpoint,
        keepAliveDelayMs: 0,
        local: this.#options.localOf?.(this.#endpoint),
        tunnel: this.#tunnel,
        secure: {
          context,
          serverName,
          alpnProtocols: this.#wanted.alpn,
          rejectUnauthorized: tls.rejectUnauthorized ?? true,
          session: undefined,
          keylog: undefined,
        },
      },
      {
        onConnected: () => {
          this.#phase = 'tls'
          this.#startedAt = clock.now()
        },
        onSecured: () => this.#onSecured(attempt, answer),
        onFailed: cause => answer(this.#fault(cause)),
      },
    )
    attempt.socket.unref()
    // What the server has to say of its own accord, SETTINGS for example, is read over: tickets come between.
    attempt.readPort.attach({ onRead: () => true, onFault: () => attempt.destroy() })
    return () => {
      this.#isOver = true
      this.#timer?.cancel()
      attempt.destroy()
    }
  }

  /** Tickets may be waited for beyond the end of the time: the handshake is an answer without them. */
  timeoutAnswer(): Finding<TlsHandshake> {
    const { timeoutMs } = this.#options
    if (this.#done !== undefined) return this.#found(this.#done)
    return this.#phase === 'connect'
      ? { fault: `${this.#at} did not answer within ${timeoutMs} ms`, code: 'MM_CONNECT_TIMEOUT' }
      : { fault: `${this.#at} no TLS handshake within ${timeoutMs} ms`, code: 'MM_TLS_TIMEOUT' }
  }

  #onSecured(attempt: AttemptSocket, answer: Answer): void {
    const { clock } = this.#options
    const { socket } = attempt
    if (!(socket instanceof TLSSocket)) return
    const done = {
      ms: clock.now() - this.#startedAt,
      protocol: attempt.negotiated().alpn,
      cipher: socket.getCipher()?.name,
      certificate: socket.authorized ? certificateOf(socket.getPeerX509Certificate()) : undefined,
    }
    this.#done = done
    if (this.#wanted.ticketsForMs === 0) return answer(this.#found(done))
    attempt.handOver(session => this.#tickets.push(session))
    const onFault = (error: TransportError): void => answer({ fault: error.message, code: error.code })
    const onOver = guardedListener(
      DURING,
      () => {
        if (!this.#isOver) answer(this.#found(done))
      },
      onFault,
    )
    // TLS 1.3: that the server demands a certificate of ours comes after our side of the handshake (RFC 8446
    // section 2).
    const onError = (cause: Error): void => {
      const fault = this.#fault(cause)
      answer(fault.code === 'MM_TLS_FAILED' ? fault : this.#found(done))
    }
    socket.once('error', guardedListener(DURING, onError, onFault))
    socket.once('close', onOver)
    socket.resume()
    this.#timer = clock.setTimer(this.#wanted.ticketsForMs, onOver)
  }

  #fault(cause: unknown): Extract<Finding<TlsHandshake>, { fault: string }> {
    const { message, code, hint } = attemptError(cause, this.#phase, this.#at, this.#options.serverName)
    return { fault: message, code, ...(hint !== undefined && { hint }) }
  }

  #found(done: Omit<TlsHandshake, 'tickets'>): Finding<TlsHandshake> {
    return { found: { ...done, tickets: this.#ticketFacts() } }
  }

  #ticketFacts(): ProbedTickets {
    const last = this.#tickets.at(-1)
    const { lifetimeSeconds, maxEarlyDataBytes } = sessionFacts(last ?? new Uint8Array(0))
    const version = this.#wanted.version ?? 'TLSv1.3'
    return { version, issued: this.#tickets.length, lifetimeSeconds, maxEarlyDataBytes }
  }
}

function allows({ minVersion = 'TLSv1.2', maxVersion = 'TLSv1.3' }: TlsOptions, version: Version): boolean {
  // The names sort as the versions do.
  return minVersion <= version && version <= maxVersion
}

function certificateOf(certificate: X509Certificate | undefined): ProbedCertificate | undefined {
  if (certificate === undefined) return undefined
  const validUntil = new Date(certificate.validTo)
  if (Number.isNaN(validUntil.getTime())) return undefined
  const issuer = certificate.issuer.replaceAll('\n', ', ').slice(0, MAX_ISSUER_CHARS)
  return { validUntil: validUntil.toISOString(), issuer }
}
