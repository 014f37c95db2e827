import { createHash } from 'node:crypto'
import { TransportError } from '../../base/errors.ts'
import type { TlsOptions } from '../../base/options/options.ts'
import { type ContextCache, sharedContexts } from './context-cache.ts'
import { type KeyLog, keyLogOf } from './key-log.ts'
import { makeContext } from './make-context.ts'
import type { OpenSsl, SslPointer } from './openssl.ts'

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
