import { Fifo } from '../../base/fifo.ts'
import type { QuicOptions } from '../../base/options/protocol-options.ts'
import type { DrivenConnection, PathEvent } from '../driven-connection.ts'
import type {
  OutgoingDatagram,
  QuicEnd,
  QuicEvent,
  QuicHandshake,
  QuicStats,
  StreamDirection,
  StreamRead,
  UdpAddress,
} from '../engine.ts'
import type { NativeConnection, QuicheBinding } from './binding.ts'
import { brokenEnd, connectionEnd, nativeError } from './connection-end.ts'
import { Datagrams } from './datagrams.ts'
import { FollowedClient } from './followed-client.ts'
import { Handshake, type HandshakeFault, type HandshakeOptions } from './handshake.ts'
import type { KeylogFile } from './keylog-file.ts'
import { LocalStreams } from './local-streams.ts'
import { NO_ID_TO_SPARE, Paths } from './paths.ts'
import { SECOND_PATH_IDS, udpPayloadBytes } from './quiche-config.ts'
import { ReceiveStreams } from './receive-streams.ts'
import { SendBudget } from './send-budget.ts'
import { SendStreams } from './send-streams.ts'
import { UnreadDataGuard } from './unread-data-guard.ts'
import { VersionDoubt } from './version-doubt.ts'

/** Datagrams between two looks of the watchdog: a flood gets that much further at the most. */
const CHECK_EVERY_PACKETS = 64
/**
 * H3_EXCESSIVE_LOAD (RFC 9114 8.1): QUIC has no code of its own for this, and one that HTTP/3 peers know says
 * most.
 */
const EXCESSIVE_LOAD = 0x107
/**
 * Datagrams that may leave behind our close. One does it, but quiche 0.18 never comes to say it while the
 * server has yet to acknowledge the end of the handshake and a loss timer has run out: it makes bare
 * acknowledgements instead, as many as it is asked for (214,437 were seen in 5 s).
 */
const MAX_LINGERS = 8
/** Made before their turn, for a client that has moved; no more than a first flight. */
const MAX_AHEAD = 10

export interface QuicheConnectionOptions {
  readonly native: NativeConnection
  readonly shutdown: QuicheBinding['Shutdown']
  readonly role: 'client' | 'server'
  readonly local: UdpAddress
  readonly remote: UdpAddress
  readonly quic: QuicOptions
  readonly allowsSecondPath: boolean
  readonly connectionId?: Buffer | undefined
  readonly protocols: readonly string[]
  readonly client: HandshakeOptions['client']
  readonly keylog: KeylogFile | undefined
}

/**
 * One connection of quiche behind the port. Concerns have files of their own: handshake.ts, send-streams.ts,
 * receive-streams.ts, paths.ts; here is the order in which they get their turn.
 *
 * quiche reads the clock of the system itself: `now` is for our own budgets, and for saying when quiche wants
 * to be called.
 *
 * nextEvent() asks quiche once per turn (its lists cost 10 us each), and hands out what it found in this
 * order: handshake and tickets, streams that can be read, streams that can be written, and the end last, so
 * that what came before it is read.
 */
export class QuicheConnection implements DrivenConnection {
  readonly role: 'client' | 'server'
  readonly packetRoomBytes: number
  readonly #native: NativeConnection
  readonly #events = new Fifo<QuicEvent>()
  readonly #handshake: Handshake
  readonly #paths: Paths
  readonly #bidirectional: LocalStreams
  readonly #unidirectional: LocalStreams
  readonly #sends: SendStreams
  readonly #receives: ReceiveStreams
  readonly #budget: SendBudget
  readonly #watchdog: UnreadDataGuard
  readonly #datagrams: Datagrams
  readonly #keylog: KeylogFile | undefined
  /** Of a client. */
  readonly #versionDoubt: VersionDoubt | undefined
  /** Where nobody gives it a place. */
  #out: Buffer | undefined
  /** Of a server whose client may move. */
  readonly #client: FollowedClient | undefined
  readonly #ahead = new Fifo<OutgoingDatagram>()
  #end: QuicEnd | undefined
  #isEndTold = false
  /** quiche must not be called any more. */
  #isDead = false
  /** Something came since quiche was asked last. */
  #isDirty = false
  #now = 0
  #receivedPackets = 0
  #receivedBytes = 0
  #timeoutsInARow = 0
  #movedBytes = 0
  #nextCheckAt = CHECK_EVERY_PACKETS
  #lingers = 0

  constructor(options: QuicheConnectionOptions) {
    const { native, shutdown, role, quic, protocols, client } = options
    const events = this.#events
    this.role = role
    this.#native = native
    this.#keylog = options.keylog
    this.#versionDoubt = role === 'client' ? new VersionDoubt(native) : undefined
    this.#handshake = new Handshake({ native, events, protocols, client })
    this.#paths = new Paths(options)
    this.#bidirectional = new LocalStreams(native, role, 'bidirectional')
    this.#unidirectional = new LocalStreams(native, role, 'unidirectional')
    const streams = { bidirectional: this.#bidirectional, unidirectional: this.#unidirectional }
    const { maxSurplusBytes, streamWindowBytes, maxStreamWindowBytes } = quic
    const mostUnread = Math.max(streamWindowBytes, maxStreamWindowBytes)
    this.#watchdog = new UnreadDataGuard({ maxSurplusBytes, streamWindowBytes: mostUnread })
    this.#datagrams = new Datagrams(native, events, this.#watchdog, quic.maxQueuedDatagrams)
    this.#sends = new SendStreams(native, shutdown, events, streams)
    this.#receives = new ReceiveStreams({
      native,
      shutdown,
      role,
      events,
      sends: this.#sends,
      watchdog: this.#watchdog,
      local: this.#bidirectional,
      maxUnidirectionalStreams: quic.maxUnidirectionalStreams,
    })
    this.#budget = new SendBudget({
      maxBurstBytes: quic.maxBurstBytes,
      maxBytesPerSecond: quic.maxSendBytesPerSecond,
    })
    this.packetRoomBytes = udpPayloadBytes(quic)
    const { local, remote, allowsSecondPath } = options
    if (role === 'client' || !allowsSecondPath) return
    this.#client = new FollowedClient(remote, {
      deliver: (datagram, from, now) => this.#deliver(datagram, from, local, now),
      challenge: address => this.validatePath(local, address),
      ping: () => this.ping(),
      sendAhead: now => this.#sendAhead(now),
    })
  }

  receive(datagram: Buffer, from: UdpAddress, to: UdpAddress, now: number): void {
    // quiche takes an empty one for an error.
    if (this.#isDead || datagram.length === 0) return
    if (this.#client === undefined) this.#deliver(datagram, from, to, now)
    else this.#client.receive(datagram, from, now)
  }

  #deliver(datagram: Buffer, from: UdpAddress, to: UdpAddress, now: number): void {
    if (this.#isDead) return
    if (this.#paths.isAddressed(datagram)) this.#receivedBytes += datagram.length
    const info = this.#paths.infoFor(from, to)
    if (info === undefined) return
    const handshake = this.#handshake
    // Behind the handshake quiche ignores them itself.
    if (!handshake.isOver && this.#versionDoubt?.takes(datagram, now) === true) return
    this.#now = now
    this.#isDirty = true
    this.#onLimitsMoved()
    this.#receivedPackets += 1
    this.#timeoutsInARow = 0
    if (!handshake.isOver) handshake.beforeReceive()
    try {
      this.#native.recv(datagram, info)
    } catch {
      // What is not of this connection, or cannot be decrypted, is thrown away; what broke the protocol has
      // closed the connection.
      if (this.#native.localError() !== null) this.#end ??= connectionEnd(this.#native)
    }
    if (handshake.isOver) this.#datagrams.onPacket()
    else if (this.#end === undefined) this.#refuse(handshake.afterReceive())
  }

  onTimeout(now: number): void {
    if (this.#isDead) return
    this.#now = now
    this.#isDirty = true
    this.#client?.onTimer(now)
    this.#paths.onTimer(now, this.#receives.awaitsPeer)
    const mismatch = this.#versionDoubt?.verdict(now)
    // Without a word to the server: it does not speak what we would say it in.
    if (mismatch !== undefined) return this.fail(mismatch, 'version')
    // It is also called when our own budgets have something to give.
    if (this.#native.timeout() === 0) this.#timeoutsInARow += 1
    this.#native.onTimeout()
    if (this.#native.isClosed()) this.#end ??= connectionEnd(this.#native)
  }

  nextDatagram(now: number, into?: Buffer): OutgoingDatagram | undefined {
    const ahead = this.#ahead.shift()
    if (ahead !== undefined) return ahead
    return this.#budget.allows(now) ? this.#makeDatagram(into) : undefined
  }

  #sendAhead(now: number): void {
    while (this.#ahead.length < MAX_AHEAD && this.#budget.allows(now)) {
      const datagram = this.#makeDatagram()
      if (datagram === undefined) return
      this.#ahead.push({ ...datagram, bytes: Buffer.from(datagram.bytes) })
    }
  }

  #makeDatagram(into?: Buffer): OutgoingDatagram | undefined {
    if (this.#isDead) return undefined
    const out = into ?? (this.#out ??= Buffer.allocUnsafeSlow(this.packetRoomBytes))
    try {
      const sent = this.#native.send(out)
      if (!this.#handshake.isOver && this.#end === undefined) {
        // After rejected early data the peer's limits come to count within send().
        this.#onLimitsMoved()
        this.#refuse(this.#handshake.afterSend())
      }
      if (sent === null) {
        this.#budget.onTurnEnded()
        return undefined
      }
      const [bytes, { from, to }] = sent
      if (this.#end !== undefined && ++this.#lingers >= MAX_LINGERS) this.#die()
      this.#budget.onSent(bytes)
      return { bytes: out.subarray(0, bytes), from, to }
    } catch (error) {
      // Seen: InvalidState, when the server retires our connection id and gives no other.
      this.fail(`quiche cannot send: ${nativeError(error).name}`)
      return undefined
    }
  }

  nextTimeoutAt(now: number): number {
    if (this.#isDead) return Number.POSITIVE_INFINITY
    if (this.#sends.hasLooksLeft) return now
    const timeout = this.#native.timeout()
    // Whole milliseconds, rounded down: a millisecond early it would do nothing.
    const nativeAt = timeout === null ? Number.POSITIVE_INFINITY : now + timeout + 1
    return Math.min(
      nativeAt,
      this.#budget.resumeAt,
      this.#versionDoubt?.dueAt ?? Number.POSITIVE_INFINITY,
      this.#client?.nextAt ?? Number.POSITIVE_INFINITY,
      this.#paths.nextAt(this.#receives.awaitsPeer),
    )
  }

  nextEvent(): QuicEvent | undefined {
    for (;;) {
      const event = this.#events.shift()
      if (event !== undefined) return event
      const stream = this.#receives.nextReadable()
      if (stream !== undefined) return { type: 'readable', stream }
      if (this.#end === undefined) {
        const writable = this.#sends.nextWritable()
        if (writable !== undefined) return { type: 'writable', stream: writable }
      }
      if (this.#isDirty || this.#receives.hasMore) {
        this.#poll()
        continue
      }
      if (this.#sends.hasLooksLeft) {
        this.#sends.look()
        continue
      }
      if (this.#receivedPackets >= this.#nextCheckAt) {
        this.#check()
        continue
      }
      return this.#tellEnd()
    }
  }

  get isEstablished(): boolean {
    return this.#handshake.result !== undefined
  }

  get isInEarlyData(): boolean {
    return !this.#isDead && this.#end === undefined && this.#handshake.isInEarlyData
  }

  get handshake(): QuicHandshake | undefined {
    return this.#handshake.result
  }

  get end(): QuicEnd | undefined {
    this.#findEnd()
    return this.#end
  }

  get isClosed(): boolean {
    if (this.#isDead) return true
    if (!this.#native.isClosed()) return false
    this.#end ??= connectionEnd(this.#native)
    this.#die()
    return true
  }

  streamsLeft(direction: StreamDirection): number {
    if (!this.#canSendStreams) return 0
    return (direction === 'bidirectional' ? this.#bidirectional : this.#unidirectional).left()
  }

  get maxDatagramBytes(): number {
    return this.#canSendStreams ? this.#datagrams.maxBytes : 0
  }

  get receivedBytes(): number {
    return this.#receivedBytes
  }

  stats(): QuicStats {
    return this.#paths.stats()
  }

  get migrationRefusal(): string | undefined {
    return this.#end === undefined ? this.#paths.refusal : 'the connection has ended'
  }

  openStream(direction: StreamDirection): number | undefined {
    if (!this.#canSendStreams) return undefined
    const streams = direction === 'bidirectional' ? this.#bidirectional : this.#unidirectional
    const stream = streams.open()
    if (stream !== undefined) this.#sends.onOpened(stream)
    return stream
  }

  write(stream: number, bytes: Uint8Array, isLast: boolean): number {
    if (this.#end !== undefined) return 0
    const taken = this.#sends.write(stream, bytes, isLast)
    this.#movedBytes += taken
    return taken
  }

  finish(stream: number): boolean {
    if (this.#end !== undefined) return true
    const outcome = this.#sends.finish(stream)
    // Twice: it is not sent again when what went before is acknowledged. A peer ignores the copy.
    const datagram = outcome === 'finished' ? this.#makeDatagram() : undefined
    const copy = datagram && { ...datagram, bytes: Buffer.from(datagram.bytes) }
    if (copy !== undefined) for (let i = 0; i < 2; i++) this.#ahead.push(copy)
    return outcome !== 'full'
  }

  read(stream: number, into: Buffer): StreamRead | undefined {
    const read = this.#receives.read(stream, into)
    if (read !== undefined) this.#movedBytes += read[0]
    return read
  }

  reset(stream: number, code: number): void {
    if (this.#end === undefined) this.#sends.reset(stream, code)
  }

  stop(stream: number, code: number): void {
    if (this.#end === undefined) this.#receives.stop(stream, code)
  }

  stopAtOnce(stream: number, code: number): void {
    if (this.#end === undefined) this.#receives.stopAtOnce(stream, code)
  }

  prioritize(stream: number, urgency: number, incremental: boolean): void {
    if (this.#end === undefined) this.#sends.prioritize(stream, urgency, incremental)
  }

  sendDatagram(bytes: Uint8Array): boolean {
    return this.#canSendStreams && this.#datagrams.send(bytes)
  }

  ping(): void {
    if (this.#end === undefined) this.#paths.ping()
  }

  get movedBytes(): number {
    return this.#movedBytes
  }

  get timeoutsInARow(): number {
    return this.#timeoutsInARow
  }

  nextPathEvent(): PathEvent | undefined {
    return this.#paths.nextEvent()
  }

  receivedOver(local: UdpAddress): number {
    return this.#isDead ? 0 : this.#paths.receivedOver(local)
  }

  validatePath(local: UdpAddress, remote: UdpAddress): boolean {
    return this.#end === undefined && this.#paths.validate(local, remote)
  }

  get maxOtherPaths(): number {
    return SECOND_PATH_IDS - 1
  }

  resendFrom(left: UdpAddress): void {
    if (this.#end === undefined) this.#paths.bounce(left)
  }

  migrate(local: UdpAddress, remote: UdpAddress, now: number): boolean {
    return this.#end === undefined && this.#paths.migrate(local, remote, now)
  }

  close(isApplication: boolean, code: number, reason: string): void {
    if (this.#end !== undefined) return
    try {
      this.#native.close(isApplication, code, Buffer.from(reason, 'utf8'))
    } catch {
      // It is closing already, and says so below.
    }
    this.#end = { cause: 'local', isApplication, code, reason }
  }

  fail(reason: string, cause: 'unusable' | 'idle' | 'version' = 'unusable'): void {
    if (this.#isDead) return
    this.#end ??= brokenEnd(reason, cause)
    this.#die()
  }

  get awaitsConnectionIds(): boolean {
    return this.migrationRefusal === NO_ID_TO_SPARE
  }

  connectionIdsLeft(): number {
    return this.#end === undefined ? this.#paths.idsLeft() : 0
  }

  issueConnectionId(id: Buffer, resetToken: Buffer): void {
    this.#paths.issueId(id, resetToken)
  }

  nextRetiredId(): Buffer | undefined {
    const id = this.#isDead ? null : this.#native.retiredScidNext()
    return id === null ? undefined : Buffer.from(id)
  }

  /** A client's would be held until the handshake is complete, under limits that may not hold then. */
  get #canSendStreams(): boolean {
    if (this.#end !== undefined) return false
    return this.role === 'server' || this.isEstablished || this.#handshake.isInEarlyData
  }

  #onLimitsMoved(): void {
    this.#bidirectional.onLimitsMoved()
    this.#unidirectional.onLimitsMoved()
  }

  #poll(): void {
    this.#isDirty = false
    this.#receives.poll(this.#now)
    this.#datagrams.poll()
    this.#findEnd()
    if (this.#end !== undefined) return
    const pathEvents = this.#paths.poll()
    this.#client?.onPathEvents(pathEvents, this.#now)
    this.#sends.poll()
    this.#handshake.pollTicket(false)
  }

  /** The owner has taken what it wants of this turn: what is unread now belongs to stalled readers. */
  #check(): void {
    this.#nextCheckAt = this.#receivedPackets + CHECK_EVERY_PACKETS
    if (this.#end !== undefined || this.#isDead) return
    this.#handshake.pollTicket(true)
    const unreadStreams = this.#native.isReadable() ? [...this.#native.readable()].length : 0
    // It counts what it could decrypt: anybody can send datagrams with our peer's address as their sender.
    const { recv: receivedPackets, recvBytes: receivedBytes, sentBytes } = this.#native.stats()
    const verdict = this.#watchdog.onTraffic({ receivedPackets, receivedBytes, sentBytes, unreadStreams })
    if (verdict === 'worn-out') this.#events.push({ type: 'worn-out' })
    if (verdict !== 'flood') return
    this.#events.push({ type: 'defence', limit: 'quic.maxSurplusBytes' })
    this.close(true, EXCESSIVE_LOAD, 'too much came that nobody reads (quic.maxSurplusBytes)')
  }

  #refuse(fault: HandshakeFault | undefined): void {
    if (this.#handshake.isOver) this.#keylog?.read()
    if (fault !== undefined) this.close(false, fault.code, fault.reason)
  }

  /** Whether the peer has closed it, or a timer of quiche. */
  #findEnd(): void {
    if (this.#end !== undefined) return
    if (this.#native.isDraining() || this.#native.isClosed()) this.#end = connectionEnd(this.#native)
  }

  #tellEnd(): QuicEvent | undefined {
    if (this.#end === undefined || this.#isEndTold) return undefined
    this.#isEndTold = true
    return { type: 'ended', end: this.#end }
  }

  #die(): void {
    this.#isDead = true
    this.#keylog?.close()
  }
}
