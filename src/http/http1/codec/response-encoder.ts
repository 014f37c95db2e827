import { isToken } from '../../../base/http/char-tables.ts'
import type { HeaderList } from '../../../base/http/headers.ts'
import { encodeFields, invalid, requireValue } from './field-encoder.ts'
import type { BodyFraming } from './message-framing.ts'
import { reasonPhrase } from './reason-phrases.ts'

/** What a response says in its head. */
export interface ResponseLike {
  readonly status: number
  readonly headers: HeaderList
  /** Default: the registered phrase. */
  readonly statusText?: string | undefined
}

/** What it says about the connection. */
export interface ResponseConnection {
  /** The minor version of the request. The response itself always says HTTP/1.1 (RFC 9110 2.5). */
  readonly minorVersion: 0 | 1
  /** We take another request afterwards. */
  readonly keepAlive: boolean
  /** With status 101: the protocol that is switched to. */
  readonly upgrade?: string | undefined
}

/**
 * The head of a response, as latin1 text; also of a 1xx, with framing `none`. Throws MM_INVALID_ARGUMENT when
 * any part of it could be read as something else than itself. With framing `none` a content-length in the
 * list is passed on, as HEAD and 304 want it, but left out where none may be sent (1xx, 204: RFC 9110 8.6).
 */
export function encodeResponseHead(
  response: ResponseLike,
  framing: BodyFraming,
  connection: ResponseConnection,
): string {
  const { status, headers } = response
  if (!Number.isInteger(status) || status < 100 || status > 999) {
    throw invalid('the status is not from 100 to 999', String(status))
  }
  const hasNoContent = status < 200 || status === 204
  if (hasNoContent && framing !== 'none')
    throw invalid(`a response with status ${status} has no body`, String(framing))
  const reason = response.statusText ?? reasonPhrase(status)
  requireValue(reason)
  // HTTP/1.0 has no Upgrade (RFC 9110 7.8).
  const upgrade = status < 200 ? 'refuse' : connection.minorVersion === 1 ? 'offer' : 'omit'
  const fields = encodeFields(hasNoContent ? withoutLength(headers) : headers, framing, upgrade)
  return `HTTP/1.1 ${status} ${reason}\r\n${connectionLines(status, connection)}${fields}\r\n`
}

function connectionLines(status: number, connection: ResponseConnection): string {
  if (status === 101) {
    const { upgrade } = connection
    if (upgrade === undefined || !upgrade.split('/', 2).every(isToken)) {
      throw invalid('a 101 needs the protocol that it switches to', String(upgrade))
    }
    return `connection: upgrade\r\nupgrade: ${upgrade}\r\n`
  }
  if (status < 200) return ''
  if (!connection.keepAlive) return 'connection: close\r\n'
  return connection.minorVersion === 0 ? 'connection: keep-alive\r\n' : ''
}

function withoutLength(headers: HeaderList): HeaderList {
  if (!headers.includes('content-length')) return headers
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = headers[i] as string // even indexes are names
    if (name !== 'content-length') kept.push(name, headers[i + 1] as string) // odd indexes are values
  }
  return kept
}
