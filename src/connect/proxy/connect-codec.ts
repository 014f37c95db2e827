/** CONNECT over HTTP/1.1 (RFC 9110 9.3.6): what is sent to a proxy, and what it answers. Pure. */

/** Where a tunnel is to lead. */
export interface TunnelTarget {
  /** A name or an address, without brackets. */
  readonly host: string
  readonly port: number
}

/** `origin.example:443`, `[::1]:443`. */
export function formatTarget({ host, port }: TunnelTarget): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

interface Credentials {
  readonly user: string
  readonly password: string
}

/** The value of Proxy-Authorization: Basic (RFC 7617), in UTF-8. */
export function basicCredentials({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

/** The request. */
export function connectRequest(target: TunnelTarget, credentials: Credentials | undefined): Buffer {
  const at = formatTarget(target)
  const authorization =
    credentials === undefined ? '' : `Proxy-Authorization: ${basicCredentials(credentials)}\r\n`
  return Buffer.from(`CONNECT ${at} HTTP/1.1\r\nHost: ${at}\r\n${authorization}\r\n`)
}

/**
 * - `more`: the head is not complete
 * - `tunnel`: 2xx, and the tunnel begins with `rest`
 * - `refused`: any other status
 * - `broken`: no answer of HTTP/1.x, or none within the bound
 */
export type ConnectAnswer =
  | { readonly kind: 'more' }
  | { readonly kind: 'tunnel'; readonly rest: Buffer }
  | { readonly kind: 'refused'; readonly status: number; readonly reason: string }
  | { readonly kind: 'broken'; readonly because: string }

/** All heads that precede a tunnel, interim ones included. */
const MAX_ANSWER_BYTES = 16_384
/** Of a reason phrase that is shown. */
const MAX_REASON_CHARS = 80
const STATUS_LINE = /^HTTP\/1\.[01] ([1-5]\d\d)(?: ([^\r\n]*))?$/
const FIELD_LINE = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:/

/**
 * Reads the answer to a CONNECT out of the bytes that have come. Interim responses are passed over.
 * Content-Length and Transfer-Encoding of a 2xx mean nothing (RFC 9110 9.3.6); the body of a refusal is
 * nobody's business, since the connection ends with it.
 */
export class ConnectDecoder {
  #bytes: Buffer = Buffer.alloc(0)

  push(chunk: Buffer): ConnectAnswer {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk])
    let from = 0
    for (;;) {
      const end = this.#bytes.subarray(0, MAX_ANSWER_BYTES).indexOf('\r\n\r\n', from, 'latin1')
      if (end === -1) break
      const answer = readHead(this.#bytes.toString('latin1', from, end))
      from = end + 4
      if (answer === 'interim') continue
      return answer === 'tunnel' ? { kind: 'tunnel', rest: this.#bytes.subarray(from) } : answer
    }
    if (this.#bytes.length >= MAX_ANSWER_BYTES)
      return { kind: 'broken', because: `its answer has no end within ${MAX_ANSWER_BYTES} bytes` }
    // Known at once: something else than HTTP would have us wait for an end that never comes.
    const begun = this.#bytes.toString('latin1', from, from + 7)
    return 'HTTP/1.'.startsWith(begun) ? { kind: 'more' } : NO_HTTP
  }
}

const NO_HTTP: ConnectAnswer = { kind: 'broken', because: 'its answer is not HTTP/1.1' }

function readHead(head: string): 'interim' | 'tunnel' | ConnectAnswer {
  const [first = '', ...fields] = head.split('\r\n')
  const [, digits, reason = ''] = STATUS_LINE.exec(first) ?? []
  if (digits === undefined) return NO_HTTP
  if (!fields.every(line => FIELD_LINE.test(line)))
    return { kind: 'broken', because: 'its answer has a line that is no header field' }
  const status = Number(digits)
  // 101 would be another protocol than the one that was asked for.
  if (status === 101) return { kind: 'broken', because: 'it switches protocols, which nobody asked for' }
  if (status < 200) return 'interim'
  if (status < 300) return 'tunnel'
  return { kind: 'refused', status, reason: reason.slice(0, MAX_REASON_CHARS) }
}
