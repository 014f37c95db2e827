import type { Logger } from 'pino'
import {
  type Connection,
  type ConnectionMigrated,
  formatEndpoint,
  formatPathEnd,
  type ObjectiveChanged,
  type SelectionEvent,
  type StateFault,
} from '../../entry/events.ts'
import type { Observer, Origin, TransportEvent } from '../../index.ts'

/**
 * Logs what became of a connection that moved to another path, or was to: a move at info, everything else as
 * a warning.
 *
 *   shop h3#7: moved from 192.0.2.7:50123 to 192.0.2.8:50124 (silent), gap 180ms: nothing came for 120 ms
 *   while data flowed shop h3#7: not moved from 192.0.2.7:50123 (timeouts), redial: the peer forbids
 *   migration
 */
function logMigration(logger: Logger, event: ConnectionMigrated, origin: string): void {
  const { connection, report } = event
  const { cause, outcome, gapMs, because } = report
  const from = formatPathEnd(report.from)
  const to = report.to === undefined ? undefined : formatPathEnd(report.to)
  const name = `${origin} ${connection.protocol}#${connection.id}`
  const fields = {
    origin,
    protocol: connection.protocol,
    connection: connection.id,
    cause,
    outcome,
    from,
    ...(to !== undefined && { to }),
    ...(gapMs !== undefined && { gapMs }),
    because,
  }
  if (outcome === 'moved') {
    const gap = gapMs === undefined ? '' : `, gap ${duration(gapMs)}`
    logger.info(fields, `${name}: moved from ${from} to ${to ?? '?'} (${cause})${gap}: ${because}`)
  } else logger.warn(fields, `${name}: not moved from ${from} (${cause}), ${outcome}: ${because}`)
}

/**
 * Logs that the objective of an origin is missed, with the top cause and what would change it, and that it is
 * met again:
 *
 *   shop: reuse 81.5 % is below the objective of 92.0 %: origin-keep-alive, 88 % of the connections made: …
 */
function logObjective(logger: Logger, { status }: ObjectiveChanged, origin: string): void {
  const { state, reuse } = status
  const aim = `the objective of ${percent(reuse)}`
  if (state !== 'missed') {
    logger.info({ origin, objective: reuse }, `${origin}: reuse is at ${aim} again`)
    return
  }
  const { reuseRate, cause, share, advice } = status
  logger.warn(
    { origin, objective: reuse, reuseRate, cause, share },
    `${origin}: reuse ${percent(reuseRate)} is below ${aim}: ${cause}, ${percent(share)} of the connections made: ${advice}`,
  )
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`
}

/** Looks up what the configuration calls an origin. */
export type OriginNames = (origin: Origin) => string

/**
 * Logs the life of connections, one line per event, with what each phase took:
 *
 *   shop http/1.1#7 192.0.2.1:443: tcp.connect 42ms, tls.handshake 85ms (TLSv1.3, full), pool: connection
 *   added shop http/1.1#7: ttfb 110ms, first exchange 200 after 243ms shop http/1.1#7 192.0.2.1:443: pool:
 *   connection removed (idle-timeout) after 93s, 120 requests
 *
 * and how protocols are chosen, and how connections move.
 *
 * The first exchange has a line of its own, since its end may be far away. Requests are logged at debug only:
 * the level is read once, and without it an exchange on a reused connection costs one comparison. Fields of
 * requests are never logged, nor are queries.
 */
export function connectionLog(logger: Logger, originName: OriginNames): Observer {
  const logsRequests = logger.isLevelEnabled('debug')
  if (!logger.isLevelEnabled('error')) return ignoreEvent
  return event => {
    if (event.type === 'exchange-ended' && event.reused && !logsRequests) return
    if (event.type === 'state-fault') logger.warn(event.message)
    else logEvent(logger, event, originName(event.origin), logsRequests)
  }
}

function ignoreEvent(): void {}

function logEvent(
  logger: Logger,
  event: Exclude<TransportEvent, StateFault>,
  origin: string,
  logsRequests: boolean,
): void {
  switch (event.type) {
    case 'connect-started':
      logger.debug({ origin }, `${origin}: connecting`)
      return
    case 'connection-opened':
      logger.info({ origin, ...connectionFields(event.connection) }, openedLine(origin, event.connection))
      return
    case 'connect-failed': {
      const { code, message, hint } = event.error
      const took = duration(event.durationMs)
      const next =
        event.retryAfterMs > 0 ? `, next attempt with a request, or in ${duration(event.retryAfterMs)}` : ''
      logger.warn(
        { origin, code, hint, durationMs: event.durationMs, retryAfterMs: event.retryAfterMs },
        `${origin}: connect failed after ${took}: ${code} ${message}${next}`,
      )
      return
    }
    case 'connection-draining':
      logger.debug(
        { origin, ...connectionFields(event.connection), reason: event.reason },
        `${label(origin, event.connection)}: pool: connection draining (${event.reason})`,
      )
      return
    case 'connection-joined': {
      const { connection } = event
      const { owner = '', because = '' } = connection.sharedBy ?? {}
      logger.info(
        { origin, ...connectionFields(connection), owner, because },
        `${label(origin, connection)}: pool: connection of ${owner} joined: ${because}`,
      )
      return
    }
    case 'connection-left': {
      const { connection, reason, requests } = event
      logger.info(
        { origin, ...connectionFields(connection), owner: connection.sharedBy?.owner, reason, requests },
        `${label(origin, connection)}: pool: connection of ${connection.sharedBy?.owner} left (${reason}), ${requests} requests`,
      )
      return
    }
    case 'coalescing-refused':
      logger.debug(
        { origin, owner: event.owner, reason: event.reason, because: event.because },
        `${origin}: pool: connection of ${event.owner} not used (${event.reason}): ${event.because}`,
      )
      return
    case 'preconnect-hinted':
      logger.info(
        { origin, by: event.by, source: event.source },
        `${origin}: connecting ahead: ${event.by} named it in ${event.source === 'early-hints' ? 'Early Hints' : 'a response'}`,
      )
      return
    case 'connection-closed': {
      const { connection, reason, ageMs, requests, error } = event
      const because = error === undefined ? reason : `${reason}: ${error.code} ${error.message}`
      logger.info(
        {
          origin,
          ...connectionFields(connection),
          reason,
          ageMs,
          requests,
          ...(error && { code: error.code }),
        },
        `${label(origin, connection)}: pool: connection removed (${because}) after ${duration(ageMs)}, ${requests} requests`,
      )
      return
    }
    case 'early-data': {
      const { connection, outcome } = event
      const { kind, tlsVersion, timings } = connection.handshake
      const phase = connection.protocol === 'h3' ? 'quic.handshake' : 'tls.handshake'
      logger.info(
        { origin, ...connectionFields(connection), earlyData: outcome },
        `${label(origin, connection)}: early data ${outcome}, ${phase} ${duration(timings.tlsMs)} (${tlsVersion}, ${kind})`,
      )
      return
    }
    case 'fast-open':
      logger.debug(
        { origin, endpoint: event.endpoint, outcome: event.outcome, because: event.because },
        `${origin} ${event.endpoint}: TCP Fast Open ${event.outcome}: ${event.because}`,
      )
      return
    case 'exchange-retried':
      logger.debug(
        { origin, reason: event.reason, code: event.error.code },
        `${origin}: request sent again (${event.reason}): ${event.error.code} ${event.error.message}`,
      )
      return
    case 'defence':
      logger.warn({ origin, limit: event.limit }, `${origin}: a peer exceeded ${event.limit}`)
      return
    case 'exchange-ended':
      logExchange(logger, event, origin, logsRequests)
      return
    case 'migration':
      logMigration(logger, event, origin)
      return
    case 'decision':
    case 'race-ended':
    case 'http3-status':
    case 'evidence':
      logSelection(logger, event, origin)
      return
    case 'socket-option-refused':
      logger.warn(
        { origin, option: event.option, because: event.because },
        `${origin}: socket.${event.option} does not take effect: ${event.because}`,
      )
      return
    case 'objective':
      logObjective(logger, event, origin)
      return
    case 'requests-refused': {
      const { by, limit } = event
      const option = by === 'concurrency' ? 'concurrency.limit' : `breakers.${REFUSING_BREAKERS[by]}`
      const what = by.endsWith('retries') ? 'replays are not made' : 'requests are refused'
      logger.warn({ origin, by, limit }, `${origin}: ${what}: ${limit} are under way already (${option})`)
      return
    }
    case 'endpoint-health': {
      const { endpoint, standing, because } = event
      const level = standing === 'healthy' ? 'info' : 'warn'
      logger[level](
        { origin, endpoint, standing, because },
        `${origin}: endpoint ${endpoint} is ${standing}: ${because}`,
      )
      return
    }
    case 'endpoints-changed': {
      const { added, removed, because } = event
      const what = [
        ...(added.length > 0 ? [`${added.join(', ')} added`] : []),
        ...(removed.length > 0 ? [`${removed.join(', ')} removed`] : []),
      ]
      const message = `${origin}: endpoints: ${what.join('; ') || 'other weights, tiers or zones'}: ${because}`
      logger.info({ origin, added, removed, because }, message)
      return
    }
    case 'endpoint-panic': {
      const { lane, isOn, because } = event
      const what = isOn ? 'health is ignored' : 'health counts again'
      logger.warn({ origin, lane, isOn, because }, `${origin}: ${what} over ${lane}: ${because}`)
      return
    }
    case 'dial-ended': // its connection, or its failure, has a line
    case 'path-sampled': // the metrics have it
  }
}

const REFUSING_BREAKERS = {
  requests: 'maxRequests',
  retries: 'maxRetries',
  'endpoint-requests': 'maxRequestsPerEndpoint',
  'endpoint-retries': 'maxRetriesPerEndpoint',
} as const

function logExchange(
  logger: Logger,
  event: Extract<TransportEvent, { type: 'exchange-ended' }>,
  origin: string,
  logsRequests: boolean,
): void {
  const { protocol, connectionId, status, ttfbMs, totalMs, error } = event
  const isFirst = !event.reused && protocol !== undefined && status !== 0
  if (isFirst) {
    logger.info(
      { origin, protocol, connection: connectionId, status, ttfbMs, totalMs },
      `${origin} ${protocol}#${connectionId}: ttfb ${duration(ttfbMs)}, first exchange ${error?.code ?? status} after ${duration(totalMs)}`,
    )
  }
  if (!logsRequests) return
  const path = withoutQuery(event.path)
  const { method, queueMs, requestBytes, responseBytes, retries, reused, earlyData, stallMs } = event
  const outcome =
    error === undefined
      ? String(status)
      : `${status === 0 ? '' : `${status}, `}${error.code} ${error.message}`
  logger.debug(
    {
      origin,
      protocol,
      connection: connectionId,
      method,
      path,
      status,
      reused,
      retries,
      requestBytes,
      responseBytes,
      queueMs,
      ttfbMs,
      totalMs,
      ...(earlyData !== 'none' && { earlyData }),
      ...(stallMs !== undefined && { stallMs }),
      ...(error && { code: error.code }),
    },
    `${origin} ${method} ${path}: ${outcome}, queue ${duration(queueMs)}, ttfb ${duration(ttfbMs)}, total ${duration(totalMs)}`,
  )
}

function openedLine(origin: string, connection: Connection): string {
  const { kind, earlyData, tfo, tlsVersion, timings } = connection.handshake
  const phases = []
  if (timings.dnsMs > 0) phases.push(`dns ${duration(timings.dnsMs)}`)
  if (connection.protocol === 'h3') {
    // QUIC connects and secures in one; in early data that is still to come, and has a line of its own.
    const isEarly = kind === 'early_data' && earlyData === 'none'
    phases.push(
      isEarly ? 'quic in early data' : `quic.handshake ${duration(timings.tlsMs)} (${tlsVersion}, ${kind})`,
    )
    return `${label(origin, connection)}: ${phases.join(', ')}, pool: connection added`
  }
  phases.push(`tcp.connect ${duration(timings.connectMs)}`)
  if (tfo === 'used') phases.push('tcp fast open')
  // In early data: its handshake is still to come, and has a line of its own.
  if (kind === 'early_data' && earlyData === 'none') phases.push('tls in early data')
  else if (tlsVersion !== undefined)
    phases.push(`tls.handshake ${duration(timings.tlsMs)} (${tlsVersion}, ${kind})`)
  return `${label(origin, connection)}: ${phases.join(', ')}, pool: connection added`
}

function label(origin: string, connection: Connection): string {
  return `${origin} ${connection.protocol}#${connection.id} ${formatEndpoint(connection.endpoint)}`
}

function connectionFields(connection: Connection): Record<string, unknown> {
  const { kind, timings } = connection.handshake
  return {
    protocol: connection.protocol,
    connection: connection.id,
    endpoint: formatEndpoint(connection.endpoint),
    handshake: kind,
    ...timings,
  }
}

/** A dial has the lines of its connection. */
type Logged = Exclude<SelectionEvent, { type: 'dial-ended' }>

/**
 * Logs how protocols are chosen: what carries requests from now on and what is thought of HTTP/3 at info,
 * since these are few; races and evidence at debug.
 *
 *   shop: requests go over h3 (faster): predicted to be 21 % faster than tcp
 *   shop: HTTP/3 at origin.example:443 is broken: no answer over UDP while TCP worked
 */
function logSelection(logger: Logger, event: Logged, origin: string): void {
  switch (event.type) {
    case 'decision': {
      const { lane, rule, because } = event.decision
      logger.info(
        { origin, lane, rule, because },
        `${origin}: requests go over ${lane} (${rule}): ${because}`,
      )
      return
    }
    case 'http3-status': {
      const { alternative, status, because } = event
      logger.info(
        { origin, alternative, status, because },
        `${origin}: HTTP/3 at ${alternative} is ${STATUS_WORDS[status]}: ${because}`,
      )
      return
    }
    case 'race-ended': {
      const { race, winner } = event
      const course = race.map(({ atMs, lane, event: what }) => `${lane} ${what} at ${Math.round(atMs)}ms`)
      const outcome = winner === undefined ? 'no lane gave a connection' : `${winner} won`
      const steps = course.length === 0 ? '' : ` (${course.join(', ')})`
      logger.debug({ origin, winner, race }, `${origin}: race: ${outcome}${steps}`)
      return
    }
    case 'evidence':
      logger.debug(
        { origin, source: event.source, fact: event.fact },
        `${origin}: learned from ${event.source}: ${event.fact}`,
      )
  }
}

const STATUS_WORDS = {
  pending: 'to be tried',
  confirmed: 'confirmed',
  failedRecently: 'to be tried again after it failed',
  broken: 'broken',
} as const

/** `0.4ms`, `42ms`, `1.5s`, `93s`: as many digits as say something. */
export function duration(ms: number): string {
  if (ms < 10) return `${Math.round(ms * 10) / 10}ms`
  if (ms < 1_000) return `${Math.round(ms)}ms`
  return ms < 10_000 ? `${Math.round(ms / 100) / 10}s` : `${Math.round(ms / 1_000)}s`
}

/** A path as the log shows it: a query may carry secrets. */
export function withoutQuery(path: string): string {
  const mark = path.indexOf('?')
  return mark === -1 ? path : path.slice(0, mark)
}
