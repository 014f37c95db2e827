import type { ContextPointer, OpenSsl, SslPointer } from './openssl.ts'

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
export function sharedContexts(openssl: OpenSsl): ContextCache {
  const known = shared.get(openssl)
  if (known !== undefined) return known
  const made = new ContextCache(openssl)
  shared.set(openssl, made)
  return made
}
