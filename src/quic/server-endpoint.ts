import { randomBytes } from 'node:crypto'
import type { Timer } from '../base/clock.ts'
import type { DrivenConnection } from './driven-connection.ts'
import type { PacketHeader, QuicServerTls, UdpAddress } from './engine.ts'
import { HeldInitials } from './held-initials.ts'
import { cryptoOf, unknownNameClose } from './initial-packets.ts'
import { destinationId } from './invariant-header.ts'
import { openRetryToken, sealRetryToken } from './retry-token.ts'
import { newRoutedId, ROUTED_ID_BYTES, socketOfId } from './routed-ids.ts'
import type { ServerEndpointOptions } from './server-endpoint-options.ts'
import { resetToken, statelessReset } from './stateless-reset.ts'
import { bindUdp } from './udp/open-udp.ts'
import { Turns } from './udp/turns.ts'
import { UdpLink } from './udp/udp-link.ts'
import type { SendOptions, UdpSocket } from './udp/udp-port.ts'

/** Of the ids that we give out: short headers do not say how long they are. */
const CONNECTION_ID_BYTES = ROUTED_ID_BYTES
/**
 * RFC 9000 14.1: a client's Initial comes in a datagram of at least that, so that we can answer without
 * amplifying.
 */
const MIN_INITIAL_BYTES = 1200
/** Version Negotiations and Stateless Resets: enough for honest clients. */
const STRANGER_ANSWERS_PER_SECOND = 100

export interface ServerEndpointStats {
  readonly connections: number
  readonly handshakes: number
  /** Since the start. */
  readonly accepted: number
  /**
   * Not answered: too many connections or handshakes, too small an Initial, a token that is not ours, a
   * sender that cannot be answered.
   */
  readonly refused: number
  readonly retries: number
  readonly versionNegotiations: number
  /** Stateless resets that were sent. */
  readonly resets: number
  /** Datagrams for nobody. */
  readonly strays: number
}

interface Member {
  readonly link: UdpLink
  readonly ids: Set<string>
  /** Until the handshake is complete, which proves the client's address. */
  handshakeTimer: Timer | undefined
  /** Its owner has it. */
  isHandedOver: boolean
  /** Whom its client asked for, where that was read. */
  readonly serverName: string | undefined
}

/**
 * The listening side of QUIC: one UDP socket, and the connections on it, found by their ids (RFC 9000 5.2).
 */
export class ServerEndpoint {
  readonly #options: ServerEndpointOptions
  readonly #byId = new Map<string, Member>()
  readonly #members = new Set<Member>()
  readonly #held = new HeldInitials()
  readonly #tokenKey = randomBytes(32)
  readonly #resetKey: Buffer
  #tls: QuicServerTls
  #socket: UdpSocket | undefined
  readonly #turns = new Turns(() => this.#socket?.flush())
  #isAccepting = true
  #handshakes = 0
  #accepted = 0
  #refused = 0
  #retries = 0
  #versionNegotiations = 0
  #strays = 0
  #resets = 0
  #strangerAnswersLeft = STRANGER_ANSWERS_PER_SECOND
  #strangerAnswersAt = 0

  private constructor(options: ServerEndpointOptions) {
    this.#options = options
    this.#tls = options.tls
    this.#resetKey = options.resetKey ?? randomBytes(32)
  }

  /**
   * Rejects with MM_INVALID_ARGUMENT when the certificate or key cannot be used, and with the system's error
   * when the address cannot be had. Keeps the process alive until it is closed.
   */
  static async listen(options: ServerEndpointOptions): Promise<ServerEndpoint> {
    const endpoint = new ServerEndpoint(options)
    endpoint.#check(options.tls)
    const listener = {
      onDatagram: (datagram: Buffer, from: UdpAddress, to: UdpAddress) =>
        endpoint.#onDatagram(datagram, from, to),
      onBatchBegin: () => endpoint.#turns.begin(),
      onBatchEnd: () => endpoint.#turns.end(),
      // An unconnected socket is notified of nobody in particular.
      onError: () => undefined,
    }
    endpoint.#socket = await bindUdp(options.local, listener, options.descriptor)
    return endpoint
  }

  /** For handshakes from now on. Throws MM_INVALID_ARGUMENT if unusable, and keeps the old one. */
  renewTls(tls: QuicServerTls): void {
    this.#check(tls)
    this.#tls = tls
  }

  #check(tls: QuicServerTls): void {
    const { engine, quic, protocols, allowsMigration = false } = this.#options
    engine.checkServer({ tls, quic, protocols, allowsSecondPath: allowsMigration })
  }

  get local(): UdpAddress {
    return this.#socket?.local ?? this.#options.local
  }

  get stats(): ServerEndpointStats {
    return {
      connections: this.#members.size,
      handshakes: this.#handshakes,
      accepted: this.#accepted,
      refused: this.#refused,
      retries: this.#retries,
      versionNegotiations: this.#versionNegotiations,
      resets: this.#resets,
      strays: this.#strays,
    }
  }

  /** Takes no new connections. Those that are there go on: their owners end them. */
  drain(): void {
    this.#isAccepting = false
  }

  /** Ends everything at once: each peer is notified, nobody is waited for. */
  close(): void {
    this.#isAccepting = false
    for (const { link } of this.#members) link.abandon()
    this.#socket?.close()
  }

  #onDatagram(datagram: Buffer, from: UdpAddress, to: UdpAddress): void {
    if (!isAnswerable(from)) {
      this.#refused += 1
      return
    }
    const id = destinationId(datagram, CONNECTION_ID_BYTES)
    const member = id === undefined ? undefined : this.#byId.get(id)
    if (member !== undefined) member.link.receive(datagram, from)
    else this.#onStranger(datagram, from, to)
  }

  #onStranger(datagram: Buffer, from: UdpAddress, to: UdpAddress): void {
    const {
      engine,
      clock,
      maxConnections = 10_000,
      maxHandshakes = 1_000,
      retry = 'under-load',
    } = this.#options
    const header = engine.readHeader(datagram, CONNECTION_ID_BYTES)
    if (header?.isLong === false) return this.#reset(datagram.length, header.destinationId, from, to)
    // Version 0 is a Version Negotiation packet, which must not be answered with another one (RFC 9000 6.1).
    if (header === undefined || header.version === 0) {
      this.#strays += 1
      return
    }
    if (!this.#isAccepting || datagram.length < MIN_INITIAL_BYTES) {
      this.#refused += 1
      return
    }
    if (!header.isVersionSupported) return this.#negotiate(header, from, to)
    if (!header.isInitial) {
      // Early data of a client whose ClientHello has not come whole.
      const client = clientOf(header, from)
      if (this.#held.has(client)) this.#held.keep(client, datagram, [], clock.now())
      else this.#strays += 1
      return
    }
    // RFC 9000 7.2: the first id that a client makes up has at least 8 bytes.
    const isFull = this.#members.size >= maxConnections || this.#handshakes >= maxHandshakes
    if (isFull || header.destinationId.length < 8) {
      this.#refused += 1
      return
    }
    if (header.token !== undefined) {
      const originalId = openRetryToken(this.#tokenKey, header.token, from, header.destinationId, clock.now())
      // Tokens of NEW_TOKEN frames are not ours: we send none.
      if (originalId !== undefined) return this.#choose(datagram, header, from, to, originalId)
    }
    const isLoaded = this.#handshakes >= maxHandshakes / 2
    if (retry === 'always' || (retry === 'under-load' && isLoaded)) return this.#retry(header, from, to)
    this.#choose(datagram, header, from, to, undefined)
  }

  #negotiate(header: PacketHeader, from: UdpAddress, to: UdpAddress): void {
    if (!this.#mayAnswerStranger()) return
    this.#versionNegotiations += 1
    this.#socket?.send(this.#options.engine.negotiateVersion(header), from, this.#sendOptions(to))
  }

  /** A packet of a connection that we know nothing of, most likely any more: its client is to find out. */
  #reset(answeredBytes: number, connectionId: Buffer, from: UdpAddress, to: UdpAddress): void {
    this.#strays += 1
    const { route } = this.#options
    const owner = route === undefined ? undefined : socketOfId(connectionId, route.mark)
    // Whoever has that socket may know the connection.
    if (owner !== undefined && owner !== route?.socket) return
    const reset = statelessReset(answeredBytes, resetToken(this.#resetKey, connectionId))
    if (reset === undefined || !this.#mayAnswerStranger()) return
    this.#resets += 1
    this.#socket?.send(reset, from, this.#sendOptions(to))
  }

  #newConnectionId(): Buffer {
    const { route } = this.#options
    return route === undefined ? randomBytes(CONNECTION_ID_BYTES) : newRoutedId(route)
  }

  #mayAnswerStranger(): boolean {
    const now = this.#options.clock.now()
    if (now - this.#strangerAnswersAt >= 1000) {
      this.#strangerAnswersAt = now
      this.#strangerAnswersLeft = STRANGER_ANSWERS_PER_SECOND
    }
    if (this.#strangerAnswersLeft === 0) return false
    this.#strangerAnswersLeft -= 1
    return true
  }

  #retry(header: PacketHeader, from: UdpAddress, to: UdpAddress): void {
    const retryId = this.#newConnectionId()
    const subject = { address: from, originalId: header.destinationId, retryId }
    const token = sealRetryToken(this.#tokenKey, subject, this.#options.clock.now())
    this.#retries += 1
    this.#socket?.send(this.#options.engine.retry(header, retryId, token), from, this.#sendOptions(to))
  }

  /** What comes to one of several addresses of this machine is answered from there. */
  #sendOptions(to: UdpAddress): SendOptions | undefined {
    return to === this.local ? undefined : { from: to }
  }

  /** Reads whom the client asks for; where that has not come yet the datagram is held. */
  #choose(
    datagram: Buffer,
    header: PacketHeader,
    from: UdpAddress,
    to: UdpAddress,
    originalId: Buffer | undefined,
  ): void {
    const { choose, clock } = this.#options
    const asUsual = { tls: this.#tls, serverName: undefined }
    const accept = (datagrams: readonly Buffer[], shown: Shown): void =>
      this.#accept(datagrams, header, from, to, originalId, shown)
    const pieces = choose && cryptoOf(datagram, header.destinationId)
    if (choose === undefined || pieces === undefined) return accept([datagram], asUsual)
    const client = clientOf(header, from)
    const { datagrams, hello, isFull } = this.#held.receive(client, datagram, pieces)
    const choice = choose(hello)
    if (choice.kind === 'incomplete' && !isFull) {
      this.#held.keep(client, datagram, pieces, clock.now())
      return
    }
    this.#held.delete(client)
    if (choice.kind !== 'refused') return accept(datagrams, choice.kind === 'shown' ? choice : asUsual)
    this.#refused += 1
    if (!this.#mayAnswerStranger()) return
    const close = unknownNameClose(header.destinationId, header.sourceId)
    this.#socket?.send(close, from, this.#sendOptions(to))
  }

  #accept(
    datagrams: readonly Buffer[],
    header: PacketHeader,
    from: UdpAddress,
    to: UdpAddress,
    originalId: Buffer | undefined,
    { tls, serverName }: Shown,
  ): void {
    const { engine, quic, protocols, clock, allowsMigration = false, admit } = this.#options
    const onReleased = admit === undefined ? () => {} : admit(from.host)
    if (onReleased === undefined) {
      this.#refused += 1
      return
    }
    // After a Retry the client speaks to the id that it was given there, and the engine checks that (RFC 9000
    // 7.3).
    const connectionId = originalId === undefined ? this.#newConnectionId() : header.destinationId
    let connection: DrivenConnection
    try {
      connection = engine.accept({
        local: this.local,
        remote: from,
        tls,
        quic,
        protocols,
        connectionId,
        originalConnectionId: originalId,
        resetToken: resetToken(this.#resetKey, connectionId),
        allowsSecondPath: allowsMigration,
      })
    } catch {
      // Nothing that one client sends may end the process for all.
      this.#refused += 1
      onReleased()
      return
    }
    const link = this.#linkFor(
      connection,
      from,
      this.#sendOptions(to),
      () => {
        this.#release(member)
        onReleased()
      },
      () => this.#onTurn(member),
    )
    const member: Member = {
      link,
      ids: new Set(),
      handshakeTimer: undefined,
      isHandedOver: false,
      serverName,
    }
    this.#accepted += 1
    this.#handshakes += 1
    this.#members.add(member)
    this.#addId(member, header.destinationId)
    this.#addId(member, connectionId)
    member.handshakeTimer = clock.setTimer(this.#options.handshakeTimeoutMs ?? 10_000, () => {
      member.link.abandon()
    })
    const look = (): void => this.#onProgress(member)
    member.link.owner = { onTurn: look, onClosed: look }
    for (const datagram of datagrams) if (!link.isOver) link.receive(datagram, from)
  }

  #linkFor(
    connection: DrivenConnection,
    remote: UdpAddress,
    options: SendOptions | undefined,
    release: () => void,
    beforeSending: () => void,
  ): UdpLink {
    const socket = this.#socket
    return new UdpLink({
      connection,
      local: this.local,
      remote,
      clock: this.#options.clock,
      turns: this.#turns,
      beforeSending,
      socket: {
        room: bytes => socket?.room(bytes) ?? Buffer.allocUnsafe(bytes),
        send: ({ bytes, to }) => socket?.send(bytes, to, options),
        flush: () => {
          if (!this.#turns.isRunning) socket?.flush()
        },
        isFull: () => socket?.isFull() ?? false,
        // The endpoint's socket is for all.
        ref: () => undefined,
        unref: () => undefined,
        release,
      },
    })
  }

  /** Until it is known who it is, nobody but us needs to know of it. */
  #onProgress(member: Member): void {
    const { link } = member
    const { handshake, isInEarlyData } = link.connection
    if (handshake === undefined && !isInEarlyData) return
    if (member.isHandedOver || link.isOver) return
    member.isHandedOver = true
    link.owner = undefined
    this.#options.onConnection(link, member.serverName)
  }

  #onHandshakeOver(member: Member): void {
    if (member.handshakeTimer === undefined) return
    member.handshakeTimer.cancel()
    member.handshakeTimer = undefined
    this.#handshakes -= 1
  }

  #onTurn(member: Member): void {
    // Early data comes from anybody who says that it does: until the handshake is complete it is under way,
    // and limited like the others.
    if (member.link.connection.handshake !== undefined) this.#onHandshakeOver(member)
    if (this.#options.allowsMigration === true) this.#giveIds(member)
  }

  /** Only a client that may move has use for more than one id. */
  #giveIds(member: Member): void {
    const { connection } = member.link
    for (let left = connection.connectionIdsLeft(); left > 0; left -= 1) {
      const id = this.#newConnectionId()
      connection.issueConnectionId(id, resetToken(this.#resetKey, id))
      this.#addId(member, id)
    }
    for (let id = connection.nextRetiredId(); id !== undefined; id = connection.nextRetiredId()) {
      const key = id.toString('latin1')
      member.ids.delete(key)
      this.#byId.delete(key)
    }
  }

  #addId(member: Member, id: Buffer): void {
    const key = id.toString('latin1')
    member.ids.add(key)
    this.#byId.set(key, member)
  }

  #release(member: Member): void {
    this.#onHandshakeOver(member)
    this.#members.delete(member)
    for (const id of member.ids) this.#byId.delete(id)
  }
}

/** What a client is shown. */
interface Shown {
  readonly tls: QuicServerTls
  readonly serverName: string | undefined
}

/** Until it has an id of ours. */
function clientOf({ destinationId: id }: PacketHeader, { host, port }: UdpAddress): string {
  return `${id.toString('latin1')} ${host} ${port}`
}

/**
 * Anybody can write port 0 as a sender's, to which nothing can be sent. A zone (`fe80::1%eth0`) is what
 * engines do not read, as with the addresses that we dial: clients at link-local addresses are served over
 * TCP.
 */
function isAnswerable({ host, port }: UdpAddress): boolean {
  return port !== 0 && !host.includes('%')
}
