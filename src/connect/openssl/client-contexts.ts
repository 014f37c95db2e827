import { createHash } from 'node:crypto'
import { DEFAULT_CIPHERS } from 'node:tls'
import { defaultRoots } from '../../base/default-roots.ts'
import { TransportError } from '../../base/errors.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { type KeyLog, keyLogOf } from './key-log.ts'
import {
  type BioPointer,
  type CallbackPointer,
  type CertificatePointer,
  type ContextPointer,
  type KeyPointer,
  type OpenSsl,
  type SslPointer,
  type StorePointer,
  takeError,
} from './openssl.ts'

/** What connections with the same settings share. */
export interface ClientContext {
  readonly openssl: OpenSsl
  /** Undefined: this process cannot have its keys logged (key-log.ts). */
  readonly keyLog: KeyLog | undefined
  /**
   * A new connection, the caller's to free. Throws MM_INVALID_ARGUMENT when OpenSSL cannot use the settings
   * (any more).
   */
  newSsl(logsKeys: boolean): SslPointer
}

/**
 * The settings of origins as OpenSSL wants them. What they are made into is shared by all of this process
 * that have equal ones.
 */
export class ClientContexts {
  readonly #openssl: OpenSsl
  readonly #cache: ContextCache
  /** By the options object itself, so that a CA bundle is hashed once and not at each dial. */
  readonly #byOptions = new WeakMap<TlsOptions, ClientContext>()

  constructor(openssl: OpenSsl, cache: ContextCache = sharedContexts(openssl)) {
    this.#openssl = openssl
    this.#cache = cache
  }

  /**
   * The options are read once: who wants other settings hands over another object. Throws MM_INVALID_ARGUMENT
   * when OpenSSL cannot use them, or when they exclude TLS 1.3.
   */
  get(tls: TlsOptions): ClientContext {
    const known = this.#byOptions.get(tls)
    if (known !== undefined) return known
    if (tls.maxVersion === 'TLSv1.2')
      throw new TransportError(
        'MM_INVALID_ARGUMENT',
        'there is no early data below TLS 1.3, and tls.maxVersion is TLSv1.2',
      )
    const openssl = this.#openssl
    const cache = this.#cache
    const keyLog = keyLogOf(openssl)
    // A copy: what may be made again must be made of the same.
    const { ca, cert, key: privateKey, passphrase, ciphers, groups } = tls
    const settings = {
      ...(ca === undefined ? {} : { ca: typeof ca === 'string' ? ca : [...ca] }),
      ...(cert === undefined ? {} : { cert }),
      ...(privateKey === undefined ? {} : { key: privateKey }),
      ...(passphrase === undefined ? {} : { passphrase }),
      ...(ciphers === undefined ? {} : { ciphers }),
      ...(groups === undefined ? {} : { groups }),
    }
    // The hash keeps private keys out of the map.
    const key = createHash('sha256').update(JSON.stringify(settings)).digest('base64url')
    const make = (callback?: KeyLog['callback']) => () => {
      try {
        return makeContext(openssl, settings, callback)
      } catch (cause) {
        const reason = cause instanceof Error ? cause.message : String(cause)
        throw new TransportError('MM_INVALID_ARGUMENT', `the tls options cannot be used: ${reason}`, {
          cause,
        })
      }
    }
    cache.warm(key, make())
    const context: ClientContext = {
      openssl,
      keyLog,
      newSsl(logsKeys) {
        const ssl =
          logsKeys && keyLog !== undefined
            ? cache.newSsl(`${key} logged`, make(keyLog.callback))
            : cache.newSsl(key, make())
        if (ssl === undefined) throw new TransportError('MM_INTERNAL', 'no memory for a TLS connection')
        return ssl
      },
    }
    this.#byOptions.set(tls, context)
    return context
  }
}

/** More different TLS settings than a process has origins with settings of their own. */
const DEFAULT_MAX_CONTEXTS = 64

/** Makes the SSL_CTX of some settings. Throws when OpenSSL cannot use them. */
export type ContextMaker = () => ContextPointer

/**
 * The SSL_CTX objects of this process, the longest unused first. One that is put out is freed at once:
 * connections hold references of their own (SSL_new(3)), and who asks for another connection with those
 * settings has it made again. So nobody ever holds a pointer that was freed.
 */
export class ContextCache {
  readonly #openssl: OpenSsl
  readonly #maxContexts: number
  readonly #contexts = new Map<string, ContextPointer>()

  constructor(openssl: OpenSsl, maxContexts: number = DEFAULT_MAX_CONTEXTS) {
    this.#openssl = openssl
    this.#maxContexts = maxContexts
  }

  get size(): number {
    return this.#contexts.size
  }

  /** A new connection, the caller's to free. Undefined: out of memory. */
  newSsl(key: string, make: ContextMaker): SslPointer | undefined {
    const context = this.#contextFor(key, make)
    this.#openssl.ERR_clear_error()
    return this.#openssl.SSL_new(context) ?? undefined
  }

  /** Makes it where it is not there. */
  warm(key: string, make: ContextMaker): void {
    this.#contextFor(key, make)
  }

  #contextFor(key: string, make: ContextMaker): ContextPointer {
    const context = this.#contexts.get(key) ?? make()
    this.#contexts.delete(key)
    this.#contexts.set(key, context)
    if (this.#contexts.size > this.#maxContexts) {
      for (const [oldest, unused] of this.#contexts) {
        this.#contexts.delete(oldest)
        this.#openssl.SSL_CTX_free(unused)
        break
      }
    }
    return context
  }
}

const shared = new WeakMap<OpenSsl, ContextCache>()

/** One for all: a transport that is given up leaves nothing behind that grows. */
function sharedContexts(openssl: OpenSsl): ContextCache {
  const known = shared.get(openssl)
  if (known !== undefined) return known
  const made = new ContextCache(openssl)
  shared.set(openssl, made)
  return made
}

// SSL_CTX_ctrl(3) by number: what the headers have macros for.
const SET_MODE = 33
const SET_SESSION_CACHE_MODE = 44
const CLEAR_MODE = 78
const ADD_CHAIN_CERTIFICATE = 89
const SET_GROUPS_LIST = 92
const SET_MIN_VERSION = 123
const SET_MAX_VERSION = 124

const TLS_1_3 = 0x304
const SESSION_CACHE_OFF = 0
/**
 * SSL_read(3) returns after each message behind the handshake, so that each ticket is seen without a callback
 * from C.
 */
const AUTO_RETRY = 4
/** Gives read and write buffers back while a connection is idle, as node:tls does: 34 KB each. */
const RELEASE_BUFFERS = 16

/**
 * An SSL_CTX for clients that speak TLS 1.3 and nothing else, with the settings that `tls` gives to node:tls.
 * Whether certificates must be good is said for each connection. Throws what OpenSSL has against the
 * settings; what was made until then is freed.
 */
function makeContext(openssl: OpenSsl, tls: TlsOptions, keyLog: CallbackPointer | undefined): ContextPointer {
  openssl.ERR_clear_error()
  const context = openssl.SSL_CTX_new(openssl.TLS_client_method())
  if (context === null) throw takeError(openssl, 'out of memory')
  try {
    const check = (result: number, what: string): void => {
      if (result !== 1) throw failure(openssl, what)
    }
    check(openssl.SSL_CTX_ctrl(context, SET_MIN_VERSION, TLS_1_3, null), 'no TLS 1.3')
    check(openssl.SSL_CTX_ctrl(context, SET_MAX_VERSION, TLS_1_3, null), 'no TLS 1.3')
    openssl.SSL_CTX_ctrl(context, SET_SESSION_CACHE_MODE, SESSION_CACHE_OFF, null)
    openssl.SSL_CTX_ctrl(context, CLEAR_MODE, AUTO_RETRY, null)
    openssl.SSL_CTX_ctrl(context, SET_MODE, RELEASE_BUFFERS, null)
    setCiphers(openssl, context, tls.ciphers ?? DEFAULT_CIPHERS)
    if (tls.groups !== undefined) {
      const list = Buffer.from(`${tls.groups}\0`, 'latin1')
      check(openssl.SSL_CTX_ctrl(context, SET_GROUPS_LIST, 0, list), `unknown groups: ${tls.groups}`)
    }
    setAuthorities(openssl, context, tls.ca)
    setIdentity(openssl, context, tls)
    if (keyLog !== undefined) openssl.SSL_CTX_set_keylog_callback(context, keyLog)
    return context
  } catch (error) {
    openssl.SSL_CTX_free(context)
    throw error
  }
}

/**
 * As node:tls takes the list apart: suites of TLS 1.3 begin with TLS_, the rest is for versions below, but
 * may hold `@SECLEVEL`, which is for all.
 */
function setCiphers(openssl: OpenSsl, context: ContextPointer, ciphers: string): void {
  const names = ciphers.split(':').filter(name => name !== '')
  const suites = names.filter(name => name.startsWith('TLS_'))
  const others = names.filter(name => !name.startsWith('TLS_'))
  // node:tls would do without TLS 1.3, and there is no early data below it.
  if (suites.length === 0) throw new Error('ciphers has no suite of TLS 1.3')
  if (openssl.SSL_CTX_set_ciphersuites(context, suites.join(':')) !== 1)
    throw failure(openssl, `unknown ciphers: ${ciphers}`)
  if (others.length > 0 && openssl.SSL_CTX_set_cipher_list(context, others.join(':')) !== 1)
    throw failure(openssl, `unknown ciphers: ${ciphers}`)
}

function setAuthorities(openssl: OpenSsl, context: ContextPointer, ca: TlsOptions['ca']): void {
  // Node takes '' for "not given".
  if (ca === undefined || ca === '') {
    openssl.SSL_CTX_set1_cert_store(context, defaultStore(openssl))
    return
  }
  const store = makeStore(openssl, typeof ca === 'string' ? [ca] : ca)
  openssl.SSL_CTX_set1_cert_store(context, store)
  openssl.X509_STORE_free(store)
}

function setIdentity(openssl: OpenSsl, context: ContextPointer, tls: TlsOptions): void {
  let count = 0
  if (tls.cert !== undefined) {
    eachCertificate(openssl, tls.cert, (certificate, index) => {
      count++
      const result =
        index === 0
          ? openssl.SSL_CTX_use_certificate(context, certificate)
          : openssl.SSL_CTX_ctrl(context, ADD_CHAIN_CERTIFICATE, 1, certificate) // 1: it takes a reference
      if (result !== 1) throw failure(openssl, 'the client certificate cannot be used')
    })
    if (count === 0) throw new Error('cert holds no certificate')
  }
  if (tls.key === undefined) return
  withPrivateKey(openssl, tls.key, tls.passphrase ?? '', key => {
    if (openssl.SSL_CTX_use_PrivateKey(context, key) !== 1)
      throw failure(openssl, 'the private key cannot be used')
  })
}

const defaultStores = new WeakMap<OpenSsl, StorePointer>()

/** Made once: reading Node's list takes some 40 ms. It is never freed. */
function defaultStore(openssl: OpenSsl): StorePointer {
  const known = defaultStores.get(openssl)
  if (known !== undefined) return known
  const made = makeStore(openssl, [defaultRoots().toString('latin1')])
  defaultStores.set(openssl, made)
  return made
}

/** The caller's to free. */
function makeStore(openssl: OpenSsl, authorities: readonly string[]): StorePointer {
  openssl.ERR_clear_error()
  const store = openssl.X509_STORE_new()
  if (store === null) throw takeError(openssl, 'out of memory')
  try {
    for (const pem of authorities) {
      eachCertificate(openssl, pem, certificate => {
        if (openssl.X509_STORE_add_cert(store, certificate) !== 1)
          throw failure(openssl, 'an authority cannot be used')
      })
    }
    return store
  } catch (error) {
    openssl.X509_STORE_free(store)
    throw error
  }
}

/** OpenSSL's own reasons ("passed invalid argument") name nothing. */
function failure(openssl: OpenSsl, what: string): Error {
  return new Error(`${what} (${takeError(openssl, 'no reason given').reason})`)
}

/**
 * Calls `use` with each certificate of a PEM text, in its order. They are freed afterwards: who keeps one
 * takes a reference.
 */
function eachCertificate(
  openssl: OpenSsl,
  pem: string,
  use: (certificate: CertificatePointer, index: number) => void,
): void {
  withText(openssl, pem, bio => {
    for (let index = 0; ; index++) {
      openssl.ERR_clear_error()
      const certificate = openssl.PEM_read_bio_X509_AUX(bio, null, null, '')
      if (certificate === null) break // the end, or no PEM: as for node:tls
      try {
        use(certificate, index)
      } finally {
        openssl.X509_free(certificate)
      }
    }
  })
  openssl.ERR_clear_error()
}

/** Calls `use` with the private key of a PEM text. Throws what OpenSSL has against it. */
function withPrivateKey(
  openssl: OpenSsl,
  pem: string,
  passphrase: string,
  use: (key: KeyPointer) => void,
): void {
  withText(openssl, pem, bio => {
    openssl.ERR_clear_error()
    const key = openssl.PEM_read_bio_PrivateKey(bio, null, null, passphrase)
    if (key === null) throw takeError(openssl, 'no private key')
    try {
      use(key)
    } finally {
      openssl.EVP_PKEY_free(key)
    }
  })
}

function withText(openssl: OpenSsl, text: string, use: (bio: BioPointer) => void): void {
  const bio = openssl.BIO_new(openssl.BIO_s_mem())
  if (bio === null) throw takeError(openssl, 'out of memory')
  try {
    const bytes = Buffer.from(text, 'utf8')
    if (bytes.length === 0) return use(bio)
    if (openssl.BIO_write(bio, bytes, bytes.length) !== bytes.length)
      throw takeError(openssl, 'out of memory')
    use(bio)
  } finally {
    openssl.BIO_free(bio)
  }
}
