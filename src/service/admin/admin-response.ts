export interface AdminResponse {
  status: number
  contentType: string
  text: string
  /** For 405. */
  allow?: string
}

/** What comes with a request beyond its path. */
export interface AdminInput {
  readonly query: URLSearchParams
  /** Empty: there was none. */
  readonly body: string
}

export function text(status: number, body: string): AdminResponse {
  return { status, contentType: 'text/plain; charset=utf-8', text: body }
}

export function json(status: number, value: unknown): AdminResponse {
  return { status, contentType: 'application/json', text: `${JSON.stringify(value, undefined, 2)}\n` }
}

/** In the form of all errors of ours. */
export function adminError(status: number, code: string, message: string): AdminResponse {
  return json(status, { error: { code, message } })
}
