import { combinedHeaderValue, type HeaderList, NO_HEADERS } from '../../entry/dispatch.ts'
import type { Protocol } from '../../index.ts'
import { isUnixClient } from '../../ingress/unix-socket.ts'
import type { ForwardedMode } from '../config/service-settings.ts'
import {
  type ForwardedChain,
  forwardedElements,
  NO_HOPS,
  quotedUnlessToken,
  readChain,
  type TrustedPeers,
  trustOf,
  unmapped,
} from './forwarded-chain.ts'
import type { OwnName } from './own-response.ts'

/** What of a request decides about its fields. */
export interface ForwardableRequest {
  readonly method: string
  readonly scheme: 'http' | 'https'
  readonly authority: string
  readonly headers: HeaderList
  readonly httpVersion: string
  readonly remoteAddress: string
  /** DER. */
  readonly clientCertificate: Buffer | undefined
}

export interface RequestHeaderPolicy {
  readonly name: OwnName
  readonly forwarded: ForwardedMode
  readonly trustForwarded: TrustedPeers
  readonly by: string | undefined
  /** Proxy-Authorization is for us, and goes no further (RFC 9110 11.7.2). Default false: it passes. */
  readonly isForProxy?: boolean
}

/** Why a request goes no further. */
type ForwardingStop =
  | 'loop' // our own Via entry is in it
  | 'last-hop' // Max-Forwards is 0 (RFC 9110 7.6.2)

/**
 * Writes the fields of a forwarded request: Via is appended, Client-Cert has what the client proved,
 * Forwarded and X-Forwarded-* name the client and
 * of the hops before us, both the same, and Max-Forwards of OPTIONS and TRACE counts down. All else passes.
 *
 * The appended fields depend on the client's address, scheme, version and authority only. An edge sends long
 * runs of requests in which these are the same, so the last list is kept, and a common request costs four
 * comparisons and one concatenation. The last result is kept, too: a client that speaks HTTP/2 and sends the
 * same head again comes with the same list, and the encoder towards the origin knows a list that it has
 * written before.
 */
export class RequestHeaders {
  readonly #policy: RequestHeaderPolicy
  readonly #isTrusted: (address: string) => boolean
  #lastAddress = ''
  #lastAuthority = ''
  #lastVersion = ''
  #lastScheme = ''
  #lastCertificate: Buffer | undefined
  #lastAppended: HeaderList = []
  #lastHeaders: HeaderList | undefined
  #lastResult: HeaderList = []

  constructor(policy: RequestHeaderPolicy) {
    this.#policy = policy
    this.#isTrusted = trustOf(policy.trustForwarded)
  }

  rewrite(request: ForwardableRequest): HeaderList | ForwardingStop {
    const { headers } = request
    if (headers === this.#lastHeaders && this.#isLastClient(request)) return this.#lastResult
    for (let i = 0; i < headers.length; i += 2) {
      if (isOfInterest(headers[i] as string)) return this.#rewriteFields(request) // even indexes are names
    }
    this.#lastResult = headers.concat(this.#appended(request))
    this.#lastHeaders = headers
    return this.#lastResult
  }

  #isLastClient({
    remoteAddress,
    authority,
    httpVersion,
    scheme,
    clientCertificate,
  }: ForwardableRequest): boolean {
    return (
      clientCertificate === this.#lastCertificate &&
      remoteAddress === this.#lastAddress &&
      authority === this.#lastAuthority &&
      httpVersion === this.#lastVersion &&
      scheme === this.#lastScheme
    )
  }

  #appended(request: ForwardableRequest): HeaderList {
    if (!this.#isLastClient(request)) {
      const { remoteAddress, authority, httpVersion, scheme } = request
      this.#lastAddress = remoteAddress
      this.#lastAuthority = authority
      this.#lastVersion = httpVersion
      this.#lastScheme = scheme
      this.#lastCertificate = request.clientCertificate
      this.#lastAppended = this.#ownFields(request, undefined, NO_HOPS)
    }
    return this.#lastAppended
  }

  /** The long way, for a request that has some of the fields that we write. */
  #rewriteFields(request: ForwardableRequest): HeaderList | ForwardingStop {
    const { headers, method } = request
    const isTrusted = this.#isTrusted(unmapped(request.remoteAddress))
    const countsForwards = method === 'OPTIONS' || method === 'TRACE'
    const kept: string[] = []
    for (let i = 0; i < headers.length; i += 2) {
      const name = headers[i] as string // even indexes are names
      const value = headers[i + 1] as string // odd indexes are values
      if (name === 'via' || (name === 'proxy-authorization' && this.#policy.isForProxy === true)) continue
      if (name === 'max-forwards' && countsForwards) {
        const left = countDown(value)
        if (left === undefined) return 'last-hop'
        kept.push(name, left)
        continue
      }
      if (isForwardedName(name) && (!isTrusted || this.#isReplaced(name))) continue
      // RFC 9440 4: what a client says here is not proven. A trusted peer in front may have verified it.
      if (isCertificateName(name) && (!isTrusted || request.clientCertificate !== undefined)) continue
      kept.push(name, value)
    }
    const via = combinedHeaderValue(headers, 'via')
    if (via?.includes(this.#policy.name.viaEntry) === true) return 'loop'
    return kept.concat(this.#ownFields(request, via, isTrusted ? readChain(headers) : NO_HOPS))
  }

  /**
   * Whether #ownFields tells the same: where it writes one family, the other one would go on naming the hops
   * before us alone.
   */
  #isReplaced(name: string): boolean {
    return this.#policy.forwarded !== 'off' && REPLACED.has(name)
  }

  #ownFields(request: ForwardableRequest, via: string | undefined, before: ForwardedChain): HeaderList {
    const { name, forwarded, by } = this.#policy
    const { authority, scheme } = request
    // RFC 7239 6.2
    const client = isUnixClient(request.remoteAddress) ? 'unknown' : unmapped(request.remoteAddress)
    const fields = ['via', joined(via, `${request.httpVersion} ${name.viaEntry}`)]
    const { clientCertificate } = request
    // A byte sequence of structured fields (RFC 9440 2.1, RFC 8941 3.3.5).
    if (clientCertificate !== undefined)
      fields.push('client-cert', `:${clientCertificate.toString('base64')}:`)
    if (forwarded === 'rfc7239' || forwarded === 'both') {
      let element = `for=${client.includes(':') ? `"[${client}]"` : client}`
      if (by !== undefined) element += `;by=${by}`
      if (authority !== '') element += `;host=${quotedUnlessToken(authority)}`
      fields.push('forwarded', joined(forwardedElements(before), `${element};proto=${scheme}`))
    }
    if (forwarded === 'x-forwarded' || forwarded === 'both') {
      fields.push('x-forwarded-for', [...before.nodes, client].join(', '))
      // The first hop's view is the one that counts: it spoke with the client.
      fields.push('x-forwarded-proto', before.proto ?? scheme)
      const host = before.host ?? authority
      if (host !== '') fields.push('x-forwarded-host', host)
    }
    return fields
  }
}

const REPLACED: ReadonlySet<string> = new Set([
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-proto',
  'x-forwarded-host',
])

/** By first letter, since nearly every field of nearly every request is none of these. */
function isOfInterest(name: string): boolean {
  switch (name.charCodeAt(0)) {
    case 0x63: // c
      return isCertificateName(name)
    case 0x66: // f
      return name === 'forwarded'
    case 0x6d: // m
      return name === 'max-forwards'
    case 0x70: // p
      return name === 'proxy-authorization'
    case 0x76: // v
      return name === 'via'
    case 0x78: // x
      return name.startsWith('x-forwarded-')
    default:
      return false
  }
}

function isCertificateName(name: string): boolean {
  return name === 'client-cert' || name === 'client-cert-chain'
}

function isForwardedName(name: string): boolean {
  return name === 'forwarded' || name.startsWith('x-forwarded-')
}

/**
 * Undefined: this is the last hop. What is no number passes as it is: RFC 9110 7.6.2 says nothing of it, and
 * it ends no forwarding.
 */
function countDown(value: string): string | undefined {
  if (!/^\d{1,9}$/.test(value)) return value
  return Number(value) === 0 ? undefined : String(Number(value) - 1)
}

function joined(before: string | undefined, own: string): string {
  return before === undefined || before === '' ? own : `${before}, ${own}`
}

/**
 * Writes the fields of a forwarded response.
 * 1. Alt-Svc of the origin goes no further: it is about the origin's host and port, and clients would take it
 *    for a port of ours (RFC 7838 2.1). The listener's own takes its place.
 * 2. Via is appended, by what the origin spoke (RFC 9110 7.6.3: each entry names the protocol in which the
 *    message was received; HTTP/2 and HTTP/3 have no minor version). An origin's own Via stays in front of
 *    it, as another line of the same list.
 *
 * A connection that speaks HTTP/2 hands out the same list for the same head again, and encoders remember what
 * they wrote for a list. So the last answer is kept: equal heads in a row stay one list all the way.
 */
export class ResponseHeaders {
  readonly #fields: Readonly<Record<Protocol, HeaderList>>
  #lastHeaders: HeaderList = NO_HEADERS
  #lastProtocol: Protocol = 'http/1.1'
  #lastResult: HeaderList

  /** `altSvc`: what the listener announces; undefined: nothing. */
  constructor(name: OwnName, altSvc?: string) {
    const announced = altSvc === undefined ? [] : ['alt-svc', altSvc]
    this.#fields = {
      'http/1.1': ['via', `1.1 ${name.viaEntry}`, ...announced],
      h2: ['via', `2 ${name.viaEntry}`, ...announced],
      h3: ['via', `3 ${name.viaEntry}`, ...announced],
    }
    this.#lastResult = this.#fields['http/1.1']
  }

  rewrite(headers: HeaderList, protocol: Protocol): HeaderList {
    if (headers !== this.#lastHeaders || protocol !== this.#lastProtocol) {
      this.#lastHeaders = headers
      this.#lastProtocol = protocol
      this.#lastResult = withoutAltSvc(headers).concat(this.#fields[protocol])
    }
    return this.#lastResult
  }
}

/**
 * What an origin says of credentials for proxies is between it and us (RFC 9110 11.7.1): a client would give
 * it those that it has for us.
 */
export function withoutProxyChallenge(headers: HeaderList): HeaderList {
  const isChallenge = (name: string): boolean =>
    name === 'proxy-authenticate' || name === 'proxy-authentication-info'
  if (!headers.some((text, at) => at % 2 === 0 && isChallenge(text))) return headers
  return headers.filter((_, at) => !isChallenge(headers[at & ~1] as string)) // even indexes are names
}

/** The same list where it names none, as most do. */
export function withoutAltSvc(headers: HeaderList): HeaderList {
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i] === 'alt-svc') return headers.filter((_, at) => headers[at & ~1] !== 'alt-svc')
  }
  return headers
}
