import { isIP } from 'node:net'
import { Duplex } from 'node:stream'
import { containFault, guardedListener, guardedTick } from '../../base/guard.ts'
import type { EarlyPhase } from '../../base/http/early-gate.ts'
import { drainOnEpipe } from '../../base/socket/socket-ending.ts'
import type { StreamSocket } from '../../base/socket/stream-socket.ts'
import type { ClientContext } from '../openssl/client-contexts.ts'
import { type AgreedHandshake, ClientMachine } from '../openssl/client-machine.ts'
import { checkPeer, handshakeError } from '../openssl/peer-check.ts'
import { EarlyBytes, PendingWrite } from '../openssl/pending-write.ts'
import type { VerifiedCertificate } from '../tls/certificate-names.ts'

export interface EarlySocketOptions {
  /**
   * Connected, or its connect is deferred by Fast Open so that its first write goes with the SYN; 'connect'
   * has fired in either case. Read by 'data' events, by nobody else, and not yet. The early socket's own from
   * now on.
   */
  readonly raw: StreamSocket
  readonly context: ClientContext
  /** Sent as SNI unless it is an IP address, and checked against the certificate in any case. */
  readonly serverName: string
  readonly rejectUnauthorized: boolean
  /** The protocol of the ticket, the only one that is offered. Undefined: no ALPN. */
  readonly alpn: string | undefined
  /**
   * DER, without the name that newer releases of Node put in front (bareSession). What cannot be read is left
   * aside.
   */
  readonly session: Buffer
  /** Receives the lines of SSLKEYLOGFILE, each with its end of line, as from node:tls. */
  readonly keylog: ((line: Buffer) => void) | undefined
}

export interface EarlyHandshake {
  /** `none`: nothing went early. `rejected`: what went early has been sent again, once. */
  readonly earlyData: 'none' | 'accepted' | 'rejected'
  readonly isResumed: boolean
  /** `TLSv1.3`. */
  readonly tlsVersion: string
  /** The certificate that this handshake has verified; undefined when none was looked at. */
  readonly certificate: VerifiedCertificate | undefined
}

export interface EarlySocket {
  /** Plaintext. Errors come as 'error' and then 'close', like those of a TLSSocket. */
  readonly socket: StreamSocket
  /**
   * While `collecting`, what is written is copied, to leave with the ClientHello; while `handshaking` it
   * waits.
   */
  readonly phase: EarlyPhase
  /** ClientHello and early data, with the framing of TLS; undefined while collecting. */
  readonly firstFlightBytes: number | undefined
  /** Called once, when the phase has become `open`. */
  onHandshake: ((handshake: EarlyHandshake) => void) | undefined
  /** Called with each session that can be resumed, as DER. */
  onTicket: ((session: Buffer) => void) | undefined
}

const DURING = 'an event of a TLS connection with early data'

/**
 * Turns of the event loop in which the first write is waited for: what a new connection has to say comes in
 * the first or second.
 */
const COLLECTING_TURNS = 3
/** What one call encrypts and one write carries. */
const SLICE_BYTES = 65_536
/** What a turn encrypts while the kernel takes everything. */
const TURN_BYTES = 1_048_576
/** Beyond what we write ahead, only answers to the peer's own messages pile up: it asks and does not read. */
const MAX_WAITING_BYTES = 1_048_576
const READ_BYTES = 65_536

/** What every connection decrypts into; what is handed on is a copy. */
const plaintext = Buffer.allocUnsafeSlow(READ_BYTES)

/**
 * TLS 1.3 with early data over a TCP connection: what node:tls has no call for. What is written first leaves
 * together with the ClientHello, in one write, so that Fast Open puts it into the SYN; when the server does
 * not take it early it is sent again behind the handshake. Only what may be sent twice, and may be replayed
 * by others (RFC 8446 8), must be written before the phase is `open`. Throws when OpenSSL cannot use the
 * options; `raw` is still the caller's then.
 */
export function openEarlySocket(options: EarlySocketOptions): EarlySocket {
  return new OpenEarlySocket(options)
}

class OpenEarlySocket implements EarlySocket {
  readonly socket: StreamSocket
  onHandshake: EarlySocket['onHandshake']
  onTicket: EarlySocket['onTicket']

  readonly #options: EarlySocketOptions
  readonly #raw: StreamSocket
  readonly #duplex: Duplex
  /**
   * As it was made: connections deferred the destroy() that follows a failed write (drainOnEpipe), and that
   * is done on `raw` already.
   */
  readonly #destroy: (error?: Error) => unknown
  #machine: ClientMachine
  #phase: EarlyPhase = 'collecting'
  #firstFlightBytes: number | undefined
  readonly #early: EarlyBytes
  /** More was written than may go early: then nothing does. */
  #isTooMuch = false
  #turn: NodeJS.Immediate | undefined
  #turnsLeft = COLLECTING_TURNS
  #sendTurn: NodeJS.Immediate | undefined
  #pending: PendingWrite | undefined
  /** end() waits for the handshake. */
  #final: (() => void) | undefined
  /** The reader has room. */
  #isWanted = false
  #isReading = false
  /** FIN has come. */
  #isRawEnded = false
  #isEndTold = false

  constructor(options: EarlySocketOptions) {
    const { raw } = options
    this.#options = options
    this.#raw = raw
    this.#machine = this.#makeMachine(options.session)
    this.#early = new EarlyBytes(this.#machine.maxEarlyDataBytes)
    this.#duplex = new Duplex({
      allowHalfOpen: false,
      readableHighWaterMark: READ_BYTES,
      writableHighWaterMark: SLICE_BYTES,
      read: () => this.#onWanted(),
      write: (chunk: Buffer, _encoding, callback) => this.#onWrite([chunk], callback),
      writev: (entries, callback) =>
        this.#onWrite(
          entries.map(({ chunk }) => chunk as Buffer), // as: strings are decoded before they come here
          callback,
        ),
      final: callback => this.#onFinal(callback),
      destroy: (error, callback) => this.#onDestroy(error, callback),
    })
    this.#destroy = this.#duplex.destroy.bind(this.#duplex)
    this.socket = Object.assign(this.#duplex, { ref: () => raw.ref(), unref: () => raw.unref() })
    // Where descriptorOf() looks: the options and the figures of the connection are those of `raw`.
    Object.defineProperty(this.#duplex, '_handle', { get: () => ('_handle' in raw ? raw._handle : null) })
    // A write that fails must not keep an answer from being read that lies in the kernel.
    drainOnEpipe(raw, () => true)
    const guard = (listener: () => void) => guardedListener(DURING, listener, this.#onFault)
    const onEnd = guard(() => this.#onRawEnd())
    const onClose = guard(() => this.#onRawClosed())
    const onDrain = guard(() => this.#send())
    raw.on(
      'error',
      guardedListener(DURING, (error: Error) => this.#fail(error), this.#onFault),
    )
    raw.on('end', onEnd).on('close', onClose).on('drain', onDrain)
    this.#turn = setImmediate(this.#onTurn)
  }

  get phase(): EarlyPhase {
    return this.#phase
  }

  get firstFlightBytes(): number | undefined {
    return this.#firstFlightBytes
  }

  // The first flight

  readonly #onTurn = (): void => {
    this.#turn = undefined
    if (this.#phase !== 'collecting') return
    try {
      if (this.#raw.destroyed) this.#onRawClosed()
      else if (--this.#turnsLeft > 0) this.#turn = setImmediate(this.#onTurn)
      else this.#leave()
    } catch (error) {
      containFault(DURING, error, this.#onFault)
    }
  }

  /**
   * What was begun in this turn is to come along: HTTP/2 writes in a turn's end what was put out in the turn.
   */
  #leaveSoon(): void {
    if (this.#turn !== undefined) clearImmediate(this.#turn)
    this.#turnsLeft = 1
    this.#turn = setImmediate(this.#onTurn)
  }

  #leave(): void {
    this.#phase = 'handshaking'
    const early = this.#isTooMuch || this.#early.byteCount === 0 ? undefined : this.#early.all()
    try {
      if (early === undefined) this.#machine.handshake()
      else if (!this.#machine.startWithEarlyData(early)) {
        // The session does not go with what is offered now. Without it the handshake is a full one.
        this.#machine.free()
        this.#machine = this.#makeMachine(undefined)
        this.#machine.handshake()
      }
    } catch (error) {
      this.#fail(asError(error))
      return
    }
    this.#firstFlightBytes = this.#flush()
    const onData = guardedListener(DURING, (chunk: Buffer) => this.#onData(chunk), this.#onFault)
    this.#raw.on('data', onData)
    this.#tellKeys()
  }

  #makeMachine(session: Buffer | undefined): ClientMachine {
    const { context, serverName, rejectUnauthorized, alpn, keylog } = this.#options
    // RFC 6066 section 3: no addresses.
    const sentName = isIP(serverName) === 0 ? serverName : undefined
    const logsKeys = keylog !== undefined
    return new ClientMachine({ context, sentName, rejectUnauthorized, alpn, session, logsKeys })
  }

  // The handshake

  #onHandshakeData(): void {
    const machine = this.#machine
    let agreed: AgreedHandshake | undefined
    let certificate: VerifiedCertificate | undefined
    const verifyText = (code: number): string =>
      this.#options.context.openssl.X509_verify_cert_error_string(code)
    try {
      agreed = machine.handshake()
    } catch (error) {
      const failure = handshakeError(machine, asError(error), verifyText)
      this.#flush() // the alert
      this.#fail(failure)
      return
    }
    this.#tellKeys()
    if (this.#phase !== 'handshaking') return
    if (agreed === undefined) {
      this.#flush()
      return
    }
    try {
      // Before anything leaves: not even our Finished goes to a peer that is not who it must be.
      ;({ certificate } = checkPeer(machine, agreed, this.#options, verifyText))
      if (agreed.earlyData !== 'accepted' && this.#early.byteCount > 0) machine.write(this.#early.all())
    } catch (error) {
      this.#fail(asError(error))
      return
    }
    this.#early.clear()
    this.#flush()
    if (this.#phase !== 'handshaking') return
    this.#phase = 'open'
    const { earlyData, isResumed, tlsVersion } = agreed
    this.onHandshake?.({ earlyData, isResumed, tlsVersion, certificate })
    this.#send()
    const final = this.#final
    this.#final = undefined
    if (final !== undefined && this.#isOpen()) this.#onFinal(final)
  }

  // What arrives

  #onData(chunk: Buffer): void {
    if (this.#phase === 'closed') return
    try {
      this.#machine.receive(chunk)
    } catch (error) {
      this.#fail(asError(error))
      return
    }
    if (this.#phase === 'handshaking') this.#onHandshakeData()
    if (this.#isOpen()) this.#read()
  }

  #onWanted(): void {
    // As long as it is wanted, everything that comes is read at once.
    if (this.#isWanted) return
    this.#isWanted = true
    if (!this.#isOpen()) return
    this.#raw.resume()
    this.#read()
  }

  /** Decrypts for as long as the reader has room. */
  #read(): void {
    // What is called below may ask for more, which this loop sees.
    if (this.#isReading) return
    this.#isReading = true
    try {
      while (this.#isOpen() && this.#isWanted && this.#readOnce());
    } finally {
      this.#isReading = false
    }
    if (this.#isOpen() && !this.#isWanted) this.#raw.pause()
  }

  /** False: there is nothing more for now. */
  #readOnce(): boolean {
    const machine = this.#machine
    let count = 0
    try {
      count = machine.read(plaintext)
    } catch (error) {
      this.#flush() // the alert
      this.#fail(asError(error))
      return false
    }
    const chunk = count === 0 ? undefined : Buffer.allocUnsafeSlow(count)
    if (chunk !== undefined) plaintext.copy(chunk, 0, 0, count)
    this.#flush() // answers to messages of TLS itself
    this.#tellKeys()
    for (const ticket of machine.takeTickets()) {
      if (this.#isOpen()) this.onTicket?.(ticket)
    }
    if (!this.#isOpen()) return false
    if (chunk !== undefined) {
      this.#isWanted = this.#duplex.push(chunk)
      return true
    }
    if (machine.isInputOver || this.#isRawEnded) this.#tellEnd()
    return false
  }

  /**
   * A FIN without close_notify is an end as well, as for node:tls: HTTP knows by itself whether a message is
   * complete.
   */
  #tellEnd(): void {
    if (this.#isEndTold) return
    this.#isEndTold = true
    this.#duplex.push(null)
    // Whatever still comes is read over, so that the end of the connection is seen.
    this.#isWanted = true
    this.#raw.resume()
  }

  #onRawEnd(): void {
    this.#isRawEnded = true
    if (this.#phase === 'open') this.#read()
    else this.#fail(disconnected())
  }

  #onRawClosed(): void {
    if (this.#phase === 'closed') return
    if (this.#phase !== 'open') this.#fail(disconnected())
    else if (!this.#isRawEnded) this.#destroy()
    else if (this.#pending !== undefined) this.#fail(brokenPipe())
    // else: what the reader has not taken yet is still there for it, and then the end
  }

  // What is sent

  #onWrite(chunks: readonly Buffer[], callback: (error?: Error | null) => void): void {
    if (this.#phase === 'collecting') {
      if (!this.#isTooMuch && this.#early.add(chunks)) {
        this.#leaveSoon()
        callback()
        return
      }
      this.#isTooMuch = true
      this.#leaveSoon()
    }
    this.#pending = new PendingWrite(chunks, callback)
    try {
      this.#send()
    } catch (error) {
      // Node would let it through to whoever writes.
      containFault(DURING, error, this.#onFault)
    }
  }

  /** Encrypts what waits, as far as the kernel takes it. */
  #send(): void {
    let left = TURN_BYTES
    for (;;) {
      const pending = this.#pending
      if (pending === undefined || !this.#isOpen()) return
      // 'drain' goes on. What the kernel took at once counts for nothing, though 'drain' is still to come for
      // it.
      if (this.#raw.writableLength > 0 && this.#raw.writableNeedDrain) return
      if (pending.isEmpty) {
        this.#pending = undefined
        pending.callback()
        return
      }
      if (!this.#raw.writable) {
        if (this.#raw.closed) this.#fail(brokenPipe()) // it has ended before what came was read
        return // 'error' or 'close' follows
      }
      if (left <= 0) {
        this.#sendTurn ??= setImmediate(this.#onSendTurn)
        return
      }
      const slice = pending.next(SLICE_BYTES)
      left -= slice.length
      try {
        this.#machine.write(slice)
      } catch (error) {
        this.#fail(asError(error))
        return
      }
      this.#flush()
    }
  }

  readonly #onSendTurn = (): void => {
    this.#sendTurn = undefined
    try {
      this.#send()
    } catch (error) {
      containFault(DURING, error, this.#onFault)
    }
  }

  #onFinal(callback: () => void): void {
    if (this.#phase === 'collecting' || this.#phase === 'handshaking') {
      this.#final = callback
      return
    }
    this.#machine.close()
    this.#flush()
    if (this.#raw.writable) this.#raw.end(() => callback())
    else callback()
  }

  /** Hands what OpenSSL has put out to the kernel; answers how many bytes. */
  #flush(): number {
    const output = this.#machine.takeOutput()
    if (output === undefined) return 0
    if (this.#raw.writable) this.#raw.write(output)
    if (this.#raw.writableLength > MAX_WAITING_BYTES) this.#fail(flooded())
    return output.length
  }

  // The end

  #isOpen(): boolean {
    return this.#phase === 'open'
  }

  #tellKeys(): void {
    const { keylog } = this.#options
    if (keylog === undefined) return
    for (const line of this.#machine.takeKeyLines()) keylog(Buffer.from(`${line}\n`, 'latin1'))
  }

  readonly #onFault = (error: Error): void => this.#fail(error)

  #fail(error: Error): void {
    if (this.#phase !== 'closed') this.#destroy(error)
  }

  /**
   * The one place that frees. Nothing of OpenSSL's is on the stack: its calls return before anybody is called
   * here.
   */
  #onDestroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#phase = 'closed'
    if (this.#turn !== undefined) clearImmediate(this.#turn)
    if (this.#sendTurn !== undefined) clearImmediate(this.#sendTurn)
    this.#machine.free()
    this.#early.clear()
    const pending = this.#pending
    this.#pending = undefined
    if (pending !== undefined) guardedTick(DURING, () => pending.callback(error ?? brokenPipe()))
    const raw = this.#raw
    if (raw.closed) callback(error)
    else {
      raw.once('close', () => callback(error))
      raw.destroy()
    }
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** In the words of node:tls. */
function disconnected(): Error {
  const message = 'Client network socket disconnected before secure TLS connection was established'
  return Object.assign(new Error(message), { code: 'ECONNRESET' })
}

function brokenPipe(): Error {
  return Object.assign(new Error('the connection was closed before everything was written'), {
    code: 'EPIPE',
    syscall: 'write',
  })
}

function flooded(): Error {
  return Object.assign(new Error('the peer asks for answers and does not read them'), {
    code: 'ERR_SSL_FLOOD',
  })
}
