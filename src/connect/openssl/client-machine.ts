import type { ClientContext } from './client-contexts.ts'
import { type BioPointer, type OpenSsl, type SessionPointer, type SslPointer, takeError } from './openssl.ts'

export interface ClientMachineOptions {
  readonly context: ClientContext
  /** SNI. Undefined: none is sent. Whether the certificate is for it is not looked at here. */
  readonly sentName: string | undefined
  /** Whether the chain of the server's certificate must be good. */
  readonly rejectUnauthorized: boolean
  readonly alpn: string | undefined
  /**
   * DER. What cannot be read, or was made without checking the peer where it must be checked, is left aside.
   */
  readonly session: Buffer | undefined
  readonly logsKeys: boolean
}

/** What a complete handshake agreed on. */
export interface AgreedHandshake {
  readonly earlyData: 'none' | 'accepted' | 'rejected'
  readonly isResumed: boolean
  readonly tlsVersion: string
  readonly alpn: string | undefined
  /** X509_V_ERR_, or VERIFIED. */
  readonly verifyCode: number
}

// SSL_ctrl(3), SSL_get_error(3), SSL_set_verify(3), SSL_get_early_data_status(3)
const SET_SERVER_NAME = 55
const WANT_READ = 2
const WANT_WRITE = 3
const ZERO_RETURN = 6
const VERIFY_NONE = 0
const VERIFY_PEER = 1
const EARLY_DATA_REJECTED = 1
const EARLY_DATA_ACCEPTED = 2
const TLS_1_3 = 0x304

/** Of one read from the socket: a server sends two. */
const MAX_TICKETS_PER_READ = 8
const MAX_ALPN_BYTES = 255

/**
 * The client side of one TLS 1.3 connection over memory: bytes from the peer go into receive(), bytes for it
 * come out of takeOutput(), and in between is OpenSSL with two memory BIOs. No sockets, no timers, and nobody
 * is called back.
 *
 * It owns its SSL (with the BIOs) from the constructor to free(), after which every method is a no-op or says
 * that there is nothing. A failure is thrown as the error that node:tls would report; an alert for the peer
 * may be in the output then, and nothing works any more but takeOutput() and free().
 */
export class ClientMachine {
  /** What may go early: 0 without a session that allows it. */
  readonly maxEarlyDataBytes: number
  readonly #openssl: OpenSsl
  readonly #context: ClientContext
  /** Undefined: freed. */
  #ssl: SslPointer | undefined
  readonly #input: BioPointer
  readonly #output: BioPointer
  readonly #logsKeys: boolean
  #isComplete = false
  #isBroken = false
  /** The peer's close_notify came. */
  #isInputOver = false
  /** The session that is in use; each ticket makes another one. Never followed, only compared. */
  #session: SessionPointer | null = null
  #tickets: Buffer[] = []
  /** Thrown when what was read before it has been taken. */
  #readFailure: Error | undefined

  constructor(options: ClientMachineOptions) {
    const { context, alpn, sentName } = options
    const { openssl } = context
    this.#openssl = openssl
    this.#context = context
    const ssl = context.newSsl(options.logsKeys)
    this.#ssl = ssl
    this.#logsKeys = options.logsKeys && context.keyLog !== undefined
    const input = openssl.BIO_new(openssl.BIO_s_mem())
    const output = openssl.BIO_new(openssl.BIO_s_mem())
    if (input === null || output === null) {
      if (input !== null) openssl.BIO_free(input)
      if (output !== null) openssl.BIO_free(output)
      openssl.SSL_free(ssl)
      throw takeError(openssl, 'out of memory')
    }
    openssl.SSL_set_bio(ssl, input, output)
    this.#input = input
    this.#output = output
    try {
      openssl.SSL_set_connect_state(ssl)
      openssl.SSL_set_verify(ssl, options.rejectUnauthorized ? VERIFY_PEER : VERIFY_NONE, null)
      if (sentName !== undefined && openssl.SSL_ctrl(ssl, SET_SERVER_NAME, 0, sentName) !== 1)
        throw takeError(openssl, `${sentName} cannot be sent as a server name`)
      if (alpn !== undefined) this.#offer(ssl, alpn)
      this.maxEarlyDataBytes =
        options.session === undefined ? 0 : this.#use(ssl, options.session, options.rejectUnauthorized)
    } catch (error) {
      this.#ssl = undefined
      openssl.SSL_free(ssl)
      throw error
    }
    if (this.#logsKeys) context.keyLog?.open(ssl)
  }

  get isComplete(): boolean {
    return this.#isComplete
  }

  /** Nothing more will be read. */
  get isInputOver(): boolean {
    return this.#isInputOver
  }

  /**
   * Begins the handshake with a ClientHello and these bytes behind it. False: OpenSSL will not send them
   * early (the session is for another name or protocol, say), and this machine is of no use.
   */
  startWithEarlyData(bytes: Buffer): boolean {
    const ssl = this.#ssl
    if (ssl === undefined || bytes.length === 0 || bytes.length > this.maxEarlyDataBytes) return false
    const written = Buffer.alloc(8)
    this.#openssl.ERR_clear_error()
    const result = this.#openssl.SSL_write_early_data(ssl, bytes, bytes.length, written)
    // A BIO in memory takes everything at once.
    this.#isBroken = result !== 1 || written.readBigUInt64LE(0) !== BigInt(bytes.length)
    if (this.#isBroken) this.#openssl.ERR_clear_error()
    return !this.#isBroken
  }

  /** Bytes from the peer. Copied. */
  receive(bytes: Buffer): void {
    if (this.#ssl === undefined || this.#isBroken || this.#isInputOver || bytes.length === 0) return
    this.#openssl.ERR_clear_error()
    const taken = this.#openssl.BIO_write(this.#input, bytes, bytes.length)
    if (taken !== bytes.length) throw this.#broken('out of memory')
  }

  /** Goes on with the handshake as far as it can. Answers what was agreed when it is complete, once. */
  handshake(): AgreedHandshake | undefined {
    const ssl = this.#ssl
    if (ssl === undefined || this.#isBroken || this.#isComplete) return undefined
    this.#openssl.ERR_clear_error()
    const result = this.#openssl.SSL_do_handshake(ssl)
    if (result !== 1) {
      const error = this.#openssl.SSL_get_error(ssl, result)
      if (error === WANT_READ || error === WANT_WRITE) return undefined
      throw this.#broken('the handshake failed')
    }
    this.#isComplete = true
    this.#session = this.#openssl.SSL_get_session(ssl)
    return {
      earlyData: earlyDataOf(this.#openssl.SSL_get_early_data_status(ssl)),
      isResumed: this.#openssl.SSL_session_reused(ssl) === 1,
      tlsVersion: this.#openssl.SSL_get_version(ssl),
      alpn: this.#selectedAlpn(ssl),
      verifyCode: this.#openssl.SSL_get_verify_result(ssl),
    }
  }

  /** Why the chain was refused, after a failure of handshake(); VERIFIED: it was not that. */
  verifyCode(): number {
    return this.#ssl === undefined ? VERIFIED : this.#openssl.SSL_get_verify_result(this.#ssl)
  }

  /** DER of the certificate that the peer has shown; none is shown when a session is resumed. */
  peerCertificate(): Buffer | undefined {
    if (this.#ssl === undefined) return undefined
    const certificate = this.#openssl.SSL_get1_peer_certificate(this.#ssl)
    if (certificate === null) return undefined
    try {
      return encode(into => this.#openssl.i2d_X509(certificate, into))
    } finally {
      this.#openssl.X509_free(certificate)
    }
  }

  /**
   * Decrypts what was received into `into`, as much as it holds, and answers how many bytes that are. 0:
   * nothing more for now, or for ever (isInputOver). What `into` has no room for stays. Tickets that came are
   * in takeTickets().
   */
  read(into: Buffer): number {
    let end = 0
    let waiting = this.#ssl === undefined ? 0 : this.#openssl.BIO_ctrl_pending(this.#input)
    while (this.#ssl !== undefined && this.#isComplete && !this.#isBroken && !this.#isInputOver) {
      if (end === into.length) break
      this.#openssl.ERR_clear_error()
      const target = end === 0 ? into : into.subarray(end)
      const count = this.#openssl.SSL_read(this.#ssl, target, target.length)
      if (count > 0) {
        end += count
        continue
      }
      const error = this.#openssl.SSL_get_error(this.#ssl, count)
      if (error === ZERO_RETURN) this.#isInputOver = true
      else if (error !== WANT_READ && error !== WANT_WRITE) this.#readFailure = this.#broken('reading failed')
      else {
        // It wants more, or it has handled a message that was none of data and returned to say so.
        const left = this.#openssl.BIO_ctrl_pending(this.#input)
        const isTicket = this.#noteTicket(this.#ssl)
        if (!isTicket && (left === 0 || left === waiting)) break
        waiting = left
      }
    }
    if (end === 0 && this.#readFailure !== undefined) {
      const failure = this.#readFailure
      this.#readFailure = undefined
      throw failure
    }
    return end
  }

  /** Encrypts them; they can be used again afterwards. At the most 16 MiB, after the handshake. */
  write(bytes: Buffer): void {
    if (this.#ssl === undefined || this.#isBroken || !this.#isComplete || bytes.length === 0) return
    this.#openssl.ERR_clear_error()
    // A BIO in memory takes everything at once.
    if (this.#openssl.SSL_write(this.#ssl, bytes, bytes.length) !== bytes.length)
      throw this.#broken('writing failed')
  }

  /** Says close_notify. */
  close(): void {
    if (this.#ssl === undefined || this.#isBroken || !this.#isComplete) return
    this.#openssl.ERR_clear_error()
    this.#openssl.SSL_shutdown(this.#ssl) // 0 and 1 are both fine: the peer's own is waited for elsewhere
    this.#openssl.ERR_clear_error()
  }

  /** Bytes for the peer. */
  takeOutput(): Buffer | undefined {
    if (this.#ssl === undefined) return undefined
    const pending = this.#openssl.BIO_ctrl_pending(this.#output)
    if (pending === 0) return undefined
    const bytes = Buffer.allocUnsafeSlow(pending)
    const count = this.#openssl.BIO_read(this.#output, bytes, pending)
    return count === pending ? bytes : bytes.subarray(0, Math.max(count, 0))
  }

  /** The sessions that came since the last time, as DER. */
  takeTickets(): readonly Buffer[] {
    if (this.#tickets.length === 0) return this.#tickets
    const tickets = this.#tickets
    this.#tickets = []
    return tickets
  }

  /** Lines of SSLKEYLOGFILE that came since the last time, without an end of line. */
  takeKeyLines(): readonly string[] {
    if (!this.#logsKeys || this.#ssl === undefined) return []
    return this.#context.keyLog?.take(this.#ssl) ?? []
  }

  /** Any number of times, at any time but from within another method. */
  free(): void {
    const ssl = this.#ssl
    if (ssl === undefined) return
    this.#ssl = undefined
    this.#session = null
    if (this.#logsKeys) this.#context.keyLog?.close(ssl)
    this.#openssl.SSL_free(ssl)
  }

  #offer(ssl: SslPointer, alpn: string): void {
    const name = Buffer.from(alpn, 'latin1')
    if (name.length === 0 || name.length > MAX_ALPN_BYTES) throw new RangeError(`not a protocol: ${alpn}`)
    const list = Buffer.concat([Buffer.of(name.length), name])
    if (this.#openssl.SSL_set_alpn_protos(ssl, list, list.length) !== 0)
      throw takeError(this.#openssl, 'out of memory')
  }

  /** Answers how much early data the session allows. */
  #use(ssl: SslPointer, der: Buffer, mustBeVerified: boolean): number {
    const openssl = this.#openssl
    if (der.length === 0) return 0
    openssl.ERR_clear_error()
    const session = openssl.d2i_SSL_SESSION(null, [der], der.length)
    openssl.ERR_clear_error()
    if (session === null) return 0
    try {
      if (openssl.SSL_SESSION_get_protocol_version(session) !== TLS_1_3) return 0
      if (openssl.SSL_SESSION_is_resumable(session) !== 1) return 0
      if (openssl.SSL_set_session(ssl, session) !== 1) return 0
      // The verdict of the handshake that the session is from: it is the connection's now.
      if (mustBeVerified && openssl.SSL_get_verify_result(ssl) !== VERIFIED) {
        openssl.SSL_set_session(ssl, null)
        openssl.SSL_set_verify_result(ssl, VERIFIED) // as it was; the new chain is verified by itself
        return 0
      }
      return openssl.SSL_SESSION_get_max_early_data(session)
    } finally {
      openssl.SSL_SESSION_free(session)
      openssl.ERR_clear_error()
    }
  }

  /**
   * OpenSSL makes a new session of each ticket while it still has the last one: another address is another
   * ticket.
   */
  #noteTicket(ssl: SslPointer): boolean {
    const session = this.#openssl.SSL_get_session(ssl)
    if (session === this.#session) return false
    this.#session = session
    if (session === null || this.#tickets.length >= MAX_TICKETS_PER_READ) return true
    if (this.#openssl.SSL_SESSION_is_resumable(session) !== 1) return true
    const der = encode(into => this.#openssl.i2d_SSL_SESSION(session, into))
    if (der !== undefined) this.#tickets.push(der)
    return true
  }

  #selectedAlpn(ssl: SslPointer): string | undefined {
    const address = Buffer.alloc(8)
    const length = Buffer.alloc(4)
    this.#openssl.SSL_get0_alpn_selected(ssl, address, length)
    const from = address.readBigUInt64LE(0)
    const count = length.readUInt32LE(0)
    if (from === 0n || count === 0 || count > MAX_ALPN_BYTES) return undefined
    const name = Buffer.alloc(count)
    this.#openssl.memcpy(name, from, count)
    return name.toString('latin1')
  }

  #broken(what: string): Error {
    this.#isBroken = true
    return takeError(this.#openssl, what)
  }
}

function earlyDataOf(status: number): AgreedHandshake['earlyData'] {
  if (status === EARLY_DATA_ACCEPTED) return 'accepted'
  return status === EARLY_DATA_REJECTED ? 'rejected' : 'none'
}

/** The two steps of every i2d function: its length, then its bytes. */
function encode(write: (into: [Buffer] | null) => number): Buffer | undefined {
  const length = write(null)
  if (length <= 0) return undefined
  const bytes = Buffer.allocUnsafeSlow(length)
  return write([bytes]) === length ? bytes : undefined
}

/**
 * The X509_V_ERR_ numbers of openssl/x509_vfy.h under the names that node:tls gives them (GetVerifyErrorCode
 * of its source). They are part of OpenSSL's interface: a number never changes its meaning within version 3.
 */
const NAMES: Readonly<Record<number, string>> = {
  2: 'UNABLE_TO_GET_ISSUER_CERT',
  3: 'UNABLE_TO_GET_CRL',
  4: 'UNABLE_TO_DECRYPT_CERT_SIGNATURE',
  5: 'UNABLE_TO_DECRYPT_CRL_SIGNATURE',
  6: 'UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY',
  7: 'CERT_SIGNATURE_FAILURE',
  8: 'CRL_SIGNATURE_FAILURE',
  9: 'CERT_NOT_YET_VALID',
  10: 'CERT_HAS_EXPIRED',
  11: 'CRL_NOT_YET_VALID',
  12: 'CRL_HAS_EXPIRED',
  13: 'ERROR_IN_CERT_NOT_BEFORE_FIELD',
  14: 'ERROR_IN_CERT_NOT_AFTER_FIELD',
  15: 'ERROR_IN_CRL_LAST_UPDATE_FIELD',
  16: 'ERROR_IN_CRL_NEXT_UPDATE_FIELD',
  17: 'OUT_OF_MEM',
  18: 'DEPTH_ZERO_SELF_SIGNED_CERT',
  19: 'SELF_SIGNED_CERT_IN_CHAIN',
  20: 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  21: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  22: 'CERT_CHAIN_TOO_LONG',
  23: 'CERT_REVOKED',
  25: 'PATH_LENGTH_EXCEEDED',
  26: 'INVALID_PURPOSE',
  27: 'CERT_UNTRUSTED',
  28: 'CERT_REJECTED',
  62: 'HOSTNAME_MISMATCH',
  79: 'INVALID_CA',
}

/** X509_V_OK. */
export const VERIFIED = 0

/** `UNSPECIFIED` is what Node says of those that it has no name for. */
export function verifyName(code: number): string {
  return NAMES[code] ?? 'UNSPECIFIED'
}
