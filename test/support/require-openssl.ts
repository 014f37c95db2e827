import { type OpenSsl, openSsl } from '../../src/connect/openssl/openssl.ts'

/** Undefined where OpenSSL can be called, else the reason to skip. */
export function requireOpenssl(): string | undefined {
  const loaded = openSsl()
  return 'openssl' in loaded ? undefined : `skipped: ${loaded.unavailable}`
}

/** Behind requireOpenssl(). */
export function callableOpenssl(): OpenSsl {
  const loaded = openSsl()
  if ('unavailable' in loaded) throw new Error(loaded.unavailable)
  return loaded.openssl
}

/** What each of these gives out, the other takes back. */
const PAIRS: readonly (readonly [made: keyof OpenSsl, freed: keyof OpenSsl])[] = [
  ['SSL_CTX_new', 'SSL_CTX_free'],
  ['SSL_new', 'SSL_free'],
  ['d2i_SSL_SESSION', 'SSL_SESSION_free'],
  ['SSL_get1_peer_certificate', 'X509_free'],
  ['PEM_read_bio_X509_AUX', 'X509_free'],
  ['PEM_read_bio_PrivateKey', 'EVP_PKEY_free'],
  ['X509_STORE_new', 'X509_STORE_free'],
]

/** A pointer, as what it is freed by. */
const nameOf = (freed: string, pointer: unknown): string => `${freed} ${pointer as bigint}` // as: koffi has no other pointers

/**
 * The same functions, with a record of what is alive. What is freed and was not alive throws. (The BIOs of a
 * connection go with it.)
 */
export function countingOpenssl(): { openssl: OpenSsl; alive: (made: keyof OpenSsl) => number } {
  const openssl: OpenSsl = { ...callableOpenssl() }
  const functions = openssl as unknown as Record<string, (...args: unknown[]) => unknown> // as: that is what it is
  const alive = new Map<unknown, string>()
  for (const freed of new Set(PAIRS.map(([, freed]) => freed))) {
    const call = functions[freed]!
    functions[freed] = pointer => {
      if (!alive.delete(nameOf(freed, pointer))) throw new Error(`${freed} of what is not alive`)
      return call(pointer)
    }
  }
  for (const [made, freed] of PAIRS) {
    const call = functions[made]!
    functions[made] = (...args) => {
      const pointer = call(...args)
      if (pointer !== null) alive.set(nameOf(freed, pointer), made)
      return pointer
    }
  }
  return { openssl, alive: made => [...alive.values()].filter(name => name === made).length }
}
