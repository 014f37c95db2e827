import { COLON, isToken } from '../../../base/http/char-tables.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { hasPort, isAuthority, isSameAuthority } from '../../../base/http/origin.ts'
import { MessageFault, type RequestHead, type ResponseHead } from './message-head.ts'
import {
  isPath,
  isProtocol,
  isScheme,
  malformed,
  type RegularFields,
  readRegularFields,
  readTrailers,
  withoutLength,
} from './regular-fields.ts'

/**
 * Reads the fields of a request head. Throws a MessageFault for a malformed one (RFC 9113 8.1.1).
 * `allowsExtendedConnect`: we have offered it (RFC 8441 3); without that `:protocol` is as unknown as any
 * other pseudo-field.
 */
export function readRequestHead(fields: HeaderList, allowsExtendedConnect: boolean): RequestHead {
  let method: string | undefined
  let scheme: string | undefined
  let authority: string | undefined
  let path: string | undefined
  let protocol: string | undefined
  let pos = 0
  for (; pos < fields.length; pos += 2) {
    const name = fields[pos] as string // even indexes are names
    if (name.charCodeAt(0) !== COLON) break
    const value = fields[pos + 1] as string // odd indexes are values
    let before: string | undefined
    if (name === ':method') {
      before = method
      method = value
    } else if (name === ':scheme') {
      before = scheme
      scheme = value
    } else if (name === ':authority') {
      before = authority
      authority = value
    } else if (name === ':path') {
      before = path
      path = value
    } else if (name === ':protocol' && allowsExtendedConnect) {
      before = protocol
      protocol = value
    } else throw malformed('a pseudo-field that no request has', name)
    if (before !== undefined) throw malformed('given twice', name)
  }
  let regular = readRegularFields(fields, pos, 'request')
  // What follows a CONNECT is a tunnel, with or without :protocol, and has no length (RFC 9110 9.3.6).
  if (method === 'CONNECT') regular = withoutLength(regular, 'CONNECT has none')
  if (method === undefined) throw malformed('missing', ':method')
  if (method !== 'GET' && !isToken(method)) throw malformed('not a token', ':method')
  if (protocol !== undefined) {
    if (method !== 'CONNECT') throw malformed('only CONNECT has it (RFC 8441 4)', ':protocol')
    if (!isProtocol(protocol)) throw malformed('not a protocol', ':protocol')
  } else if (method === 'CONNECT') {
    return readConnect(scheme, authority, path, regular)
  }
  if (scheme === undefined) throw malformed('missing', ':scheme')
  if (path === undefined) throw malformed('missing', ':path')
  if (!isScheme(scheme)) throw malformed('not a scheme', ':scheme')
  if (!isPath(path, method)) throw malformed('not a path', ':path')
  const { host } = regular
  if (authority !== undefined && !isAuthority(authority)) throw malformed('not host[:port]', ':authority')
  if (host !== undefined && host !== authority) {
    if (!isAuthority(host)) throw malformed('not host[:port]', 'host')
    // RFC 9113 8.3.1. Who routes by the one and who reads the other must not receive different things.
    if (authority !== undefined && !isSameAuthority(host, authority, scheme === 'http' ? '80' : '443')) {
      throw malformed('differs from :authority', 'host')
    }
  }
  return {
    method,
    scheme,
    authority: authority ?? host ?? '',
    path,
    protocol: protocol?.toLowerCase(),
    headers: regular.headers,
    hasUnderscore: regular.hasUnderscore,
    contentLength: regular.contentLength,
  }
}

/** CONNECT without :protocol (RFC 9113 8.5): an authority with a port, and neither scheme nor path. */
function readConnect(
  scheme: string | undefined,
  authority: string | undefined,
  path: string | undefined,
  { headers, host, hasUnderscore }: RegularFields,
): RequestHead {
  if (scheme !== undefined) throw malformed('CONNECT has none', ':scheme')
  if (path !== undefined) throw malformed('CONNECT has none', ':path')
  if (authority === undefined || !isAuthority(authority) || !hasPort(authority)) {
    throw malformed('not the host:port that CONNECT needs', ':authority')
  }
  // Some clients leave the port out of Host.
  const port = authority.slice(authority.lastIndexOf(':') + 1)
  if (host !== undefined && !isSameAuthority(host, authority, port)) {
    throw malformed('differs from :authority', 'host')
  }
  return {
    method: 'CONNECT',
    scheme: '',
    authority,
    path: '',
    protocol: undefined,
    headers,
    hasUnderscore,
    contentLength: undefined,
  }
}

/**
 * Reads the fields of a response head, informational or final. Throws a MessageFault for a malformed one (RFC
 * 9113 8.1.1):
 *  1. `:status` is the only pseudo-field; it is there, once, and has three digits (8.3.2).
 *  2. 101 does not exist here (8.6).
 *  3. 1xx and 204 have no Content-Length (RFC 9110 8.6). `0` is common on 204 and harmless: it is left out.
 *  4. The rules for all fields: see readRegularFields.
 */
export function readResponseHead(fields: HeaderList): ResponseHead {
  let status = 0
  let pos = 0
  for (; pos < fields.length; pos += 2) {
    const name = fields[pos] as string // even indexes are names
    if (name.charCodeAt(0) !== COLON) break
    if (name !== ':status') throw malformed('a pseudo-field that no response has', name)
    if (status !== 0) throw malformed('given twice', name)
    status = readStatus(fields[pos + 1] as string) // odd indexes are values
  }
  if (status === 0) throw malformed('missing', ':status')
  if (status === 101) throw malformed('101 does not exist here', ':status')
  const regular = readRegularFields(fields, pos, 'response')
  const { headers, contentLength } =
    status < 200 || status === 204 ? withoutLength(regular, 'neither 1xx nor 204 have it') : regular
  return { status, headers, contentLength }
}

/** Three digits, 100 to 999. RFC 9110 15 knows none above 599, but says that a client takes them for 5xx. */
function readStatus(value: string): number {
  if (value.length === 3) {
    const hundreds = value.charCodeAt(0) - 0x30
    const tens = value.charCodeAt(1) - 0x30
    const ones = value.charCodeAt(2) - 0x30
    if (hundreds >= 1 && hundreds <= 9 && tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9) {
      return hundreds * 100 + tens * 10 + ones
    }
  }
  throw malformed('not three digits', ':status')
}

/** A field section as its decoder hands it on, which keeps what was made of it. */
interface DecodedSection {
  readonly fields: HeaderList
  meaning: unknown
}

export interface MessageReaderOptions {
  readonly maxHeaderBytes: number
  readonly maxHeaderCount: number
  readonly allowsExtendedConnect: boolean
  /** Malformed without :authority or host (RFC 9114 4.3.1; RFC 9113 8.3.1 only recommends it). */
  readonly requiresAuthority: boolean
  /** The fault, which is the end of a stream, for a message that is malformed. */
  readonly malformed: (message: string) => Error
  /** Likewise for a section above the limits. */
  readonly tooLarge: (message: string, limit: string) => Error
}

/**
 * Reads field sections as the messages that they stand for. What a section means, be it malformed, is kept
 * with it: equal ones are judged once.
 */
export class MessageReader {
  readonly #options: MessageReaderOptions

  constructor(options: MessageReaderOptions) {
    this.#options = options
  }

  response(section: DecodedSection | 'too-large'): ResponseHead {
    const readable = this.#readable(section)
    readable.meaning ??= this.#judge(() => readResponseHead(readable.fields))
    return unlessMalformed(readable.meaning) as ResponseHead // a client gets no other heads
  }

  request(section: DecodedSection | 'too-large'): RequestHead {
    const readable = this.#readable(section)
    readable.meaning ??= this.#judge(() => {
      const head = readRequestHead(readable.fields, this.#options.allowsExtendedConnect)
      // Schemes without an authority are none of ours.
      if (this.#options.requiresAuthority && head.authority === '')
        throw new MessageFault('neither :authority nor host')
      return head
    })
    return unlessMalformed(readable.meaning) as RequestHead // a server gets no other heads
  }

  /** Trailers are rare, and equal bytes may be a head elsewhere: they are read each time. */
  trailers(section: DecodedSection | 'too-large'): HeaderList {
    const { fields } = this.#readable(section)
    return unlessMalformed(this.#judge(() => readTrailers(fields))) as HeaderList // of readTrailers()
  }

  tooLarge(): Error {
    const { maxHeaderBytes, maxHeaderCount, tooLarge } = this.#options
    return tooLarge(
      `a field section above maxHeaderBytes (${maxHeaderBytes}) or maxHeaderCount (${maxHeaderCount})`,
      'maxHeaderBytes',
    )
  }

  #readable(section: DecodedSection | 'too-large'): DecodedSection {
    if (section === 'too-large') throw this.tooLarge()
    return section
  }

  #judge(read: () => unknown): unknown {
    try {
      return read()
    } catch (error) {
      if (error instanceof MessageFault) return this.#options.malformed(error.message)
      throw error
    }
  }
}

function unlessMalformed(meaning: unknown): unknown {
  if (meaning instanceof Error) throw meaning
  return meaning
}
