import type { Clock } from '../../base/clock.ts'
import { asTransportError, TransportError } from '../../base/errors.ts'
import type { AttemptRecord, HandshakeInfo } from '../../base/events/connection.ts'
import type { Endpoint } from '../../base/http/endpoint.ts'
import type { Origin } from '../../base/http/origin.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { dscpOf } from '../../base/options/socket-options.ts'
import { processCpuMs } from '../../base/process-cpu.ts'
import type { Departures } from '../../connect/local/departure.ts'
import type { Http3Settings } from '../../http/http3/frames/settings.ts'
import type { DatagramTunnels, QuicAttemptRecord, QuicDialResult } from '../../quic/dial.ts'
import { dialQuic } from '../../quic/dial.ts'
import type { QuicLink } from '../../quic/engine.ts'
import type { LoadedEngine } from '../../quic/load-engine.ts'
import { type UdpStanding, udpStanding } from '../../quic/udp/open-udp.ts'
import type { Alternative } from '../../select/evidence/alternative-sets.ts'
import { peerKey } from '../../state/peer-key.ts'
import type { TicketStore } from '../../state/ticket-store.ts'
import type { OriginSettings } from '../origin-settings.ts'
import { certificateFacts, type OfferedTicket, PeerTickets, QuicTrust } from './peer-tickets.ts'

export type { UdpStanding }

/**
 * Measures what a QUIC handshake costs, from when it is made until it is asked. Bytes are those of packets,
 * as the engine counts them: quiche leaves out the padding of datagrams (three packets of a first flight that
 * filled 1200 bytes counted 480). Early data is among them, with what the peer answers to it before the
 * handshake is complete. CPU is that of the process, so that the attempts beside the one that won are in it,
 * too.
 */
class HandshakeMeter {
  readonly #readCpuMs: () => number
  readonly #cpuMsAtStart: number

  constructor(readCpuMs: () => number = processCpuMs) {
    this.#readCpuMs = readCpuMs
    this.#cpuMsAtStart = readCpuMs()
  }

  /** To be asked when the handshake on that link is complete. */
  read({ connection }: Pick<QuicLink, 'connection'>): Required<Pick<HandshakeInfo, 'bytes' | 'cpuMs'>> {
    const { sentBytes, receivedBytes } = connection.stats()
    return { bytes: sentBytes + receivedBytes, cpuMs: this.#readCpuMs() - this.#cpuMsAtStart }
  }
}

export interface Http3DialerOptions {
  readonly clock: Clock
  readonly tickets: TicketStore
  /** Gets the lines of an SSLKEYLOGFILE. */
  readonly keylog?: ((line: Buffer) => void) | undefined
  /** A connection has ended, but its link lingers for a ticket. */
  readonly onLinger?: ((over: Promise<void>) => void) | undefined
  /** Called when the engine is needed, and not before. Gives the same each time. */
  readonly loadEngine: () => LoadedEngine
  /** Where connections leave from, and the ports that they take. Default: nobody counts these. */
  readonly departures?: Departures | undefined
  /** Default: dialQuic. */
  readonly dial?: typeof dialQuic
  /** CPU that the process has used, in ms. Default: what the system says. */
  readonly readCpuMs?: () => number
}

export interface Http3DialRequest {
  readonly origin: Origin
  /**
   * Whom it is dialed at. Its certificate must cover the origin's name (RFC 7838 2.1), and tickets are its
   * own.
   */
  readonly alternative: Pick<Alternative, 'host' | 'port'>
  readonly attempts: readonly { readonly endpoint: Endpoint; readonly because: string }[]
  readonly settings: Pick<OriginSettings, 'tls' | 'quic' | 'timeouts' | 'trusted'> &
    Partial<Pick<OriginSettings, 'socket' | 'webTransport'>>
  /** Where connections of the origin leave from. Default: as those of all. */
  readonly departures?: Departures | undefined
  /** The proxies of its egress, which stand at the endpoints. Default: it is dialed directly. */
  readonly tunnels?: (DatagramTunnels & { readonly egress: string }) | undefined
  /** In place of that of the settings. */
  readonly attemptDelayMs?: number | undefined
  /** How long the resolver took, for the timings. */
  readonly dnsMs: number
  /** A request waits that may leave in early data. */
  readonly wantsEarlyData: boolean
  /** Is notified of every attempt when the dial has ended, however it ended, in order of their start. */
  readonly onAttempts: (attempts: readonly AttemptRecord[]) => void
}

export interface Http3Dialed {
  readonly link: QuicLink
  readonly endpoint: Endpoint
  /** Kind `early_data` while its handshake is under way. */
  readonly handshake: HandshakeInfo
  /** Reports what the handshake has cost, when it is complete. */
  readonly meter: HandshakeMeter
  readonly offeredTicket: boolean
  /** Came with the ticket that was offered. */
  readonly rememberedSettings: Http3Settings | undefined
  /** Undefined: nothing is resumed from it. */
  readonly tickets: PeerTickets | undefined
  readonly onLinger: ((over: Promise<void>) => void) | undefined
}

/** Connects over QUIC with the tickets of the peer. What the tcp room's Dialer is for TCP. */
export class Http3Dialer {
  readonly #options: Http3DialerOptions
  readonly #dial: typeof dialQuic
  #trust: QuicTrust | undefined

  constructor(options: Http3DialerOptions) {
    this.#options = options
    this.#dial = options.dial ?? dialQuic
  }

  /** Why HTTP/3 cannot be spoken on this machine; undefined: it can. Loads the engine. */
  get fault(): string | undefined {
    const loaded = this.#options.loadEngine()
    return 'unavailable' in loaded ? `HTTP/3 is off: ${loaded.unavailable}` : undefined
  }

  /** How its sockets move datagrams, for people. */
  get udp(): UdpStanding {
    return udpStanding()
  }

  /**
   * Rejects as dialQuic does. Resolves when the handshake is complete; or, when a request may leave early and
   * there is a ticket that nobody has used, as soon as it can be sent.
   */
  async dial(request: Http3DialRequest, signal: AbortSignal): Promise<Http3Dialed> {
    const [first] = request.attempts
    const place = first && request.departures?.next(first.endpoint).place
    const tickets = this.#ticketsOf(request, place)
    const offered = signal.aborted ? undefined : tickets?.take()
    try {
      return await this.#attempt(request, signal, tickets, offered, place)
    } catch (cause) {
      const error = asTransportError(cause, 'MM_CONNECT_FAILED', 'no')
      if (offered === undefined) throw error
      if (error.code === 'MM_INVALID_ARGUMENT')
        tickets?.giveBack() // before anything left
      else if (speaksAgainstTicket(error)) tickets?.purge()
      // The certificate of the ticket may have run out where the server has a new one: a full handshake looks
      // at that.
      if (error.code !== 'MM_TLS_CERTIFICATE' || signal.aborted) throw error
      return await this.#attempt(request, signal, tickets, undefined, place)
    }
  }

  async #attempt(
    request: Http3DialRequest,
    signal: AbortSignal,
    planned: PeerTickets | undefined,
    offered: OfferedTicket | undefined,
    place: string | undefined,
  ): Promise<Http3Dialed> {
    const { origin, attempts, settings, dnsMs, onAttempts } = request
    const { tls, quic, trusted, webTransport = false } = settings
    const { tunnels, attemptDelayMs } = request
    const timeouts =
      attemptDelayMs === undefined ? settings.timeouts : { ...settings.timeouts, attemptDelayMs }
    const loaded = this.#options.loadEngine()
    if ('unavailable' in loaded) throw new TransportError('MM_PROTOCOL_UNAVAILABLE', loaded.unavailable)
    const meter = new HandshakeMeter(this.#options.readCpuMs)
    const result = await this.#dial(
      loaded.engine,
      {
        origin: origin.key,
        attempts,
        serverName: serverNameOf(request),
        tls,
        quic,
        timeouts,
        protocols: ['h3'],
        ticket: offered?.contents.ticket,
        ticketPlace: place,
        departures: request.departures ?? this.#options.departures,
        tunnels,
        dscp: dscpOf(settings.socket?.dscp ?? 0),
        earlyData: request.wantsEarlyData && offered?.taken.isFirstUse === true,
        allowsSecondPath: trusted,
        takesServerStreams: webTransport,
        keylog: this.#options.keylog,
        onAttempts: made => onAttempts(attemptRecords(made)),
      },
      this.#options.clock,
      signal,
    )
    const tickets = result.place === place ? planned : this.#ticketsOf(request, result.place)
    if (result.handshake !== undefined) tickets?.onHandshake(result.handshake)
    return {
      onLinger: this.#options.onLinger,
      link: result.link,
      endpoint: result.endpoint,
      handshake: {
        ...handshakeInfo(result, dnsMs),
        ...certificateFacts(result.handshake, tickets),
        ...(result.handshake !== undefined && meter.read(result.link)),
      },
      meter,
      offeredTicket: result.offeredTicket,
      rememberedSettings: result.offeredTicket ? offered?.contents.settings : undefined,
      tickets,
    }
  }

  /** See trustOf(). Undefined: HTTP/3 is not spoken. */
  trustOf(tls: TlsOptions): string | undefined {
    const loaded = this.#options.loadEngine()
    if ('unavailable' in loaded) return undefined
    this.#trust ??= new QuicTrust(loaded.engine.name)
    return this.#trust.of(tls)
  }

  #ticketsOf(request: Http3DialRequest, place: string | undefined): PeerTickets | undefined {
    const { clock, tickets: store } = this.#options
    const { alternative, settings } = request
    const trust = this.trustOf(settings.tls)
    if (settings.tls.resumption === false || trust === undefined) return undefined
    const peer = peerKey({
      host: alternative.host,
      serverName: serverNameOf(request),
      port: alternative.port,
      trust,
      egress: request.tunnels?.egress ?? place,
    })
    return new PeerTickets({ peer, store, clock, wallNow: () => Date.now() })
  }
}

/** A dot at the end makes a name absolute in DNS; it is no part of the name in SNI (RFC 6066 section 3). */
function serverNameOf({ origin, settings }: Http3DialRequest): string {
  return (settings.tls.serverName ?? origin.host).replace(/\.$/, '')
}

/**
 * A server that chokes on a stale ticket would otherwise fail every connection to come (envoyproxy/envoy
 * #18757). Where nobody listens, nobody has seen it.
 */
function speaksAgainstTicket({ code }: TransportError): boolean {
  return code.startsWith('MM_TLS_') || code === 'MM_CONNECT_TIMEOUT' || code === 'MM_ALPN_MISMATCH'
}

function handshakeInfo(result: QuicDialResult, dnsMs: number): HandshakeInfo {
  const { handshake, handshakeMs } = result
  return {
    kind: handshake === undefined ? 'early_data' : handshake.isResumed ? 'resumed' : 'full',
    earlyData: 'none',
    tfo: 'off',
    tlsVersion: 'TLSv1.3', // RFC 9001 4.2: at least; there is no later one
    timings: { dnsMs, connectMs: 0, tlsMs: handshakeMs },
    attempts: attemptRecords(result.attempts),
  }
}

/** Times count from the start of the dial. */
function attemptRecords(made: readonly QuicAttemptRecord[]): AttemptRecord[] {
  const startedAt = made[0]?.startedAtMs ?? 0
  return made.map(record => ({ protocol: 'h3', ...record, startedAtMs: record.startedAtMs - startedAt }))
}
