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
