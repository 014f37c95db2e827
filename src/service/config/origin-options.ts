import type { z } from 'zod'
import type { OriginOptions } from '../../index.ts'
import type { originFields } from './fields/origin-fields.ts'

type Fields = ReturnType<typeof originFields>

/** The options of an origin, as the schema has passed them. */
type ParsedOriginOptions = {
  readonly [Name in Exclude<keyof Fields, 'url' | 'hosts'>]?: z.output<Fields[Name]>
}

/** What was given of them, as a transport takes them; what is left out is not there. */
export function originOptions(parsed: ParsedOriginOptions): OriginOptions {
  const options: OriginOptions = {}
  if (parsed.protocols !== undefined) options.protocols = parsed.protocols
  if (parsed.select !== undefined) options.select = parsed.select
  if (parsed.pool !== undefined) options.pool = parsed.pool
  if (parsed.reuse !== undefined) options.reuse = parsed.reuse
  if (parsed.objective !== undefined) options.objective = parsed.objective
  if (parsed.protection !== undefined) options.protection = parsed.protection
  if (parsed.timeouts !== undefined) options.timeouts = parsed.timeouts
  if (parsed.retry !== undefined) options.retry = parsed.retry
  if (parsed.breakers !== undefined) options.breakers = parsed.breakers
  if (parsed.concurrency !== undefined) options.concurrency = parsed.concurrency
  if (parsed.limits !== undefined) options.limits = parsed.limits
  if (parsed.http2 !== undefined) options.http2 = parsed.http2
  if (parsed.quic !== undefined) options.quic = parsed.quic
  if (parsed.http3 !== undefined) options.http3 = parsed.http3
  if (parsed.liveness !== undefined) options.liveness = parsed.liveness
  if (parsed.tls !== undefined) options.tls = parsed.tls
  if (parsed.socket !== undefined) options.socket = parsed.socket
  if (parsed.balance !== undefined) options.balance = parsed.balance
  if (parsed.health !== undefined) options.health = parsed.health
  if (parsed.outlier !== undefined) options.outlier = parsed.outlier
  if (parsed.hedge !== undefined) options.hedge = parsed.hedge
  if (parsed.earlyData !== undefined) options.earlyData = parsed.earlyData
  if (parsed.earlyDataOverTcp !== undefined) options.earlyDataOverTcp = parsed.earlyDataOverTcp
  if (parsed.coalesce !== undefined) options.coalesce = parsed.coalesce
  if (parsed.certificateNames !== undefined) options.certificateNames = parsed.certificateNames
  if (parsed.preconnectHints !== undefined) options.preconnectHints = parsed.preconnectHints
  if (parsed.webTransport !== undefined) options.webTransport = parsed.webTransport
  if (parsed.tfo !== undefined) options.tfo = parsed.tfo
  if (parsed.egress !== undefined) options.egress = parsed.egress
  if (parsed.trusted !== undefined) options.trusted = parsed.trusted
  if ('endpoints' in parsed && parsed.endpoints !== undefined) options.endpoints = parsed.endpoints
  return options
}
