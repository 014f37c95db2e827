/**
 * `/soak/ID?size=BYTES`: the id stands in the path, so that a log that leaves queries out still names the
 * request.
 */
export function requestPath(id: string, bytes: number): string {
  return `/soak/${id}?size=${bytes}`
}

export function parseRequestPath(path: string): { readonly id: string; readonly bytes: number } | undefined {
  const match = /^\/soak\/([\w-]+)\?size=(\d+)$/.exec(path)
  return match === null ? undefined : { id: match[1] ?? '', bytes: Number(match[2]) }
}
