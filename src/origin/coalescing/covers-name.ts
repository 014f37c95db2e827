/**
 * Whether one of the names covers the host, by the rules of RFC 9525 6.3, 6.4 and 6.5:
 * 1. An IP address is covered by the same address only.
 * 2. A host name is covered by the same name, whatever the case; a dot at the end is no part of it. Names that
 *    are not ASCII are compared in their IDNA form, which hosts of origins and certificates are in.
 * 3. `*` stands for exactly one label, the left-most one and the whole of it; two more labels stand behind it
 *    (`*.example` covers nothing, as in node:tls).
 * `host`: of an origin (Origin.host). `names`: from certificateNames().
 */
export function coversName(names: readonly string[], host: string): boolean {
  if (isAddress(host)) return names.includes(host) // 1
  const wanted = withoutDot(host.toLowerCase())
  const parent = parentOf(wanted)
  return names.some(given => {
    const name = withoutDot(given.toLowerCase())
    if (!name.startsWith('*')) return name === wanted // 2
    const covered = name.slice('*.'.length)
    return name.startsWith('*.') && covered.includes('.') && covered === parent // 3
  })
}

/** As URLs spell them: no host name has a colon, or nothing but digits. */
function isAddress(host: string): boolean {
  return host.includes(':') || /^[\d.]+$/.test(host)
}

function withoutDot(name: string): string {
  return name.endsWith('.') ? name.slice(0, -1) : name
}

/** What stands behind the left-most label; undefined: nothing does, or the label is empty. */
function parentOf(name: string): string | undefined {
  const dotAt = name.indexOf('.')
  return dotAt > 0 ? name.slice(dotAt + 1) : undefined
}
