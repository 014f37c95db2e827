/**
 * Whether this machine has that IP address, of those that it lists. A loopback that lists one address of
 * 127.0.0.0/8 has all of them (Linux).
 */
export function isHere(host: string, present: ReadonlySet<string>): boolean {
  return present.has(host) || (isLoopback(host) && [...present].some(isLoopback))
}

function isLoopback(host: string): boolean {
  return host.startsWith('127.')
}
