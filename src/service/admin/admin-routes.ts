import { type Explanation, type MigrateOptions, type MigrationResult, TransportError } from '../../index.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'

interface AdminResponse {
  status: number
  contentType: string
  text: string
  /** For 405. */
  allow?: string
}

/** What comes with a request beyond its path. */
interface AdminInput {
  readonly query: URLSearchParams
  /** Empty: there was none. */
  readonly body: string
}

export function text(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain; charset=utf-8', text: body }
}

function json(status: number, value: unknown): AdminResponse {
  return { status, contentType: 'application/json', text: `${JSON.stringify(value, undefined, 2)}\n` }
}

/** In the form of all errors of ours. */
function adminError(status: number, code: string, message: string): AdminResponse {
  return json(status, { error: { code, message } })
}

/** What the admin routes show and start. */
export interface AdminActions {
  /** Undefined: ready. Else why not. */
  notReadyBecause(): string | undefined
  /** With workers, `worker=NAME` asks for one of them. */
  metrics(query: URLSearchParams): Promise<{ contentType: string; text: string }>
  pools(): unknown
  /** Undefined: no origin has that name. */
  explain(originName: string): Promise<Explanation | undefined>
  migrate: Migrate
  /** False: not yet, it is starting. */
  startDrain(): boolean
  reload(): Promise<ReloadResult>
  /** Absent: everything is in one process, which cannot hand its sockets over. */
  upgrade?(): Promise<
    { readonly ok: true; readonly pid: number } | { readonly ok: false; readonly because: string }
  >
}

type Method = 'GET' | 'POST'

interface Route {
  method: Method
  pattern: RegExp
  shown: string
  does: string
  run(actions: AdminActions, parameter: string, input: AdminInput): Promise<AdminResponse> | AdminResponse
}

const ROUTES: readonly Route[] = [
  { method: 'GET', pattern: /^\/$/, shown: '/', does: 'this page', run: () => text(200, routesPage()) },
  {
    method: 'GET',
    pattern: /^\/healthz$/,
    shown: '/healthz',
    does: '200 while the process works',
    run: () => text(200, 'ok\n'),
  },
  {
    method: 'GET',
    pattern: /^\/readyz$/,
    shown: '/readyz',
    does: '200 while it takes requests, else 503',
    run: actions => {
      const because = actions.notReadyBecause()
      return because === undefined ? text(200, 'ready\n') : text(503, `not ready: ${because}\n`)
    },
  },
  {
    method: 'GET',
    pattern: /^\/metrics$/,
    shown: '/metrics',
    does: 'metrics for Prometheus',
    run: async (actions, _parameter, { query }) => ({ status: 200, ...(await actions.metrics(query)) }),
  },
  {
    method: 'GET',
    pattern: /^\/pools$/,
    shown: '/pools',
    does: 'the pools and their connections, as JSON',
    run: async actions => json(200, await actions.pools()),
  },
  {
    method: 'GET',
    pattern: /^\/origins\/([^/]+)\/explain$/,
    shown: '/origins/NAME/explain',
    does: 'what would be tried for an origin, and why, as JSON',
    run: async (actions, name) => {
      const explanation = await actions.explain(name)
      return explanation === undefined
        ? adminError(404, 'MM_NO_ROUTE', `no origin is called ${JSON.stringify(name)}`)
        : json(200, explanation)
    },
  },
  {
    method: 'POST',
    pattern: /^\/origins\/([^/]+)\/migrate$/,
    shown: '/origins/NAME/migrate',
    does: 'moves the HTTP/3 connections to an origin to another local port, or to ?address=IP&port=N',
    run: (actions, name, input) => answerMigrate((origin, to) => actions.migrate(origin, to), name, input),
  },
  {
    method: 'POST',
    pattern: /^\/drain$/,
    shown: '/drain',
    does: 'takes no more requests and lets the open ones end; the process stays',
    run: actions =>
      actions.startDrain()
        ? json(202, { draining: true })
        : text(503, `not ready: ${actions.notReadyBecause() ?? ''}\n`),
  },
  {
    method: 'POST',
    pattern: /^\/reload$/,
    shown: '/reload',
    does: 'reads the configuration again; a bad one changes nothing',
    run: async actions => {
      const result = await actions.reload()
      if (result.ok) return json(200, { reloaded: true, changes: result.changes, warnings: result.warnings })
      const message = 'the configuration was not changed'
      return json(422, {
        reloaded: false,
        error: { code: 'MM_CONFIG_INVALID', message },
        faults: result.faults,
      })
    },
  },
  {
    method: 'POST',
    pattern: /^\/upgrade$/,
    shown: '/upgrade',
    does: 'starts the program anew on the same sockets; this one drains and ends when that one is ready',
    run: async actions => {
      const result = await actions.upgrade?.()
      if (result === undefined)
        return adminError(409, 'MM_INVALID_ARGUMENT', 'an upgrade needs workers: middlemile serve -c FILE')
      if (result.ok) return json(200, { upgraded: true, pid: result.pid })
      return adminError(409, 'MM_INTERNAL', `the old program goes on: ${result.because}`)
    },
  },
]

const NO_INPUT: AdminInput = { query: new URLSearchParams(), body: '' }

/** Answers one admin request. `path` is without its query. */
export async function answerAdmin(
  actions: AdminActions,
  method: string,
  path: string,
  input: AdminInput = NO_INPUT,
): Promise<AdminResponse> {
  const matching = ROUTES.filter(route => route.pattern.test(path))
  if (matching.length === 0) return text(404, `no such page; GET / lists them\n`)
  const wanted = method === 'HEAD' ? 'GET' : method
  const route = matching.find(route => route.method === wanted)
  if (route === undefined) {
    const allow = matching.map(({ method }) => (method === 'GET' ? 'GET, HEAD' : method)).join(', ')
    return { ...text(405, `${path} takes ${allow}\n`), allow }
  }
  return await route.run(actions, decoded(route.pattern.exec(path)?.[1] ?? ''), input)
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment // a stray % names no origin
  }
}

function routesPage(): string {
  const lines = ROUTES.map(({ method, shown, does }) => `${method.padEnd(5)}${shown.padEnd(24)}${does}`)
  return `middlemile\n\n${lines.join('\n')}\n`
}

/** Undefined: no origin has that name. Rejects with MM_INVALID_ARGUMENT for what is no address or no port. */
type Migrate = (originName: string, to: MigrateOptions) => Promise<readonly MigrationResult[] | undefined>

/**
 * Moves the connections to an origin. `address` and `port` come in the query or in a JSON body; the system
 * chooses what is left out. 200: at least one has moved. 409: none has, with the reason of each.
 */
async function answerMigrate(migrate: Migrate, name: string, input: AdminInput): Promise<AdminResponse> {
  let results: readonly MigrationResult[] | undefined
  try {
    results = await migrate(name, target(input))
  } catch (error) {
    if (error instanceof TransportError && error.code === 'MM_INVALID_ARGUMENT')
      return adminError(400, error.code, error.message)
    throw error
  }
  if (results === undefined)
    return adminError(404, 'MM_NO_ROUTE', `no origin is called ${JSON.stringify(name)}`)
  const moved = results.filter(({ report }) => report?.outcome === 'moved').length
  if (moved > 0) return json(200, { moved, connections: results })
  const because =
    results.length === 0 ? 'no connection to the origin is open' : 'no connection could be moved'
  return json(409, { moved, because, connections: results })
}

/** Throws MM_INVALID_ARGUMENT for what cannot be read. */
function target({ query, body }: AdminInput): MigrateOptions {
  const given: Record<string, unknown> = { ...Object.fromEntries(query), ...parsedBody(body) }
  const unknown = Object.keys(given).find(name => name !== 'address' && name !== 'port')
  if (unknown !== undefined) throw refusal(`${JSON.stringify(unknown)} is neither address nor port`)
  const { address, port } = given
  if (address !== undefined && typeof address !== 'string') throw refusal('address must be a string')
  if (port === undefined) return { address }
  // A query has only text.
  const number = typeof port === 'string' && /^\d{1,5}$/.test(port) ? Number(port) : port
  if (typeof number !== 'number') throw refusal('port must be a number')
  return { address, port: number }
}

function parsedBody(body: string): object {
  if (body.trim() === '') return {}
  let value: unknown
  try {
    value = JSON.parse(body)
  } catch (cause) {
    throw refusal('the body is no JSON', cause)
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw refusal('the body must be a JSON object')
  return value
}

function refusal(message: string, cause?: unknown): TransportError {
  return new TransportError('MM_INVALID_ARGUMENT', message, { cause })
}
