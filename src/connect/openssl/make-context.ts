import { DEFAULT_CIPHERS } from 'node:tls'
import { defaultRoots } from '../../base/default-roots.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import type { CallbackPointer, ContextPointer, OpenSsl, StorePointer } from './openssl.ts'
import { takeError } from './openssl.ts'
import { eachCertificate, withPrivateKey } from './pem.ts'

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
export function makeContext(
  openssl: OpenSsl,
  tls: TlsOptions,
  keyLog: CallbackPointer | undefined,
): ContextPointer {
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
          : openssl.SSL_CTX_ctrl(context, ADD_CHAIN_CERTIFICATE, 1, certificate) // 1: with a reference of its own
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
