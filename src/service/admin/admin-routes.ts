import type { Explanation } from '../../index.ts'
import type { ReloadResult } from '../lifecycle/service-api.ts'
import { type AdminInput, type AdminResponse, adminError, json, text } from './admin-response.ts'
import { answerMigrate, type Migrate } from './migrate-route.ts'

/** What the admin routes show and start. */
export interface AdminActions {
  /** Undefined: ready. Else why not. */
  notReadyBecause(): string | undefined
  metrics(): Promise<{ contentType: string; text: string }>
  pools(): unknown
  /** Undefined: no origin has that name. */
  explain(originName: string): Promise<Explanation | undefined>
  migrate: Migrate
  /** False: not yet, it is starting. */
  startDrain(): boolean
  reload(): Promise<ReloadResult>
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
    run: async actions => ({ status: 200, ...(await actions.metrics()) }),
  },
  {
    method: 'GET',
    pattern: /^\/pools$/,
    shown: '/pools',
    does: 'the pools and their connections, as JSON',
    run: actions => json(200, actions.pools()),
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
      if (result.ok) return json(200, { reloaded: true, warnings: result.warnings })
      const message = 'the configuration was not changed'
      return json(422, {
        reloaded: false,
        error: { code: 'MM_CONFIG_INVALID', message },
        faults: result.faults,
      })
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
