import type { QuicEvent, QuicServerTls } from '../../../src/quic/engine.ts'
import type { EngineTraits } from './engine-traits.ts'
import type { Frame } from './frame.ts'
import {
  type ClientTicket,
  certificatesOf,
  encodeTicket,
  type HandshakeMessage,
} from './handshake-messages.ts'
import { HandshakeStream } from './handshake-stream.ts'
import type { PacketKind } from './packet-codec.ts'
import { QuicFault } from './quic-fault.ts'
import { coversRemembered, largerOf, type TransportParameters } from './transport-parameters.ts'

export type HandshakeSide =
  | {
      readonly role: 'client'
      readonly serverName: string
      readonly ticket: ClientTicket | undefined
      readonly earlyData: boolean
    }
  | { readonly role: 'server'; readonly tls: QuicServerTls }

export interface HandshakeOptions {
  readonly traits: EngineTraits
  readonly protocols: readonly string[]
  readonly own: TransportParameters
}

/** What the connection has to do in between. */
export interface HandshakeHost {
  onPeerParameters(parameters: TransportParameters): void
  /** What was sent as 0-RTT was not read, and has to be sent again. */
  onEarlyDataRejected(): void
  emit(event: QuicEvent): void
}

/** What a packet of a kind is to a side now: readable, readable once the handshake is further, or never. */
export type Keys = 'now' | 'later' | 'never'

/**
 * One round trip: the client's hello, the server's hello, Finished, and a ticket for the next time. A ticket
 * brings 0-RTT with it: the client sends by the limits that it remembers, and the server's hello says whether
 * that was read (RFC 9001 4.6).
 *
 * The client is complete with the server's hello, the server with Finished. Early data is
 * - `none`: not offered
 * - `undecided`: client: offered and not answered; server: no hello has come
 * - `accepted`, `rejected`
 *
 * Valid transitions of it: undecided -> accepted | rejected.
 */
export class Handshake {
  readonly stream = new HandshakeStream()
  readonly #side: HandshakeSide
  readonly #options: HandshakeOptions
  readonly #host: HandshakeHost
  #early: 'none' | 'undecided' | 'accepted' | 'rejected'
  #isComplete = false
  #protocol = ''
  #isResumed = false
  #certificates: readonly string[] = []
  #remembered: TransportParameters | undefined

  constructor(side: HandshakeSide, options: HandshakeOptions, host: HandshakeHost) {
    this.#side = side
    this.#options = options
    this.#host = host
    this.#early = side.role === 'server' ? 'undecided' : 'none'
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  get isInEarlyData(): boolean {
    return !this.#isComplete && this.#early === (this.#side.role === 'client' ? 'undecided' : 'accepted')
  }

  /** Client role: says hello, and offers early data if the ticket allows it. */
  start(): void {
    if (this.#side.role === 'server') return
    const { ticket, serverName, earlyData } = this.#side
    const offersEarlyData = earlyData && ticket?.allowsEarlyData === true
    if (offersEarlyData) {
      this.#early = 'undecided'
      this.#remembered = ticket.sealed.parameters
      this.#host.onPeerParameters(ticket.sealed.parameters)
    }
    const { protocols, own } = this.#options
    const sealed = ticket?.sealed
    this.stream.send({
      type: 'client-hello',
      serverName,
      protocols,
      parameters: own,
      sealed,
      offersEarlyData,
    })
  }

  receive(frame: Extract<Frame, { type: 'handshake' }>, now: number): void {
    for (const message of this.stream.receive(frame, now)) this.#onMessage(message)
  }

  /**
   * RFC 9001 5.7: 1-RTT packets wait for the end of the handshake, 0-RTT packets for the hello that tells
   * what they are.
   */
  keysFor(kind: PacketKind): Keys {
    if (kind === 'one-rtt') return this.#isComplete ? 'now' : 'later'
    if (kind !== 'zero-rtt') return 'now'
    if (this.#side.role === 'client') return 'never'
    return this.#early === 'undecided' ? 'later' : this.#early === 'accepted' ? 'now' : 'never'
  }

  /** The packet that leaves next: of the handshake as long as it has something to say. */
  nextKind(): PacketKind {
    if (this.#side.role === 'client') {
      if (this.stream.hasFrame) return this.longKind()
      if (this.#isComplete) return 'one-rtt'
      return this.isInEarlyData ? 'zero-rtt' : 'initial'
    }
    if (this.#isComplete) return 'one-rtt'
    return this.isInEarlyData && !this.stream.hasFrame ? 'one-rtt' : 'handshake'
  }

  /** The kind that the other side can read whatever it knows. */
  longKind(): PacketKind {
    return this.#side.role === 'client' && !this.#isComplete ? 'initial' : 'handshake'
  }

  #onMessage(message: HandshakeMessage): void {
    const side = this.#side
    if (message.type === 'client-hello' && side.role === 'server') this.#onClientHello(message, side.tls)
    else if (message.type === 'server-hello' && side.role === 'client')
      this.#onServerHello(message, side.ticket)
    else if (message.type === 'finished' && side.role === 'server') this.#onFinished(side.tls)
    else if (message.type === 'ticket' && side.role === 'client') {
      const { sealed, allowsEarlyData } = message
      const { name } = this.#options.traits
      const ticket = { engine: name, sealed, allowsEarlyData, certificates: this.#certificates }
      this.#host.emit({ type: 'ticket', ticket: encodeTicket(ticket) })
    } else throw new QuicFault('protocol-violation', `${message.type} at the ${side.role}`)
  }

  #onClientHello(hello: Extract<HandshakeMessage, { type: 'client-hello' }>, tls: QuicServerTls): void {
    const protocol = this.#options.protocols.find(name => hello.protocols.includes(name))
    if (protocol === undefined) throw new QuicFault('no-application-protocol', 'no protocol in common')
    const { sealed, offersEarlyData } = hello
    this.#protocol = protocol
    this.#isResumed = sealed?.key === this.#ticketKey(tls)
    const acceptsEarlyData =
      this.#isResumed &&
      offersEarlyData &&
      tls.earlyData === true &&
      sealed?.protocol === protocol &&
      coversRemembered(this.#options.own, sealed.parameters)
    this.#early = acceptsEarlyData ? 'accepted' : 'rejected'
    this.#host.onPeerParameters(hello.parameters)
    this.stream.send({
      type: 'server-hello',
      protocol,
      parameters: this.#options.own,
      isResumed: this.#isResumed,
      acceptsEarlyData,
      certificates: this.#isResumed ? [] : certificatesOf(tls.cert),
    })
  }

  #onServerHello(
    hello: Extract<HandshakeMessage, { type: 'server-hello' }>,
    ticket: ClientTicket | undefined,
  ): void {
    this.#protocol = hello.protocol
    this.#isResumed = hello.isResumed
    this.#certificates = hello.isResumed ? (ticket?.certificates ?? []) : hello.certificates
    const wasOffered = this.#early === 'undecided'
    const keeps = this.#options.traits.keepsRememberedLimits && this.#remembered !== undefined
    this.#host.onPeerParameters(keeps ? largerOf(hello.parameters, this.#remembered!) : hello.parameters)
    this.stream.send({ type: 'finished' })
    if (wasOffered) {
      this.#early = hello.acceptsEarlyData ? 'accepted' : 'rejected'
      if (!hello.acceptsEarlyData) this.#host.onEarlyDataRejected()
      this.#host.emit({ type: 'early-data', outcome: this.#early })
    }
    this.#complete()
  }

  #onFinished(tls: QuicServerTls): void {
    this.#complete()
    const sealed = { key: this.#ticketKey(tls), protocol: this.#protocol, parameters: this.#options.own }
    this.stream.send({ type: 'ticket', sealed, allowsEarlyData: tls.earlyData === true })
  }

  #complete(): void {
    this.#isComplete = true
    const certificates = this.#certificates.map(certificate => Buffer.from(certificate, 'base64'))
    const handshake = { protocol: this.#protocol, isResumed: this.#isResumed, certificates }
    this.#host.emit({ type: 'established', handshake })
  }

  #ticketKey(tls: QuicServerTls): string {
    return tls.ticketKey?.toString('hex', 0, 16) ?? this.#options.traits.ticketKey
  }
}
