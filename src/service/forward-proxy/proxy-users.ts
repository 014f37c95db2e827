import { createHash, timingSafeEqual } from 'node:crypto'
import { combinedHeaderValue, type HeaderList } from '../../entry/dispatch.ts'

/** A user, and the SHA-256 of the password. */
export interface ProxyUser {
  readonly name: string
  readonly passwordHash: Buffer
}

const USER = /^([^:\s][^:]{0,127}):([0-9a-f]{64})$/i

/** `name:SHA-256 in hexadecimal`; undefined: it is not that. */
export function parseProxyUser(text: string): ProxyUser | undefined {
  const [, name, hash] = USER.exec(text) ?? []
  if (name === undefined || hash === undefined) return undefined
  return { name, passwordHash: Buffer.from(hash, 'hex') }
}

/** More is no password, and would only be hashed. */
const MAX_CREDENTIALS_LENGTH = 1_024
const NOBODY = Buffer.alloc(32)

/** Who may use a proxy, by the Basic scheme (RFC 7617). */
export class ProxyUsers {
  readonly #hashes: ReadonlyMap<string, Buffer>

  constructor(users: readonly ProxyUser[]) {
    this.#hashes = new Map(users.map(({ name, passwordHash }) => [name, passwordHash]))
  }

  /** By Proxy-Authorization. Undefined: nobody that is known here. */
  userOf(headers: HeaderList): string | undefined {
    const value = combinedHeaderValue(headers, 'proxy-authorization')
    if (value === undefined || value.length > MAX_CREDENTIALS_LENGTH) return undefined
    const [, encoded] = /^basic +([a-z0-9+/]+={0,2})$/i.exec(value) ?? []
    if (encoded === undefined) return undefined
    const credentials = Buffer.from(encoded, 'base64').toString('utf8')
    const colon = credentials.indexOf(':')
    if (colon === -1) return undefined
    const name = credentials.slice(0, colon)
    const known = this.#hashes.get(name)
    const given = createHash('sha256')
      .update(credentials.slice(colon + 1))
      .digest()
    // As long for a user that there is not: who asks learns nothing of names.
    const isRight = timingSafeEqual(given, known ?? NOBODY)
    return isRight && known !== undefined ? name : undefined
  }
}
