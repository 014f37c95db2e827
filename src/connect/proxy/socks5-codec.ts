import { isIP } from 'node:net'
import type { TunnelTarget } from './connect-codec.ts'

/** SOCKS version 5 (RFC 1928) with user and password (RFC 1929): what is sent, and what is answered. Pure. */

interface Credentials {
  readonly user: string
  readonly password: string
}

const VERSION = 5
const CONNECT = 1
const NO_AUTHENTICATION = 0
const USER_PASSWORD = 2
const NO_ACCEPTABLE_METHOD = 0xff
/** Of the sub-negotiation of RFC 1929. */
const AUTHENTICATION_VERSION = 1
const ADDRESS_TYPES = { v4: 1, name: 3, v6: 4 } as const

/** The first message: the methods that we can do (RFC 1928 section 3). */
export function socksGreeting(credentials: Credentials | undefined): Buffer {
  return credentials === undefined
    ? Buffer.from([VERSION, 1, NO_AUTHENTICATION])
    : Buffer.from([VERSION, 2, NO_AUTHENTICATION, USER_PASSWORD])
}

/** RFC 1929 section 2. Of at most 255 bytes each, which parseProxyUrl() has seen to. */
function socksAuthentication({ user, password }: Credentials): Buffer {
  const parts = [user, password].map(part => Buffer.from(part))
  return Buffer.concat([
    Buffer.from([AUTHENTICATION_VERSION]),
    ...parts.flatMap(part => [Buffer.from([part.length]), part]),
  ])
}

/** CONNECT to a name or an address (RFC 1928 section 4). A name has at most 255 bytes. */
export function socksConnect({ host, port }: TunnelTarget): Buffer {
  const family = isIP(host)
  const name = Buffer.from(host)
  const address =
    family === 4
      ? [ADDRESS_TYPES.v4, ...host.split('.').map(Number)]
      : family === 6
        ? [ADDRESS_TYPES.v6, ...v6Bytes(host)]
        : [ADDRESS_TYPES.name, name.length, ...name]
  return Buffer.from([VERSION, CONNECT, 0, ...address, port >> 8, port & 0xff])
}

function v6Bytes(address: string): number[] {
  // A URL writes an address that ends in IPv4 with hexadecimal groups only, and the shortest.
  const [, plain = ''] = /^\[(.*)\]$/.exec(new URL(`http://[${address.replace(/%.*$/, '')}]`).hostname) ?? []
  const [head = '', tail] = plain.split('::')
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'))
  const [before, after] = [groups(head), groups(tail ?? '')]
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0')
  return [...before, ...zeros, ...after].flatMap(group => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

/**
 * - `more`: nothing to do until more comes
 * - `send`: the next message
 * - `tunnel`: it stands, and begins with `rest`
 * - `unauthorized`: the proxy wants other credentials, or any
 * - `refused`: its reply to CONNECT is another than success (RFC 1928 section 6)
 * - `broken`: what came is not SOCKS5
 */
export type SocksAnswer =
  | { readonly kind: 'more' }
  | { readonly kind: 'send'; readonly bytes: Buffer }
  | { readonly kind: 'tunnel'; readonly rest: Buffer }
  | { readonly kind: 'unauthorized'; readonly because: string }
  | { readonly kind: 'refused'; readonly reply: number; readonly because: string }
  | { readonly kind: 'broken'; readonly because: string }

const MORE: SocksAnswer = { kind: 'more' }

/** REP of RFC 1928 section 6. */
const REPLIES: Readonly<Record<number, string>> = {
  1: 'general failure',
  2: 'not allowed by its rules',
  3: 'network unreachable',
  4: 'host unreachable',
  5: 'connection refused',
  6: 'time to live expired',
  7: 'command not supported',
  8: 'address type not supported',
}

/**
 * The client's side of the negotiation. `method` waits for the choice of a method, `status` for that of RFC
 * 1929, `reply` for the answer to CONNECT; nothing is read after that. No message is longer than 262 bytes,
 * and what follows the last one belongs to the tunnel.
 */
export class SocksNegotiation {
  readonly #target: TunnelTarget
  readonly #credentials: Credentials | undefined
  #state: 'method' | 'status' | 'reply' | 'over' = 'method'
  #bytes: Buffer = Buffer.alloc(0)

  constructor(target: TunnelTarget, credentials: Credentials | undefined) {
    this.#target = target
    this.#credentials = credentials
  }

  push(chunk: Buffer): SocksAnswer {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    switch (this.#state) {
      case 'method':
        return this.#onMethod()
      case 'status':
        return this.#onStatus()
      case 'reply':
        return this.#onReply()
      case 'over':
        break
    }
    return MORE
  }

  #onMethod(): SocksAnswer {
    const [version, method] = this.#bytes
    if (version !== undefined && version !== VERSION) return this.#end(broken(`it speaks version ${version}`))
    if (method === undefined) return MORE
    if (this.#bytes.length > 2) return this.#end(broken('it sent more than it was asked for'))
    this.#bytes = this.#bytes.subarray(2)
    if (method === NO_AUTHENTICATION) return this.#connect()
    if (method === USER_PASSWORD && this.#credentials !== undefined) {
      this.#state = 'status'
      return { kind: 'send', bytes: socksAuthentication(this.#credentials) }
    }
    if (method !== NO_ACCEPTABLE_METHOD && method !== USER_PASSWORD)
      return this.#end(broken(`it chose method ${method}, which was not offered`))
    const because =
      this.#credentials === undefined ? 'it asks for a user and password' : 'it takes no user and password'
    return this.#end({ kind: 'unauthorized', because })
  }

  #onStatus(): SocksAnswer {
    const [version, status] = this.#bytes
    if (version !== undefined && version !== AUTHENTICATION_VERSION)
      return this.#end(broken(`its authentication has version ${version}`))
    if (status === undefined) return MORE
    if (this.#bytes.length > 2) return this.#end(broken('it sent more than it was asked for'))
    this.#bytes = this.#bytes.subarray(2)
    if (status === 0) return this.#connect()
    return this.#end({ kind: 'unauthorized', because: 'it does not accept the user and password' })
  }

  #connect(): SocksAnswer {
    this.#state = 'reply'
    return { kind: 'send', bytes: socksConnect(this.#target) }
  }

  #onReply(): SocksAnswer {
    const [version, reply, , type, nameLength] = this.#bytes
    if (version !== undefined && version !== VERSION)
      return this.#end(broken(`its reply has version ${version}`))
    if (reply === undefined) return MORE
    // The address that follows says nothing then, and some proxies leave it out.
    if (reply !== 0) {
      const because = REPLIES[reply] ?? `reply ${reply}`
      return this.#end({ kind: 'refused', reply, because })
    }
    if (type === undefined) return MORE
    const addressBytes = boundAddressBytes(type, nameLength)
    if (addressBytes === 'unknown') return this.#end(broken(`its reply has an address of type ${type}`))
    if (addressBytes === undefined || this.#bytes.length < 6 + addressBytes) return MORE
    return this.#end({ kind: 'tunnel', rest: this.#bytes.subarray(6 + addressBytes) })
  }

  #end(answer: SocksAnswer): SocksAnswer {
    this.#state = 'over'
    this.#bytes = Buffer.alloc(0)
    return answer
  }
}

/** Undefined: its length has not come yet. */
function boundAddressBytes(type: number, nameLength: number | undefined): number | 'unknown' | undefined {
  if (type === ADDRESS_TYPES.v4) return 4
  if (type === ADDRESS_TYPES.v6) return 16
  if (type !== ADDRESS_TYPES.name) return 'unknown'
  return nameLength === undefined ? undefined : 1 + nameLength
}

function broken(because: string): SocksAnswer {
  return { kind: 'broken', because }
}
