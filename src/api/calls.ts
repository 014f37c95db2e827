import { TransportError } from '../base/errors.ts'
import { isAuthority, type Origin, parseOrigin } from '../base/http/origin.ts'
import type { Protocol } from '../base/http/protocol.ts'
import { checkNumber } from '../base/options/check-options.ts'
import { checkRequestRetry, type OnlyLane, onlyLaneOf } from '../base/options/request-options.ts'
import type { DispatchRequest } from '../exchange/dispatch.ts'
import { checkCallNames } from './call-names.ts'
import { prepareMessage } from './request-headers.ts'
import type { ConnectTarget, RequestOptions } from './types.ts'

// What calls of a transport say, read. All of it throws MM_INVALID_ARGUMENT.

/** What is spoken there is not ours to know: a place of cleartext has nothing but its host and port. */
export function originAt({ host, port }: ConnectTarget): Origin {
  const isPort = Number.isInteger(port) && port >= 1 && port <= 65_535
  const authority = `${typeof host === 'string' && host.includes(':') ? `[${host}]` : host}:${port}`
  if (isPort && isAuthority(authority)) return parseOrigin(`http://${authority}`)
  throw new TransportError('MM_INVALID_ARGUMENT', `not a host and a port: ${JSON.stringify({ host, port })}`)
}

/** An Origin stays as it is, with the egress that it may have. */
export function originOf(origin: string | URL | Origin): Origin {
  return typeof origin === 'object' && 'key' in origin ? origin : parseOrigin(origin)
}

export function laneOf(wanted: readonly Protocol[], allowed: readonly Protocol[]): OnlyLane {
  const found = onlyLaneOf(wanted, allowed)
  if (typeof found !== 'string') return found.lane
  throw new TransportError('MM_INVALID_ARGUMENT', `protocols: ${found}`)
}

/** Where it leads. */
export function requestTarget(url: string | URL): URL {
  const target = typeof url === 'string' ? parseUrl(url) : url
  if (target.username === '' && target.password === '') return target
  throw new TransportError(
    'MM_INVALID_ARGUMENT',
    'credentials in a URL are refused: send an authorization header',
  )
}

/** What is dispatched for it. */
export function requestOf(target: URL, options: RequestOptions): DispatchRequest {
  checkCallNames('request', options)
  checkValues(options)
  const { method = 'GET', earlyData, fairKey, headersTimeoutMs, bodyTimeoutMs } = options
  const { requestTimeoutMs, retry, protocols } = options
  const { headers, body, authority } = prepareMessage(options.headers, options.body)
  return {
    method,
    path: target.pathname + target.search,
    headers,
    body,
    authority,
    earlyData,
    fairKey,
    headersTimeoutMs,
    bodyTimeoutMs,
    requestTimeoutMs,
    retry,
    protocols,
  }
}

function checkValues(options: RequestOptions): void {
  const { fairKey, headersTimeoutMs, bodyTimeoutMs, requestTimeoutMs, retry } = options
  if (requestTimeoutMs !== undefined) checkNumber('requestTimeoutMs', requestTimeoutMs)
  if (retry !== undefined) checkRequestRetry(retry)
  if (fairKey !== undefined && typeof fairKey !== 'string')
    throw new TransportError('MM_INVALID_ARGUMENT', 'fairKey must be a string')
  if (headersTimeoutMs !== undefined) checkNumber('headersTimeoutMs', headersTimeoutMs)
  if (bodyTimeoutMs !== undefined) checkNumber('bodyTimeoutMs', bodyTimeoutMs)
}

function parseUrl(url: string): URL {
  try {
    return new URL(url)
  } catch (cause) {
    throw new TransportError(
      'MM_INVALID_ARGUMENT',
      `not an absolute URL: ${JSON.stringify(url.slice(0, 200))}`,
      { cause },
    )
  }
}
