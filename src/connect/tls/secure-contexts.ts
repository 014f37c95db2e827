import { createHash } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { TransportError } from '../../base/errors.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { trustOf } from '../../state/peer-key.ts'

export interface SharedContext {
  readonly context: SecureContext
  /** For peer keys: everything in the options that decides about trust, and the version of OpenSSL. */
  readonly trust: string
}

/** More different TLS settings than a process has origins with settings of their own. */
const DEFAULT_MAX_CONTEXTS = 256

/**
 * One secure context for all connections with the same settings: making one costs more than half of what
 * tls.connect does (0.35 ms with Node 20, more with a large CA bundle). The key is made of the contents, so
 * that origins with equal settings share.
 */
export class SecureContexts {
  readonly #maxContexts: number
  /** By a hash of the settings; the longest unused first. */
  readonly #contexts = new Map<string, SecureContext>()
  /** By the options object itself, so that a CA bundle is hashed once and not at each dial. */
  readonly #byOptions = new WeakMap<TlsOptions, SharedContext>()

  constructor(maxContexts: number = DEFAULT_MAX_CONTEXTS) {
    this.#maxContexts = maxContexts
  }

  get size(): number {
    return this.#contexts.size
  }

  /**
   * The options are read once: who wants other settings hands over another object. Throws MM_INVALID_ARGUMENT
   * when OpenSSL cannot use them.
   */
  get(tls: TlsOptions): SharedContext {
    const known = this.#byOptions.get(tls)
    if (known !== undefined) return known
    const trust = trustOf(tls, `openssl ${process.versions['openssl']}`)
    const shared = { context: this.#contextFor(tls), trust }
    this.#byOptions.set(tls, shared)
    return shared
  }

  #contextFor(tls: TlsOptions): SecureContext {
    const { ca, cert, key: privateKey, passphrase, minVersion, maxVersion, ciphers, groups } = tls
    const settings = [ca, cert, privateKey, passphrase, minVersion, maxVersion, ciphers, groups]
    // The hash keeps private keys out of the map.
    const key = createHash('sha256')
      .update(JSON.stringify(settings.map(setting => (setting === undefined ? [] : [setting]))))
      .digest('base64url')
    const context = this.#contexts.get(key) ?? makeContext(tls)
    this.#contexts.delete(key)
    this.#contexts.set(key, context)
    if (this.#contexts.size > this.#maxContexts) {
      const first = this.#contexts.keys().next()
      if (first.done !== true) this.#contexts.delete(first.value)
    }
    return context
  }
}

function makeContext(tls: TlsOptions): SecureContext {
  // Never below TLS 1.2, whatever --tls-min-v1.0 says to the rest of the process.
  const options: SecureContextOptions = { minVersion: tls.minVersion ?? 'TLSv1.2' }
  if (tls.ca !== undefined) options.ca = typeof tls.ca === 'string' ? tls.ca : [...tls.ca]
  if (tls.cert !== undefined) options.cert = tls.cert
  if (tls.key !== undefined) options.key = tls.key
  if (tls.passphrase !== undefined) options.passphrase = tls.passphrase
  if (tls.maxVersion !== undefined) options.maxVersion = tls.maxVersion
  if (tls.ciphers !== undefined) options.ciphers = tls.ciphers
  if (tls.groups !== undefined) options.ecdhCurve = tls.groups
  try {
    // OpenSSL 3.0 refuses an empty list itself; 3.5 takes it for its own.
    if (tls.groups === '') throw new Error('groups names none')
    return createSecureContext(options)
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new TransportError('MM_INVALID_ARGUMENT', `the tls options cannot be used: ${reason}`, { cause })
  }
}
